"""Two frames -> every column compared. Knows no files, no log: columns by name, polars in, ColumnDrift out.

numbers     -> cells (one pass a side)       truth values, texts, whole numbers of few values -> counts
long texts  -> their lengths                 times, lists -> left out (embeddings have descriptors)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from tidegate.profiles.frames import kind_of
from tidegate.profiles.profile import Column, Profile
from tidegate.profiles.reference import FEW, Reference
from tidegate.stats import cells
from tidegate.views.drift_columns import ALPHA, MINIMUM, ColumnDrift, Side, categories, decide, numbers, one_sided

FREE_TEXT = 1000
"""A text column with more different values than this, most of them seen once or twice, is compared by length."""

SKETCH = 0.02
"""A rank read from a profile's sketch is within this (99%)."""

Kind = Literal["number", "integer", "category", ""]


def compare(
    reference: pl.DataFrame,
    now: pl.DataFrame,
    sides: Mapping[str, str] | None = None,
    *,
    alpha: float = ALPHA,
    minimum: float = MINIMUM,
) -> list[ColumnDrift]:
    """Every column of either frame (only those in `sides`, where given), what moved first.

    >>> a = pl.DataFrame({"km": np.arange(1000.0), "sky": ["rain", "sun"] * 500})
    >>> b = pl.DataFrame({"km": np.arange(500.0, 1500.0), "sky": ["rain", "sun"] * 500})
    >>> [(column.name, column.outcome, column.effect) for column in compare(a, b)]
    [('km', 'drifted', 0.5), ('sky', 'steady', 0.0)]
    """
    names = dict.fromkeys([*reference.columns, *now.columns])
    return decide(pairs(reference, now, sides if sides is not None else dict.fromkeys(names, "")), alpha, minimum)


def pairs(reference: pl.DataFrame, now: pl.DataFrame, sides: Mapping[str, str]) -> list[ColumnDrift]:
    """Columns in `sides` compared, not yet decided on together."""
    found = []
    for name in dict.fromkeys([*reference.columns, *now.columns]):
        if name in sides:
            made = _column(name, sides[name], *(frame.get_column(name, default=None) for frame in (reference, now)))
            if made is not None:
                found.append(made)
    return found


def against_summary(reference: Reference, now: pl.DataFrame, sides: Mapping[str, str]) -> list[ColumnDrift]:
    """As `pairs`, against a stored reference (its samples and counts)."""
    found = []
    for name in dict.fromkeys([*reference.columns, *now.columns]):
        if name not in sides:
            continue
        if name not in now.columns or now[name].null_count() == len(now):
            if name not in reference.columns:
                continue  # another version's output: the log has its column, this window has none of it
            found.append(one_sided(name, sides[name], "gone", "in the reference, not in the window"))
            continue
        if name not in reference.columns:
            found.append(one_sided(name, sides[name], "new", "in the window, not in the reference"))
            continue
        usual, series = reference.columns[name], now[name]
        kind = kind_of(series.dtype)
        before = Side(usual.rows, usual.missing, usual.infinite)
        if not kind or name in reference.season:
            continue  # what has a season is not to be held against all hours together
        if reference.is_categorical(name):
            if kind == "number":
                found.append(one_sided(name, sides[name], "type", "categories in the reference, numbers now"))
                continue
            found.append(categories(name, sides[name], reference.counts(name), *_counted(series, kind, before)))
        elif kind == "category":
            found.append(one_sided(name, sides[name], "type", "numbers in the reference, texts now"))
        else:
            values, after = finite(series)
            found.append(
                numbers(name, sides[name], cells.compare(reference.values(name), values), before, after, "number")
            )
    return found


def against_profile(reference: Reference, profile: Profile, sides: Mapping[str, str]) -> list[ColumnDrift]:
    """As `against_summary`, of a window's profile: no row is read. Shares of numbers are within the sketch's 2%."""
    found = []
    for name in dict.fromkeys([*reference.columns, *profile.columns]):
        if name not in sides or name in reference.season:
            continue
        if name not in profile.columns or not profile.columns[name].rows:
            if name not in reference.columns:
                continue
            found.append(one_sided(name, sides[name], "gone", "in the reference, not in the window"))
            continue
        if name not in reference.columns:
            found.append(one_sided(name, sides[name], "new", "in the window, not in the reference"))
            continue
        usual, column = reference.columns[name], profile.columns[name]
        before, after = (Side(one.rows, one.missing, one.infinite) for one in (usual, column))
        if usual.kind != column.kind:
            found.append(one_sided(name, sides[name], "type", f"{usual.kind} in the reference, {column.kind} now"))
        elif reference.is_categorical(name) and (column.kind == "category" or column.has_items):
            found.append(categories(name, sides[name], reference.counts(name), column.items(), before, after))
        else:
            found.append(numbers(name, sides[name], _sketched(reference, name, column), before, after, "number"))
    return found


def _sketched(reference: Reference, name: str, column: Column) -> cells.Cells:
    """A reference's sample and a column's sketch on at most 1,000 common points."""
    values = reference.values(name)
    at = np.linspace(0, 1, 500)
    own = [column.quantile(float(q)) for q in at] if column.present else []
    points = np.unique(np.concatenate([np.quantile(values, at, method="lower") if len(values) else [], own]))
    if not len(points):
        return cells.Cells(points, points, points)
    a = np.diff(np.searchsorted(values, points, side="right"), prepend=0).astype(np.float64)
    b = np.diff(column.cdf(points), prepend=0.0) * column.present
    a[-1] += len(values) - a.sum()
    b[-1] += column.present - b.sum()
    return cells.Cells(points, a, np.maximum(b, 0.0), error=SKETCH, exact=False)


def finite(series: pl.Series) -> tuple[npt.NDArray[np.float64], Side]:
    """A numeric column's finite values, and what else there was. Without copying where all are there and float64."""
    missing = series.null_count()
    values = (series.drop_nulls() if missing else series).to_numpy()
    if values.dtype != np.float64:
        values = values.astype(np.float64)
    good = np.isfinite(values)
    side = Side(len(series), missing)
    if not good.all():
        nans = int(np.isnan(values).sum())
        side.missing += nans
        side.infinite = int(len(values) - good.sum()) - nans
        values = values[good]
    return values, side


def counted(series: pl.Series) -> tuple[dict[str, float], Side]:
    """How often each value is there, as text, and how many were missing."""
    texts = series.cast(pl.String) if series.dtype != pl.String else series
    found = texts.value_counts()
    name = found.columns[0]
    pairs = zip(found[name].to_list(), found["count"].to_list(), strict=True)
    return {value: count for value, count in pairs if value is not None}, Side(len(series), series.null_count())


def is_id(series: pl.Series) -> bool:
    """Whether a whole-number column numbers its rows: each once, in ascending order."""
    return len(series) > 100 and series.is_sorted() and series.n_unique() == len(series)


def _counted(series: pl.Series, kind: Kind, before: Side) -> tuple[dict[str, float], Side, Side]:
    found, side = counted(series)
    return found, before, side


def _column(name: str, side: str, a: pl.Series | None, b: pl.Series | None) -> ColumnDrift | None:
    if a is None or b is None:
        there: Any = a if b is None else b
        if not kind_of(there.dtype):
            return None
        gone = b is None
        return one_sided(
            name, side, "gone" if gone else "new", "in the reference, not now" if gone else "not in the reference"
        )
    if a.dtype == pl.Null or b.dtype == pl.Null:
        a, b = (a.cast(b.dtype), b) if a.dtype == pl.Null else (a, b.cast(a.dtype))
    kinds = kind_of(a.dtype), kind_of(b.dtype)
    if "" in kinds or a.dtype.is_temporal() or b.dtype.is_temporal():
        return None
    if ("category" in kinds) != (kinds == ("category", "category")):
        names = [str(series.dtype) for series in (a, b)]
        return one_sided(name, side, "type", f"{names[0]} in the reference, {names[1]} now")
    if kinds == ("category", "category"):
        (p, before), (q, after) = counted(a), counted(b)
        if len(p) > FREE_TEXT and len(p) * 2 > before.rows - before.missing:
            lengths = [finite(series.cast(pl.String).str.len_chars().cast(pl.Float64))[0] for series in (a, b)]
            return numbers(name, side, cells.compare(*lengths), before, after, "text")
        return categories(name, side, p, q, before, after)
    if kinds == ("integer", "integer") and is_id(a) and is_id(b):
        return None
    (x, before), (y, after) = finite(a), finite(b)
    found = cells.compare(x, y, whole=kinds == ("integer", "integer"))
    if kinds == ("integer", "integer") and len(found.points) <= FEW and found.exact:
        names = [f"{value:.0f}" for value in found.points]
        return categories(
            name, side, dict(zip(names, found.reference.tolist(), strict=True)),
            dict(zip(names, found.now.tolist(), strict=True)), before, after,
        )  # fmt: skip
    return numbers(name, side, found, before, after, "number")
