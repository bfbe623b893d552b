"""What a chart costs the server: `python -m benchmarks.dashboard.charts FOLDER [--rounds 21]`, FOLDER from make.py.

    views.series(window, metrics), every window in turn, round after round --> milliseconds: median, CPU, smallest, largest

The same call as the page's and the API's, with the database opened each time. The first of a process is told apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

from benchmarks.dashboard.make import ENDPOINT
from benchmarks.serving.machine import describe
from tidegate.storage.layout import Layout
from tidegate.views.overview import overview
from tidegate.views.series import series

HOUR = 3600
WINDOWS = {"1 h": HOUR, "6 h": 6 * HOUR, "24 h": 24 * HOUR, "7 d": 168 * HOUR, "30 d": 720 * HOUR, "90 d": 2160 * HOUR}
CHARTS = {
    "latency p99": ["software.latency.p99"],
    "mean of a feature": ["input.mean.feature_03"],
    "distinct of a feature (opens sketches)": ["input.distinct.feature_03"],
    "a page: 10 charts": [
        "software.throughput", "software.latency.p50", "software.latency.p99", "software.errors", "software.queue.p99",
        "input.missing.feature_03", "input.mean.feature_03", "output.mean.score", "output.null", "input.distinct.kind_0",
    ],
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/dashboard/results/charts.json"))
    given = parser.parse_args()
    layout = Layout(given.folder)
    now = (given.folder / "state.db").stat().st_mtime
    taken: dict[str, list[float]] = {}
    worked: dict[str, list[float]] = {}
    for _ in range(given.rounds + 1):
        for window, seconds in WINDOWS.items():
            for chart, metrics in CHARTS.items():
                began, busy = time.perf_counter(), time.thread_time()
                view = series(layout, ENDPOINT, metrics, start=now - seconds, end=now)
                taken.setdefault(f"{chart}, {window}", []).append(time.perf_counter() - began)
                worked.setdefault(f"{chart}, {window}", []).append(time.thread_time() - busy)
                assert all(one.lines for one in view.series), (chart, window)
        began, busy = time.perf_counter(), time.thread_time()
        overview(layout)
        taken.setdefault("overview", []).append(time.perf_counter() - began)
        worked.setdefault("overview", []).append(time.thread_time() - busy)
    found = {
        name: {
            "first_ms": round(1000 * times[0], 1), "median_ms": round(1000 * statistics.median(times[1:]), 1),
            "cpu_ms": round(1000 * statistics.median(worked[name][1:]), 1),
            "min_ms": round(1000 * min(times[1:]), 1), "max_ms": round(1000 * max(times[1:]), 1),
        }
        for name, times in taken.items()
    }  # fmt: skip
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({"machine": describe(), "rounds": given.rounds, "figures": found}, indent=1) + "\n")
    for name, one in found.items():
        spread = f"{one['min_ms']:.0f} to {one['max_ms']:.0f}; first {one['first_ms']:.0f}"
        print(f"{name:55} {one['median_ms']:7.1f} ms  CPU {one['cpu_ms']:.1f} ({spread})")


if __name__ == "__main__":
    main()
