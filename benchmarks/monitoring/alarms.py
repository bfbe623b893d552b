"""False alarms on data without drift, and rows until a shift of one column is found. Always both: who always alarms finds all.

A reference of 5,000 rows, then 20 chunks of 1,000 with 12 columns. Windowed tools judge a chunk at its end.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.monitoring import data, systems_run
from benchmarks.serving.machine import describe
from benchmarks.serving.say import say

REFERENCE, SIZE, CHUNKS, COLUMNS = 5_000, 1_000, 20, 12
AT = 10_000
SHIFTS = (0.0, 0.1, 0.25, 0.5)
"""In standard deviations of n0, from row AT on."""
STREAMS = {"tidegate": 40, "nannyml": 40, "evidently": 3}
"""A report of Evidently's takes a second or more, and a stream takes twenty."""
SEED = 11


def study(small: bool) -> dict[str, Any]:
    """By system and shift: alarms a stream, and the first row at which n0 was named after the shift."""
    systems_run.make()
    machine = describe()
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for shift in SHIFTS:
            files: list[str] = []
            count = 4 if small else max(STREAMS.values())
            for number in range(count):
                here = Path(folder) / f"{shift}-{number}"
                paths = data.stream(here, REFERENCE, SIZE, CHUNKS, SEED + 10 * number, shift, AT)
                files += [str(path) for path in paths]
            for name in systems_run.SYSTEMS:
                streams = min(STREAMS[name], 2 if small and name == "evidently" else count)
                one = systems_run.run(name, "alarms", str(SIZE), *files[: 2 * streams])
                if one is not None:
                    found.setdefault(name, {})[str(shift)] = {**counted(one["alarms"], shift), **without(one, "alarms")}
                    say(f"shift {shift:4}  {name:10} {found[name][str(shift)]}")
    return {
        "machine": machine,
        "found": found,
        "chunks": CHUNKS,
        "columns": COLUMNS,
        "size": SIZE,
        "reference": REFERENCE,
    }


def counted(streams: list[list[list[Any]]], shift: float) -> dict[str, Any]:
    """False alarms: of columns that did not move, or before the shift. Delays: rows from the shift to the first true one."""
    false = [[one for one in alarms if not shift or one[0] != "n0" or one[1] <= AT] for alarms in streams]
    delays = []
    for alarms in streams if shift else []:
        true = [row - AT for name, row in alarms if name == "n0" and row > AT]
        delays.append(min(true) if true else None)
    return {
        "streams": len(streams),
        "false_alarms": [len(alarms) for alarms in false],
        "streams_with_false": sum(bool(alarms) for alarms in false),
        "delays": delays,
    }


def without(figures: dict[str, Any], name: str) -> dict[str, Any]:
    """All but one."""
    return {key: value for key, value in figures.items() if key != name}
