"""Evidently: DataDriftPreset with its defaults, one report; as windows, one report a chunk."""

import sys
import time

import evidently
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
from measure import Peak, told


def definition(frame):
    numbers = [name for name in frame.columns if frame[name].dtype.kind in "fi"]
    return DataDefinition(
        numerical_columns=numbers, categorical_columns=[name for name in frame.columns if name not in numbers]
    )


def drifted(reference, now, columns):
    found = Report([DataDriftPreset()]).run(Dataset.from_pandas(now, columns), Dataset.from_pandas(reference, columns))
    names = []
    for metric in found.dict()["metrics"]:
        config = metric["config"]
        if "column" in config:
            value, limit = float(metric["value"]), config["threshold"]
            names += [config["column"]] if (value < limit if "p_value" in config["method"] else value >= limit) else []
    return names


def report(reference, current):
    begun = time.perf_counter()
    a, b = pd.read_parquet(reference), pd.read_parquet(current)
    loaded = time.perf_counter() - begun
    with Peak() as peak:
        names = drifted(a, b, definition(a))
    told(**peak.figures(), load_seconds=loaded, drifted=len(names), version=evidently.__version__)


def alarms(size, files):
    found = []
    begun = time.perf_counter()
    for reference, stream in zip(files[::2], files[1::2], strict=True):
        a, b = pd.read_parquet(reference), pd.read_parquet(stream)
        columns = definition(a)
        found.append(
            [
                (name, start + size)
                for start in range(0, len(b), size)
                for name in drifted(a, b[start : start + size].reset_index(drop=True), columns)
            ]
        )
    told(seconds=time.perf_counter() - begun, version=evidently.__version__, alarms=found)


if __name__ == "__main__":
    if sys.argv[1] == "report":
        report(*sys.argv[2:])
    else:
        alarms(int(sys.argv[2]), sys.argv[3:])
