"""What finding predictions costs: `python -m benchmarks.dashboard.find FOLDER [--days 41] [--rounds 5]`; FOLDER is made if need be.

    a day of 120,000 rows through ingest, laid down again for the other days --> find() and export(), each in a process of its own

A case's figures are its time, start of the process apart, and the process's highest memory less what it had before.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from tests.support.journal_maker import START, label, route, table, write
from tests.support.journal_maker import TABLE as SIGNATURE

from benchmarks.serving.machine import describe
from tidegate.ingest.cycle import Cycle
from tidegate.storage.layout import Layout
from tidegate.storage.options import LogOptions
from tidegate.views.log import export
from tidegate.views.log_filter import Filter
from tidegate.views.predictions import find

DAY, ROWS, LABELS = 86400, 120_000, 6_000
CASES: dict[str, dict[str, Any]] = {
    "the newest": {},
    "the newest of the last hour": {"hours": 1},
    "a condition that a tenth fits": {"where": "age > 72"},
    "a text that is nowhere": {"text": "Atlantis"},
    "failed": {"outcome": "error"},
    "with a label": {"labelled": True},
    "with a label, of the last day": {"labelled": True, "hours": 24},
}


def records() -> Iterator[Any]:
    rng = np.random.default_rng(7)
    ages, rooms = rng.uniform(0, 80, ROWS), rng.integers(1, 9, ROWS)
    step = DAY * 1_000_000_000 // ROWS
    for n in range(0, ROWS, 4):
        rows = [(float(ages[m]), ("Rome", "Oslo", "Bern")[m % 3], int(rooms[m])) for m in range(n, n + 4)]
        yield table(rows, id=f"p{n:07d}", time=START + n * step)
    for n in range(0, LABELS * 4, 4):
        yield label(f"p{n:07d}", 1.0)


def make(folder: Path, days: int) -> None:
    layout = Layout(folder)
    layout.run.mkdir(parents=True, exist_ok=True)
    layout.journal.mkdir(parents=True, exist_ok=True)
    route(layout, {("m", "1"): SIGNATURE})
    write(layout, list(records()))
    Cycle(layout, LogOptions()).run()
    where = str(folder / "log" / "loan" / "predictions")
    frame = pl.read_delta(where)
    for day in range(1, days):
        moved = frame.with_columns(
            pl.col("time") + timedelta(days=day),
            pl.col("prediction_id") + f"-{day}",
            pl.col("date") + timedelta(days=day),
        )
        moved.write_delta(where, mode="append")


def highest() -> float:
    """The most memory that this process had, in MB: of getrusage's figure a part is the parent's."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def one(folder: Path, case: str, days: int) -> dict[str, float]:
    """Run in a process of its own."""
    layout, given = Layout(folder), dict(CASES.get(case, {}))
    hours = given.pop("hours", None)
    end = START / 1e9 + days * DAY
    wanted = Filter(start=end - hours * 3600 if hours else None, **given)
    before, began = highest(), time.perf_counter()
    if case == "export of a million":
        with tempfile.TemporaryDirectory() as place:
            rows = export(layout, "loan", Path(place) / "out.parquet", most=1_000_000)
    else:
        rows = len(find(layout, "loan", wanted).rows)
    took = time.perf_counter() - began
    return {"s": took, "mb": highest() - before, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=41)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/dashboard/results/find.json"))
    given = parser.parse_args()
    if given.case:
        print(json.dumps(one(given.folder, given.case, given.days)))
        return
    if not given.folder.exists():
        make(given.folder, given.days)
    cases = [*CASES, "export of a million"]
    runs: dict[str, list[dict[str, float]]] = {case: [] for case in cases}
    for _ in range(given.rounds):
        for case in cases:
            words = [
                sys.executable,
                "-m",
                "benchmarks.dashboard.find",
                str(given.folder),
                "--days",
                str(given.days),
                "--case",
                case,
            ]
            runs[case].append(json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout))
    figures = {
        case: {
            "s": round(statistics.median(run["s"] for run in done), 2),
            "from_s": round(min(run["s"] for run in done), 2),
            "to_s": round(max(run["s"] for run in done), 2),
            "mb": round(statistics.median(run["mb"] for run in done)),
            "rows": done[0]["rows"],
        }
        for case, done in runs.items()
    }  # fmt: skip
    for case, figure in figures.items():
        print(
            f"{case:32} {figure['s']:6.2f} s ({figure['from_s']:.2f} to {figure['to_s']:.2f}), {figure['mb']} MB, {figure['rows']} rows"
        )
    given.out.write_text(
        json.dumps(
            {"machine": describe(), "rows": ROWS * given.days, "rounds": given.rounds, "cases": figures}, indent=1
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
