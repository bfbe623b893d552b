"""One side's columns (an endpoint's inputs, or one version's outputs) under watch against one reference.

rows --numbers--> shift.feed, all columns that have met the same rows at once
     +-categories--> codes (named, other, new, missing) --> categories.feed
"""

from __future__ import annotations

import time
import zlib
from typing import Any

import msgspec
import numpy as np
import polars as pl

from tidegate.profiles.frames import kind_of, numbers_of, texts_of
from tidegate.profiles.reference import Reference, hour_of_week
from tidegate.stats import categories, shift
from tidegate.types.monitoring import Side, StreamView

UNIQUE = 0.5
"""A text column whose values are mostly different (ids, free text) has no shares to watch."""

State = shift.State | categories.State


class Numeric:
    """One column of numbers: its bets, its state, its usual hours."""

    def __init__(self, reference: Reference, column: str, effect: float) -> None:
        usual = reference.columns[column]
        centre = reference.season.get(column)
        self.centre = np.asarray(centre) if centre else None
        values = reference.values(column)
        if self.centre is not None and reference.season_rows:
            # An hour's usual value is a median of few rows: two standard errors of it move the middle ranks by 1 / sqrt(n),
            # whatever the distribution.
            effect = min(effect + 1.0 / float(np.sqrt(max(reference.season_rows, 1.0))), 0.5)
        self.bets = shift.Bets(values, usual.rows, usual.missing, effect)
        self.state = shift.fresh()

    def values(self, series: pl.Series, hours: Any) -> Any:
        """Numbers to rank; NaN for missing. Infinities rank at the ends."""
        x = numbers_of(series)
        return x - self.centre[hours] if self.centre is not None else x


class Categorical:
    """One column of categories; the last three numbers stand for other, new and missing."""

    def __init__(self, reference: Reference, column: str, effect: float) -> None:
        usual = reference.columns[column]
        counts = reference.counts(column)
        names = list(counts)[: categories.MOST]
        self.codes = {name: number for number, name in enumerate(names)}
        self.known = set(counts)
        self.complete = len(counts) < 1000
        rest = {name: len(names) for name in counts if name not in self.codes} if self.complete else {}
        mapping = {**self.codes, **rest}
        self._from, self._to = (
            pl.Series(list(mapping), dtype=pl.String),
            pl.Series(list(mapping.values()), dtype=pl.Int64),
        )
        named = [counts[name] for name in names]
        other = max(usual.present - sum(named), 0)
        # Of rows to come, as many are of a value never seen as were of one seen once (Good 1953): taken from the rare ones.
        new = sum(count == 1 for count in counts.values()) if self.complete else 0
        self.names = [*names, "(other)", "(new)", "(missing)"]
        self.bets = categories.Bets(np.array([*named, max(other - new, 0), new, usual.missing]), effect)
        self.state = self.bets.fresh()

    def encode(self, series: pl.Series) -> Any:
        """The number of each row's category."""
        named = len(self.codes)
        texts = texts_of(series)
        if series.dtype.is_float():  # whole numbers of the reference that travel as floats: 3.0 is "3"
            whole = series.cast(pl.Int64, strict=False)
            texts = pl.select(
                pl.when(whole.cast(pl.Float64) == series).then(whole.cast(pl.String)).otherwise(texts)
            ).to_series()
        missing, unknown = named + 2, named + 1 if self.complete else named
        if not len(self._from):
            return np.where(texts.is_null().to_numpy(), missing, unknown)
        codes = texts.replace_strict(self._from, self._to, default=unknown, return_dtype=pl.Int64)
        return np.where(texts.is_null().to_numpy(), missing, codes.to_numpy()).astype(np.intp)


class Group:
    """One side. `version` is "" for inputs."""

    def __init__(
        self, endpoint: str, side: Side, version: str, reference: Reference, effect: float, ignore: set[str]
    ) -> None:
        self.endpoint, self.side, self.version = endpoint, side, version
        self.reference = reference
        self._seed = zlib.crc32(f"{endpoint}/{side}/{version}".encode())
        self.numbers: dict[str, Numeric] = {}
        self.categories: dict[str, Categorical] = {}
        for name, column in reference.columns.items():
            if column.side != side or name in ignore or not column.rows:
                continue
            if reference.is_categorical(name):
                if column.kind == "number" or column.distinct < max(UNIQUE * column.present, 30):
                    self.categories[name] = Categorical(reference, name, effect)
            elif column.kind == "number":
                self.numbers[name] = Numeric(reference, name, effect)

    def feed(self, rows: pl.DataFrame) -> None:
        """Count answered rows, oldest first. A column that isn't there is missing in all of them."""
        if not rows.height:
            return
        hours = hour_of_week(rows["time"]) if any(n.centre is not None for n in self.numbers.values()) else None
        schema = rows.schema
        together: dict[tuple[int, int, int], list[str]] = {}
        for name, numeric in self.numbers.items():
            state = numeric.state
            together.setdefault((state.rows, state.count, state.blocks), []).append(name)
        for names in together.values():
            x = np.full((rows.height, len(names)), np.nan, order="F")
            for place, name in enumerate(names):
                if name in schema and kind_of(schema[name]) in ("number", "integer"):
                    x[:, place] = self.numbers[name].values(rows[name], hours)
            chosen = [self.numbers[name] for name in names]
            shift.feed([one.state for one in chosen], [one.bets for one in chosen], x, self._seed)
        for name, one in self.categories.items():
            series = rows[name] if name in schema else pl.Series(name, [None] * rows.height, pl.String)
            if kind_of(series.dtype):
                categories.feed(one.state, one.bets, one.encode(series))

    def views(self) -> list[tuple[StreamView, bytes]]:
        """What is shown and stored of each column."""
        now = time.time()
        out = []
        for name, numeric in self.numbers.items():
            state = numeric.state
            view = self._view(
                name,
                "number",
                state,
                shift.log_m(state),
                shift.log_e(state),
                shift.leader(state),
                shift.effect(state, numeric.bets.missing),
                now,
            )
            out.append((view, msgspec.msgpack.encode(state)))
        for name, one in self.categories.items():
            kept = one.state
            top = one.names[categories.leader(kept, one.bets)]
            view = self._view(
                name, "category", kept, categories.log_m(kept), categories.log_e(kept), top,
                categories.effect(kept, one.bets), now,
            )  # fmt: skip
            out.append((view, msgspec.msgpack.encode(kept)))
        return out

    def _view(
        self, column: str, kind: Any, state: State, log_m: float, log_e: float, top: str, effect: float, now: float
    ) -> StreamView:
        return StreamView(
            self.endpoint, self.side, column, kind, self.version, rows=state.rows, block=shift.BLOCK,
            log_m=_finite(log_m), peak=_finite(state.peak), log_e=_finite(log_e), top=top, effect=round(effect, 4),
            since_rows=(state.blocks - state.since) * shift.BLOCK + state.count, reference=self.reference.source,
            reference_rows=self.reference.rows, updated=now,
        )  # fmt: skip

    def restore(self, stored: dict[str, bytes]) -> None:
        """Go on with states that were stored; those that don't fit the reference start afresh."""
        for name, numeric in self.numbers.items():
            if name in stored:
                before = msgspec.msgpack.decode(stored[name], type=shift.State)
                if len(before.sums) == shift.SUMS:
                    numeric.state = before
        for name, one in self.categories.items():
            if name in stored:
                state = msgspec.msgpack.decode(stored[name], type=categories.State)
                if len(state.part) == len(one.names):
                    one.state = state

    def calm(self) -> None:
        """Forget the peaks: what was seen until now has been looked at."""
        for numeric in self.numbers.values():
            numeric.state.peak = -np.inf
        for one in self.categories.values():
            one.state.peak = -np.inf


def _finite(value: float) -> float:
    """JSON has no infinities."""
    return float(np.clip(value, -1e9, 1e9)) if not np.isnan(value) else 0.0
