"""Slices that nobody named: found on one half of the labelled requests, told from the other; and classes that are rare.

    rows with errors, inputs --half of the requests--> conditions, and pairs of the best, by share x the least that they are surely worse
                             --the other half--> their errors, bounds for all that are told, shrunk --> those that are surely worse

What the search found by chance falls back to the whole's error in the other half, so a slice is told only where it holds there too.
Bonferroni over everything that was searched keeps what is looked at short; the other half alone decides. Sources: Chung et al. 2019 (Slice
Finder, 1807.06068) for the search; Dwork et al. 2015 (Science 349) for why the answer has to come from other rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from tidegate.evaluation.base import Estimate
from tidegate.evaluation.figures import deviation, estimate, shrunk, z_of
from tidegate.evaluation.rows import ERROR, WEIGHT, Judged

Bools = npt.NDArray[np.bool_]

LEAST = 30
"""Rows of a half that a slice has at least."""
BINS = 5
VALUES = 20
PAIRED = 8
"""Conditions, the best, that are also tried in pairs."""
TOLD = 8
ALIKE = 0.7
"""Overlap (Jaccard) from which on two slices are one."""
RARE = 0.05


class Found(msgspec.Struct, frozen=True):
    """A slice that is surely worse than all rows together: `error` and bounds of the half that did not find it, `shrunk`, `share` of all
    rows, and what the whole would gain for sure were it as good as the rest."""

    slice: str
    share: float
    error: Estimate
    shrunk: float
    whole: float
    gain: float


class Searched(msgspec.Struct, frozen=True):
    """What was found, of how many conditions tried."""

    found: list[Found]
    tried: int
    rows: int


class OfClass(msgspec.Struct, frozen=True):
    """A true class: how many rows it has, how often it is missed (bounds for all classes together), and whether it is rare."""

    label: str
    rows: int
    share: float
    missed: Estimate
    rare: bool


def search(judged: Judged, *, ignore: Sequence[str] = ()) -> Searched:
    """Look through the inputs of rows that were judged with `inputs=True`."""
    rows = judged.rows
    names = [name for name in judged.window.inputs if name in rows.columns and name not in ignore]
    errors = rows.select(ERROR, WEIGHT).to_numpy()
    first = _half(rows["prediction_id"])
    if first.sum() < 2 * LEAST or not names:
        return Searched([], 0, rows.height)
    share_of_rows = judged.roles.task in ("binary", "multiclass")
    conditions = [(text, mask) for name in names for text, mask in _conditions(rows[name])]
    tried = len(conditions)
    z = z_of(max(tried, 1))
    scored = sorted(
        ((_score(mask & first, first, errors, z), text, mask) for text, mask in conditions), key=lambda one: -one[0]
    )
    best = [one for one in scored if one[0] > -math.inf][:PAIRED]
    pairs = []
    for at, (_, text, mask) in enumerate(best):
        for _, other, beside in best[at + 1 :]:
            if text.split(" ")[0] != other.split(" ")[0]:
                pairs.append((f"{text} and {other}", mask & beside))
    tried += len(pairs)
    scored += [(_score(mask & first, first, errors, z_of(tried)), text, mask) for text, mask in pairs]
    chosen = _different([one for one in sorted(scored, key=lambda one: -one[0]) if one[0] > 0])
    return Searched(_told(chosen, ~first, errors, share_of_rows, rows.height), tried, rows.height)


def classes(judged: Judged) -> list[OfClass]:
    """Each true class of a classification, the rarest first; none of any other task."""
    if judged.roles.task not in ("binary", "multiclass"):
        return []
    label = pl.coalesce(
        "label_text", pl.col("label").cast(pl.Int64, strict=False).cast(pl.String), pl.col("label").cast(pl.String)
    )
    rows = judged.rows.with_columns(label.alias("_label"))
    counts = rows["_label"].value_counts().sort("count")
    z = z_of(counts.height)
    made = []
    for name, count in counts.iter_rows():
        missed = estimate(rows.filter(pl.col("_label") == name).select(ERROR, WEIGHT).to_numpy(), z, share=True)
        made.append(OfClass(str(name), count, count / rows.height, missed, count < RARE * rows.height))
    return made


def _half(ids: pl.Series) -> Bools:
    """Every other request."""
    _, first, inverse = np.unique(ids.to_numpy(), return_index=True, return_inverse=True)
    order = np.empty(len(first), np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return np.asarray(order[inverse] % 2 == 0, bool)


def _conditions(column: pl.Series) -> list[tuple[str, Bools]]:
    """Values of words, ranges of numbers, and missing."""
    name = column.name
    made: list[tuple[str, Bools]] = []
    if column.dtype.is_float():
        column = column.fill_nan(None)
    missing = column.is_null().to_numpy()
    if missing.sum() >= LEAST:
        made.append((f"{name} is missing", missing))
    if column.dtype.is_numeric() and column.n_unique() > VALUES:
        values = column.cast(pl.Float64).to_numpy()
        cuts = np.unique(np.nanquantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
        edges = [-math.inf, *cuts.tolist(), math.inf]
        for low, high in pairwise(edges):
            with np.errstate(invalid="ignore"):
                inside = (values > low) & (values <= high)
            text = (
                f"{name} <= {high:.4g}"
                if low == -math.inf
                else f"{name} > {low:.4g}"
                if high == math.inf
                else f"{low:.4g} < {name} <= {high:.4g}"
            )
            made.append((text, inside))
    elif not column.dtype.is_nested():
        text_of = column.cast(pl.String, strict=False)
        for value in text_of.drop_nulls().value_counts(sort=True)[name].to_list()[:VALUES]:
            made.append((f"{name} = {value}", (text_of == value).fill_null(False).to_numpy()))
    return made


def _score(mask: Bools, among: Bools, errors: npt.NDArray[np.float64], z: float) -> float:
    """Share of the rows x the least that the slice's error surely is above the others'."""
    rest = among & ~mask
    if mask.sum() < LEAST or rest.sum() < LEAST:
        return -math.inf
    one, other = errors[mask], errors[rest]
    weight, beside = one[:, 1].sum(), other[:, 1].sum()
    if not weight or not beside:
        return -math.inf
    gap = one[:, 0].sum() / weight - other[:, 0].sum() / beside
    wide = math.hypot(deviation(one), deviation(other))
    return float(mask.sum() / among.sum() * (gap - z * wide))


def _different(scored: list[tuple[float, str, Bools]]) -> list[tuple[str, Bools]]:
    """The best, without those that are nearly one of them."""
    kept: list[tuple[str, Bools]] = []
    for _, text, mask in scored:
        if all((mask & other).sum() / max((mask | other).sum(), 1) < ALIKE for _, other in kept):
            kept.append((text, mask))
        if len(kept) == TOLD:
            break
    return kept


def _told(
    chosen: list[tuple[str, Bools]], half: Bools, errors: npt.NDArray[np.float64], share_of_rows: bool, rows: int
) -> list[Found]:
    """From the half that found nothing."""
    z = z_of(len(chosen))
    weight = errors[half][:, 1].sum()
    whole = float(errors[half][:, 0].sum() / weight) if weight else math.nan
    parts = [errors[mask & half] for _, mask in chosen]
    figures = [estimate(part, z, share=share_of_rows) for part in parts]
    drawn = shrunk(whole, [one.error for one in figures], [deviation(part) for part in parts])
    made = []
    for (text, mask), figure, near in zip(chosen, figures, drawn, strict=True):
        if not figure.known or figure.low <= whole:
            continue
        rest = errors[half & ~mask]
        beside = float(rest[:, 0].sum() / rest[:, 1].sum()) if len(rest) and rest[:, 1].sum() else whole
        share = float(mask.sum() / rows)
        made.append(Found(text, share, figure, near, whole, share * max(0.0, figure.low - beside)))
    return sorted(made, key=lambda one: -one.gain)
