"""Where something goes wrong most: a tree of at most two questions about the inputs, found on one half, told from the other.

    inputs, bad or not --odd rows--> greedy tree (Gini gain) --its leaves--> counts of the even rows --> slices, worst first

Half of the rows choose the slices and the other half gives the figures, so a slice that chance made looks as harmless
as it is: its rate falls back to the whole's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidegate.stats.sequences import rate_bounds

Bools = NDArray[np.bool_]

THRESHOLDS = 16
CATEGORIES = 24
MAX_FEATURES = 256


class Slice(msgspec.Struct, frozen=True):
    """A part of the inputs. Figures are of the half that did not choose it; `low` and `high` bound the rate (95%)."""

    text: str
    rows: int
    bad: int
    low: float
    high: float
    clear: bool
    """Whether the slice is surely worse than all rows together."""


class Question(msgspec.Struct, frozen=True):
    """One side of a split: a number above or up to `value`, or a category that is or isn't `value`."""

    feature: str
    value: float | str
    numeric: bool
    yes: bool

    def holds(self, column: NDArray[Any]) -> Bools:
        """Row by row. A missing number is on the lower side."""
        found = column > self.value if self.numeric else column == self.value
        return np.asarray(found if self.yes else ~found, bool)


def worst_slices(
    features: Mapping[str, Sequence[Any] | NDArray[Any]],
    bad: Bools,
    *,
    depth: int = 2,
    min_leaf: int = 50,
    most: int = 4,
    groups: NDArray[Any] | None = None,
) -> list[Slice]:
    """The slices with the highest rate of `bad`, of [n] rows; none where there are too few rows or nothing is bad.

    `features` are [n] columns of numbers or of texts. Rows with the same value in `groups` (a request's) stay in one half.
    """
    n = len(bad)
    columns = {name: _column(values) for name, values in list(features.items())[:MAX_FEATURES]}
    first = _half(groups if groups is not None else np.arange(n))
    if not columns or first.sum() < 2 * min_leaf or not bad[first].any() or bad[first].all():
        return []
    leaves = list(_grow(columns, bad, first, depth, min_leaf, ()))
    if len(leaves) < 2:
        return []
    overall = bad[first].mean()
    other = ~first
    rate = bad[other].mean() if other.any() else 0.0
    found = []
    for path, rows in leaves:
        if bad[rows].mean() <= overall:
            continue
        told = other.copy()
        for question in path:
            told &= question.holds(columns[question.feature])
        count, wrong = int(told.sum()), int(bad[told].sum())
        low, high = rate_bounds(wrong, count, 0.05) if count else (0.0, 1.0)
        found.append(Slice(sentence(path), count, wrong, low, high, bool(low > rate)))
    return sorted(found, key=lambda s: (not s.clear, -s.bad / max(1, s.rows)))[:most]


def sentence(path: Sequence[Question]) -> str:
    """The questions of a path, in words.

    >>> above, upto = Question("km", 2.5, True, True), Question("km", 7.0, True, False)
    >>> sentence((above, upto)), sentence((above, Question("sky", "rain", False, True)))
    ('2.5 < km <= 7', 'km > 2.5 and sky = rain')
    """
    bounds: dict[str, list[float]] = {}
    words: dict[str, str] = {}
    for question in path:
        if question.numeric:
            low, high = bounds.setdefault(question.feature, [-math.inf, math.inf])
            value = float(question.value)
            bounds[question.feature] = [max(low, value), high] if question.yes else [low, min(high, value)]
            low, high = bounds[question.feature]
            text = f"{low:.4g} < {question.feature} <= {high:.4g}"
            if low == -math.inf:
                text = f"{question.feature} <= {high:.4g}"
            elif high == math.inf:
                text = f"{question.feature} > {low:.4g}"
            if low == -math.inf and high == -math.inf:
                text = f"{question.feature} is missing"
            elif low == -math.inf and high == math.inf:
                text = f"{question.feature} is there"
            words[question.feature] = text
        else:
            sign = "=" if question.yes else "is not"
            before = words.get(question.feature)
            words[question.feature] = (
                f"{before} and " if before else ""
            ) + f"{question.feature} {sign} {question.value}"
    return " and ".join(words.values())


def _column(values: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
    found = np.asarray(values)
    if found.dtype.kind in "fiub":
        return np.nan_to_num(found.astype(np.float64), nan=-np.inf)
    return np.asarray(["missing" if value is None else str(value) for value in values], dtype=str)


def _half(groups: NDArray[Any]) -> Bools:
    """Every other group, in the order of their first rows."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    order = np.empty(len(first), np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return np.asarray(order[inverse] % 2 == 0, bool)


def _grow(
    columns: Mapping[str, NDArray[Any]], bad: Bools, rows: Bools, depth: int, min_leaf: int, path: tuple[Question, ...]
) -> Iterator[tuple[tuple[Question, ...], Bools]]:
    """(path, rows) of each leaf."""
    best = _best(columns, bad, rows, min_leaf) if depth else None
    if best is None:
        yield path, rows
        return
    for yes in (True, False):
        question = msgspec.structs.replace(best, yes=yes)
        side = rows & question.holds(columns[question.feature])
        yield from _grow(columns, bad, side, depth - 1, min_leaf, (*path, question))


def _best(columns: Mapping[str, NDArray[Any]], bad: Bools, rows: Bools, min_leaf: int) -> Question | None:
    """The question that parts bad from good the most (Gini), leaving `min_leaf` rows on either side."""
    wrong = bad[rows]
    n, x = len(wrong), int(wrong.sum())
    if n < 2 * min_leaf or x == 0 or x == n:
        return None
    best, gain = None, 1e-4 * x * (n - x) / n
    for name, column in columns.items():
        values = column[rows]
        for question in _questions(name, values):
            yes = question.holds(values)
            a = int(yes.sum())
            if a < min_leaf or n - a < min_leaf:
                continue
            xa = int(wrong[yes].sum())
            # n times the drop in Gini impurity, halved
            drop = xa * xa / a + (x - xa) ** 2 / (n - a) - x * x / n
            if drop > gain:
                best, gain = question, drop
    return best


def _questions(name: str, values: NDArray[Any]) -> Iterator[Question]:
    if values.dtype.kind == "f":
        finite = values[np.isfinite(values)]
        if len(finite) < len(values):
            yield Question(name, -math.inf, True, True)
        if not len(finite):
            return
        cuts = np.unique(np.quantile(finite, np.linspace(0, 1, THRESHOLDS + 2)[1:-1], method="lower"))
        for cut in cuts[cuts < finite.max()]:
            yield Question(name, float(cut), True, True)
        return
    texts, counts = np.unique(values, return_counts=True)
    for index in np.argsort(-counts)[:CATEGORIES]:
        yield Question(name, str(texts[index]), False, True)
