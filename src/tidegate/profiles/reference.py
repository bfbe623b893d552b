"""What is usual: a sample of rows, summarised once, that profiles and detectors are held against.

    training file | first rows of the log --make--> Reference: Column a name, sorted samples of numbers, counts of categories
                                                        |
                       out of range, new categories <---+---> ranks of the detectors

Numbers keep at most 20,000 values (drawn at random, seeded), so that a reference costs the same however large the file.
With a season, the samples are of what is left when each hour of the week's usual value is taken away.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.errors import ConfigError
from tidegate.profiles.column import Column, Packed
from tidegate.types.monitoring import Side

if TYPE_CHECKING:
    import polars as pl

Numbers = npt.NDArray[np.float64]

SAMPLE = 20_000
NAMED = 1000
HOURS = 168
ENOUGH = 20
"""Rows that an hour of the week needs for a usual value of its own."""
FEW = 30
"""A whole-number column with at most so many different values is watched by its categories."""


class Reference:
    """Columns by name as in the log. `source` says where it is from, `id` is the store's (0 before it is stored)."""

    def __init__(
        self,
        columns: dict[str, Column],
        samples: dict[str, Numbers],
        counts: dict[str, dict[str, int]],
        rows: int,
        source: str,
        *,
        id: int = 0,
        version: str = "",
        time: float = 0.0,
        season: dict[str, list[float]] | None = None,
        season_rows: float = 0.0,
    ) -> None:
        self.columns = columns
        self.rows = rows
        self.source = source
        self.id = id
        self.version = version
        self.time = time
        self.season = season or {}
        """Of a number: its usual value at each of the 168 hours of the week (Monday 0:00 UTC first)."""
        self.season_rows = season_rows
        """Rows of a usual hour; 0 without a season."""
        self._samples = samples
        self._counts = counts

    def values(self, column: str) -> Numbers:
        """A number's values (without missing and infinite ones), sorted; of a season, what differs from the usual hour."""
        return self._samples.get(column, np.empty(0))

    def counts(self, column: str) -> dict[str, int]:
        """A category's values and how often each was there, the most frequent first (at most 1,000)."""
        return self._counts.get(column, {})

    def shares(self, column: str) -> dict[str, float]:
        """The same as shares of the values present."""
        found = self.counts(column)
        total = self.columns[column].present if column in self.columns else 0
        return {value: count / total for value, count in found.items()} if total else {}

    def is_categorical(self, column: str) -> bool:
        """Whether it is watched by its categories: texts, truth values, and whole numbers of few values."""
        found = self.columns.get(column)
        return found is not None and (found.kind == "category" or (found.has_items and len(self.counts(column)) <= FEW))

    def together(self, other: Reference | None) -> Reference:
        """Both references' columns; this one's where both have it."""
        if other is None:
            return self
        return Reference(
            {**other.columns, **self.columns}, {**other._samples, **self._samples}, {**other._counts, **self._counts},
            self.rows, self.source, id=self.id, version=self.version or other.version, time=self.time,
            season={**other.season, **self.season}, season_rows=self.season_rows or other.season_rows,
        )  # fmt: skip

    def encode(self) -> bytes:
        """For the store."""
        return msgspec.msgpack.encode(
            _Packed(
                {name: column.pack() for name, column in self.columns.items()},
                {name: values.tobytes() for name, values in self._samples.items()},
                self._counts, self.rows, self.source, self.season, self.season_rows,
            )
        )  # fmt: skip


class _Packed(msgspec.Struct, array_like=True):
    columns: dict[str, Packed]
    samples: dict[str, bytes]
    counts: dict[str, dict[str, int]]
    rows: int
    source: str
    season: dict[str, list[float]]
    season_rows: float = 0.0


def decode(data: bytes, *, id: int = 0, version: str = "", time: float = 0.0) -> Reference:
    """A stored reference. Errors: msgspec.MsgspecError."""
    raw = msgspec.msgpack.decode(data, type=_Packed)
    return Reference(
        {name: column.unpack() for name, column in raw.columns.items()},
        {name: np.frombuffer(values, np.float64) for name, values in raw.samples.items()},
        raw.counts, raw.rows, raw.source, id=id, version=version, time=time,
        season=raw.season, season_rows=raw.season_rows,
    )  # fmt: skip


def make(frame: pl.DataFrame, sides: Mapping[str, Side], source: str, *, season: pl.Series | None = None) -> Reference:
    """Summarise rows whose columns are named as in the log; only those in `sides`. `season` is each row's time."""
    from tidegate.profiles.frames import counts_of, kind_of, numbers_of

    columns: dict[str, Column] = {}
    samples: dict[str, Numbers] = {}
    counts: dict[str, dict[str, int]] = {}
    usual: dict[str, list[float]] = {}
    hours = hour_of_week(season) if season is not None else None
    draw = np.random.default_rng(0)
    for name in frame.columns:
        kind = kind_of(frame.schema[name])
        if name not in sides or not kind:
            continue
        series = frame[name]
        column = columns[name] = Column("category" if kind == "category" else "number", sides[name])
        if kind == "category":
            found = counts_of(series)
            column.add_items(found, series.null_count())
            counts[name] = _most(found)
            continue
        values = numbers_of(series)
        column.add_numbers(values)
        good = np.isfinite(values)
        values = values[good]
        if kind == "integer":
            different, how_often = np.unique(values, return_counts=True)
            if len(different) <= NAMED:
                found = {f"{value:.0f}": int(count) for value, count in zip(different, how_often, strict=True)}
                column.add_items(found, count_rows=False)
                counts[name] = _most(found)
            else:
                column.wide = True
        if hours is not None and len(values):
            usual[name] = centres(values, hours[good])
            values = values - np.asarray(usual[name])[hours[good]]
        if len(values) > SAMPLE:
            values = draw.choice(values, SAMPLE, replace=False)
        samples[name] = np.sort(values)
    return Reference(
        columns, samples, counts, frame.height, source, season=usual, season_rows=frame.height / HOURS if usual else 0.0
    )


def _most(found: dict[str, int]) -> dict[str, int]:
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:NAMED])


def hour_of_week(times: pl.Series) -> npt.NDArray[np.intp]:
    """0 (Monday 0:00 UTC) to 167 of each time."""
    days, hours = times.dt.weekday().to_numpy(), times.dt.hour().to_numpy()
    return np.asarray((days.astype(np.intp) - 1) * 24 + hours, np.intp)


def centres(values: Numbers, hours: npt.NDArray[np.intp]) -> list[float]:
    """The median of each hour of the week; of an hour with few rows that of its hour of the day; else the overall median.

    Medians, because one wild value must not move a whole hour, and because how far a median of n rows is off in rank does
    not depend on the distribution.
    """
    overall = float(np.median(values))
    order = np.argsort(hours, kind="stable")
    of_hour = np.split(values[order], np.searchsorted(hours[order], np.arange(1, HOURS)))
    out = []
    for hour, found in enumerate(of_hour):
        if len(found) < ENOUGH:
            found = np.concatenate([of_hour[day * 24 + hour % 24] for day in range(7)])
        out.append(float(np.median(found)) if len(found) >= ENOUGH else overall)
    return out


def read_file(path: Path, names: Mapping[str, str], most: int = 1_000_000) -> pl.DataFrame:
    """A Parquet or CSV file's first rows, its columns renamed by `names` (file's -> log's). Errors: ConfigError."""
    import polars as pl

    path = Path(path)
    if path.suffix.lower() not in {".parquet", ".pq", ".csv"}:
        raise ConfigError(f"reference {path}: it must be a Parquet (.parquet) or CSV (.csv) file")
    try:
        lazy: Any = (
            pl.scan_csv(path, infer_schema_length=10_000, try_parse_dates=True)
            if path.suffix.lower() == ".csv"
            else pl.scan_parquet(path)
        )
        there = lazy.collect_schema().names()
        frame: pl.DataFrame = lazy.head(most).collect()
    except (OSError, pl.exceptions.PolarsError) as exc:
        raise ConfigError(f"reference {path} can't be read: {exc}") from exc
    return frame.rename({name: to for name, to in names.items() if name in there and to not in there})
