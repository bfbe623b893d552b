"""Tidegate: the report of `tidegate drift` on two frames; as windows, one report a chunk."""

import sys
import time

import polars as pl
import scipy.special  # noqa: F401 - peers' imports aren't timed either
from measure import Peak, told

import tidegate
from tidegate.views.drift import drift_of
from tidegate.views.drift_frames import compare


def report(reference, current):
    begun = time.perf_counter()
    a, b = pl.read_parquet(reference), pl.read_parquet(current)
    loaded = time.perf_counter() - begun
    with Peak() as peak:
        view = drift_of(a, b)
    told(
        **peak.figures(),
        load_seconds=loaded,
        drifted=sum(column.moved for column in view.columns),
        version=tidegate.__version__,
    )


def alarms(size, files):
    found = []
    begun = time.perf_counter()
    for reference, stream in zip(files[::2], files[1::2], strict=True):
        a, b = pl.read_parquet(reference), pl.read_parquet(stream)
        found.append(
            [
                (column.name, start + size)
                for start in range(0, b.height, size)
                for column in compare(a, b[start : start + size])
                if column.moved
            ]
        )
    told(seconds=time.perf_counter() - begun, version=tidegate.__version__, alarms=found)


if __name__ == "__main__":
    if sys.argv[1] == "report":
        report(*sys.argv[2:])
    else:
        alarms(int(sys.argv[2]), sys.argv[3:])
