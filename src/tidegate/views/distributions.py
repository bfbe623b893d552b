"""One column, usual and now: as bins or categories on common ground, and how it went over the window. Read from profiles alone.

    reference | the window before | a week before --Column--+--> the same edges, shares of each --> Distribution
    profiles of the window, merged --------Column-----------+
    profiles step by step --quantiles, shares, distance--> Step

Shares of numbers come from sketches and are within 2%; no row is read, however large the log.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Literal

import msgspec
import numpy as np

from tidegate.errors import InvalidRequest, NotFound
from tidegate.metrics.distance import distance
from tidegate.plugins import nearest
from tidegate.profiles.column import Column
from tidegate.profiles.reference import FEW, Reference
from tidegate.storage.layout import Layout
from tidegate.storage.profiles import ProfileStore

BINS = 24
MOST = 12
"""Categories by name; the others are one."""
OTHER = "(others)"
STEPS = 120
LONGEST = 3660 * 86400.0
MINUTE = 60.0
WEEK = 7 * 86400.0
_EDGES = (0.005, 0.995)
_AT = (0.05, 0.25, 0.5, 0.75, 0.95)
_SIZES = (60, 300, 900, 3600, 10800, 21600, 86400, 604800)

Against = Literal["stored", "previous", "week"]


class Bin(msgspec.Struct, frozen=True):
    """Values above `low` and up to `high`: their shares of the values present. The first bin has all below as well, the last all above."""

    low: float
    high: float
    before: float
    now: float


class Category(msgspec.Struct, frozen=True):
    """A value and its shares of all rows. `fresh`: the reference has none of it."""

    name: str
    before: float
    now: float
    fresh: bool = False


class Step(msgspec.Struct, frozen=True):
    """A stretch of the window: its distance from the reference, and where its values lay. `quantiles` are at 5, 25, 50, 75, 95%;
    `shares` are of the categories of the whole window, in their order."""

    time: float
    rows: int
    missing: float
    effect: float | None
    quantiles: list[float] = []
    shares: list[float] = []


class Distribution(msgspec.Struct, frozen=True):
    """The column. `effect` is the distance, 0 to 1; `missing` and `out_of_range` are shares; `season` says that detectors hold the
    column against its usual hour of the week, not against all hours as here. `step` is the length of `steps` in seconds."""

    endpoint: str
    column: str
    side: str
    kind: Literal["number", "category"]
    reference: str
    start: float
    end: float
    rows_before: int
    rows_now: int
    missing_before: float
    missing_now: float
    effect: float | None
    out_of_range: float
    median_before: float | None
    median_now: float | None
    bins: list[Bin]
    categories: list[Category]
    step: float
    steps: list[Step]
    season: bool = False


def distribution(
    layout: Layout,
    endpoint: str,
    column: str,
    *,
    start: float | None = None,
    end: float | None = None,
    version: str | None = None,
    against: Against = "stored",
    bins: int = BINS,
) -> Distribution:
    """A column of an endpoint in a window (the last day by default), against its reference or an earlier window as long.

    Errors: NotFound for an endpoint or column that isn't known, or without a reference; InvalidRequest for an empty window.
    """
    end = time.time() if end is None else end
    start = end - 86400.0 if start is None else start
    if not 0.0 <= start < end:
        raise InvalidRequest("start must be before end")
    if end - start > LONGEST:
        raise InvalidRequest("the window can be ten years long at most")
    if not (layout.root / "state.db").exists():
        raise NotFound(f"there are no profiles of {endpoint!r} yet; they are made of the first predictions")
    with closing(ProfileStore(layout)) as store:
        sides = store.columns(endpoint)
        if not sides:
            known = store.endpoints()
            raise NotFound(
                f"there are no profiles of {endpoint!r} yet.{nearest(endpoint, known)} Known: {', '.join(known) or 'none'}"
            )
        size = step_of(end - start)
        stored = store.reference(endpoint, version or "")
        first = start // size * size
        series = store.series(endpoint, first, end, size, columns=[column], version=version)
        parts = [(part.start, part.columns.get(column)) for part in series]
        now = _merged([found for _, found in parts])
        if now is None and column not in sides and (stored is None or column not in stored.columns):
            raise NotFound(
                f"{endpoint} has no column {column!r}.{nearest(column, sides)} Known: {', '.join(sorted(sides))}"
            )
        before, words = _before(store, endpoint, column, stored, start, end, version, against)
    if before is None:
        instead = "the window before (against=previous)" if against == "stored" else "the reference (against=stored)"
        raise NotFound(f"{words or 'the reference'} has no values of {column!r}; compare with {instead}")
    now = now if now is not None else Column(before.kind, before.side)
    usual = stored if against == "stored" else None
    return _made(
        endpoint,
        column,
        before,
        now,
        words,
        (start, end),
        size,
        parts,
        usual,
        bins,
    )


def _before(
    store: ProfileStore, endpoint: str, column: str, stored: Reference | None, start: float, end: float, version: str | None,
    against: Against,
) -> tuple[Column | None, str]:  # fmt: skip
    if against == "stored":
        if stored is None:
            raise NotFound(
                f"{endpoint} has no reference yet; compare with the window before instead (against=previous)"
            )
        return stored.columns.get(column), stored.source
    back = end - start if against == "previous" else WEEK
    profile = store.read(endpoint, start - back, end - back, version=version)
    return profile.columns.get(column), "the window before" if against == "previous" else "the same time a week before"


def step_of(seconds: float) -> float:
    """The shortest step of which a window has at most 120."""
    return float(next((size for size in _SIZES if seconds / size <= STEPS), _SIZES[-1]))


def _merged(columns: Sequence[Column | None]) -> Column | None:
    found: Column | None = None
    for column in columns:
        if column is not None and column.rows:
            if found is None:
                found = Column(column.kind, column.side)
            found.merge(column)
    return found


def _made(
    endpoint: str, name: str, before: Column, now: Column, words: str, span: tuple[float, float], size: float,
    parts: Sequence[tuple[float, Column | None]], usual: Reference | None, bins: int,
) -> Distribution:  # fmt: skip
    named = is_named(before, now, usual is not None and usual.is_categorical(name))
    categories = _categories(before, now) if named else []
    steps = [
        _step(at, column, before, named, [one.name for one in categories]) for at, column in parts if column is not None
    ]
    return Distribution(
        endpoint, name, now.side, "category" if named else "number", words, *span, before.rows, now.rows,
        before.missing / max(before.rows, 1), now.missing / max(now.rows, 1),
        distance(now, before) if now.rows else None, _beyond(before, now),
        _median(before, named), _median(now, named), [] if named else histogram(before, now, bins), categories, size, steps,
        usual is not None and name in usual.season,
    )  # fmt: skip


def _beyond(before: Column, now: Column) -> float:
    """The share of values now below the least or above the greatest before."""
    if not before.present or not now.present or before.kind != "number" or now.kind != "number":
        return 0.0
    below, upto = now.cdf(np.array([np.nextafter(before.low, -math.inf), before.high]))
    return float(below + 1.0 - upto)


def is_named(before: Column, now: Column, said: bool = False) -> bool:
    """Whether it is shown by its categories: texts, truth values, and whole numbers of few values."""
    if "category" in (before.kind, now.kind) or said:
        return True
    return before.has_items and (now.has_items or not now.rows) and len({*before.items(), *now.items()}) <= FEW


def histogram(before: Column, now: Column, bins: int = BINS) -> list[Bin]:
    """Bins of one width between what both sides' values lie within, but for half a percent at either end."""
    ends = [column.quantile(q) for column in (before, now) for q in _EDGES if column.present]
    ends = [end for end in ends if math.isfinite(end)]
    if not ends:
        return []
    low, high = min(ends), max(ends)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    shares = []
    for column in (before, now):
        whole = np.concatenate([[0.0], column.cdf(edges[1:-1]), [1.0 if column.present else 0.0]])
        shares.append(np.diff(whole))
    return [Bin(float(edges[n]), float(edges[n + 1]), float(shares[0][n]), float(shares[1][n])) for n in range(bins)]


def _categories(before: Column, now: Column) -> list[Category]:
    counts = [column.items() for column in (before, now)]
    rows = [max(column.rows, 1) for column in (before, now)]

    def share(side: int, name: str) -> float:
        return counts[side].get(name, 0) / rows[side]

    names = sorted({*counts[0], *counts[1]}, key=lambda name: (-(share(0, name) + share(1, name)), name))
    found = [Category(name, share(0, name), share(1, name), name not in counts[0]) for name in names[:MOST]]
    rest = [
        max(column.present / rows[side] - sum((one.before, one.now)[side] for one in found), 0.0)
        for side, column in enumerate((before, now))
    ]
    if len(names) > MOST and max(rest) > 0:
        found.append(Category(OTHER, rest[0], rest[1]))
    return found


def _step(at: float, column: Column, before: Column, named: bool, names: Sequence[str]) -> Step:
    items = column.items() if named else {}
    return Step(
        at, column.rows, column.missing / max(column.rows, 1), distance(column, before),
        [] if named or not column.present else [column.quantile(q) for q in _AT],
        [items.get(name, 0) / max(column.rows, 1) for name in names if name != OTHER],
    )  # fmt: skip


def _median(column: Column, named: bool) -> float | None:
    return None if named or not column.present else column.quantile(0.5)
