"""NannyML: UnivariateDriftCalculator with its defaults (Jensen-Shannon, ten chunks); as windows, chunks of one size."""

import sys
import time

import nannyml
import pandas as pd
from measure import Peak, told


def report(reference, current):
    begun = time.perf_counter()
    a, b = pd.read_parquet(reference), pd.read_parquet(current)
    loaded = time.perf_counter() - begun
    with Peak() as peak:
        found = nannyml.UnivariateDriftCalculator(column_names=list(a.columns)).fit(a).calculate(b)
        table = found.filter(period="analysis").to_df()
    drifted = sum(bool(table[(name, "jensen_shannon", "alert")].any()) for name in a.columns)
    told(**peak.figures(), load_seconds=loaded, drifted=drifted, version=nannyml.__version__)


def alarms(size, files):
    found = []
    begun = time.perf_counter()
    for reference, stream in zip(files[::2], files[1::2], strict=True):
        a, b = pd.read_parquet(reference), pd.read_parquet(stream)
        made = nannyml.UnivariateDriftCalculator(column_names=list(a.columns), chunk_size=size).fit(a).calculate(b)
        table = made.filter(period="analysis").to_df()
        ends = [int(end) + 1 for end in table[("chunk", "chunk", "end_index")]]
        found.append(
            [
                (name, end)
                for name in a.columns
                for end, alert in zip(ends, table[(name, "jensen_shannon", "alert")], strict=True)
                if alert
            ]
        )
    told(seconds=time.perf_counter() - begun, version=nannyml.__version__, alarms=found)


if __name__ == "__main__":
    if sys.argv[1] == "report":
        report(*sys.argv[2:])
    else:
        alarms(int(sys.argv[2]), sys.argv[3:])
