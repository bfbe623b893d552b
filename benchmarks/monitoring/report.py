"""Seconds and memory of one drift report: n rows before, n now, 50 columns, no drift. Systems in turn, in rounds.

Reading the files is measured apart: what counts is the time from two frames in memory to the report's figures.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import psutil

from benchmarks.monitoring import data, systems_run
from benchmarks.serving.machine import describe
from benchmarks.serving.say import say, stop

SIZES = {10_000: 3, 100_000: 3, 1_000_000: 3}
"""Rows -> rounds."""
SLOW = {("evidently", 1_000_000): 1, ("evidently", 100_000): 1}
"""Fewer rounds for whom a round takes minutes."""
LARGE = 10_000_000
ROOM = 17 * 2**30
"""Free memory that two frames of LARGE rows, and writing them, take."""
SEED = 7


def study(small: bool) -> dict[str, Any]:
    """Figures by rows and system: a list a round."""
    sizes = {10_000: 2, 100_000: 1} if small else SIZES
    systems_run.make()
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    machine = describe()
    with tempfile.TemporaryDirectory() as folder:
        for rows, rounds in sizes.items():
            paths = [str(path) for path in data.written(Path(folder), rows, SEED)]
            here = found.setdefault(str(rows), {name: [] for name in systems_run.SYSTEMS})
            for number in range(rounds):
                for name in systems_run.SYSTEMS[number % 3 :] + systems_run.SYSTEMS[: number % 3]:
                    if number >= SLOW.get((name, rows), rounds):
                        continue
                    one = systems_run.run(name, "report", *paths)
                    if one is not None:
                        here[name].append(one)
                        say(f"{rows:>9,} rows  {name:10} {one['seconds']:8.2f} s  +{one['added_mb']:,.0f} MB")
            for path in paths:
                Path(path).unlink()
    return {"machine": machine, "found": found}


def large(small: bool) -> dict[str, Any]:
    """Ten million rows, ours alone: by their growth up to a million rows the peers need more memory than the machine has."""
    rows = 100_000 if small else LARGE
    if not small and psutil.virtual_memory().available < ROOM:
        stop(f"large needs {ROOM / 2**30:.0f} GiB of free memory")
    machine = describe()
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(path) for path in data.written(Path(folder), rows, SEED)]
        ones = [systems_run.run("tidegate", "report", *paths) for _ in range(2)]
    return {"machine": machine, "found": {str(rows): {"tidegate": [one for one in ones if one is not None]}}}
