"""Edit distance (Levenshtein 1966), and the error rate of texts that it makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tidegate.metrics.base import Labelled
from tidegate.stats.intervals import Floats, bootstrap
from tidegate.types.monitoring import Value


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """The least number of substitutions, deletions and insertions that make one the other.

    >>> distance("kitten", "sitting"), distance("the cat sat".split(), "the cat".split())
    (3, 1)
    """
    if len(one) < len(other):
        one, other = other, one
    codes = {sign: index for index, sign in enumerate({*one, *other})}
    ours = np.array([codes[sign] for sign in other], np.int64)
    steps = np.arange(len(other) + 1)
    row = steps.copy()
    for number, sign in enumerate(one, start=1):
        # substitution and deletion at once; insertions are a running minimum along the row
        best = np.minimum(row[1:] + 1, row[:-1] + (ours != codes[sign]))
        row = np.concatenate([[number], best])
        row = np.minimum.accumulate(row - steps) + steps
    return int(row[-1])


def edits(rows: Labelled, cut: Callable[[str], Sequence[str]]) -> Floats:
    """[n, 2]: edits of each row, and the length of its label."""
    found = np.empty((len(rows), 2))
    for index, (truth, answer) in enumerate(zip(rows.truth.tolist(), rows.answer.tolist(), strict=True)):
        right, given = cut(str(truth)), cut("" if answer is None else str(answer))
        found[index] = distance(right, given), len(right)
    return found


def error_rate(rows: Labelled, cut: Callable[[str], Sequence[str]]) -> Value | None:
    """Edits / length of the labels, over all rows together; None where the labels are all empty."""
    found = edits(rows, cut)
    total = found.sum(axis=0) if len(found) else np.zeros(2)
    if not total[1]:
        return None
    low, high = bootstrap(found, lambda sums: sums[:, 0] / sums[:, 1])
    return Value(float(total[0] / total[1]), len(rows), low, high)
