"""The confusion matrix of labelled rows, and intervals of what is a function of it.

One class of two counts (the positive one); of more classes each counts alike (macro), as scikit-learn does it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tidegate.metrics.base import Labelled
from tidegate.stats.intervals import RESAMPLES, wilson
from tidegate.types.monitoring import Value

Floats = npt.NDArray[np.float64]


def matrix(rows: Labelled) -> tuple[Floats, list[str]]:
    """Counts [truth, answer], and the classes in order: those of labels and answers, the positive one last where there are two."""
    names = sorted({*rows.truth.tolist(), *rows.answer.tolist()})
    if rows.task == "binary":
        names = [name for name in names if name != rows.positive] + [rows.positive]
    place = {name: index for index, name in enumerate(names)}
    truth = np.array([place[name] for name in rows.truth.tolist()], np.int64)
    answer = np.array([place[name] for name in rows.answer.tolist()], np.int64)
    size = len(names)
    return np.bincount(truth * size + answer, minlength=size * size).reshape(size, size).astype(np.float64), names


def share_of_hits(rows: Labelled, *, answers: bool) -> Value | None:
    """Hits of a class / its answers (precision) or its labels (recall); None where the class has none of them.

    Of the positive class with Wilson's interval; of more than two, the classes' average with a bootstrap.
    """
    if not len(rows):
        return None
    if rows.task != "binary":
        return of_matrix(rows, lambda hits, labels, said: hits / (said if answers else labels))
    counts, _ = matrix(rows)
    hits, of = counts[-1, -1], (counts[:, -1] if answers else counts[-1]).sum()
    return Value(float(hits / of), int(of), *wilson(hits, of)) if of else None


def of_matrix(rows: Labelled, per_class: Callable[[Floats, Floats, Floats], Floats]) -> Value | None:
    """A metric of hits, labels and answers of each class ([..., classes]); nan classes are left out of the average.

    The interval draws each true class's answers again (a multinomial each): a stratified bootstrap that costs nothing of rows.
    """
    counts, names = matrix(rows)
    chosen = slice(len(names) - 1, None) if rows.task == "binary" else slice(None)
    value = _average(counts[None], per_class, chosen)[0]
    if not np.isfinite(value):
        return None
    rng = np.random.default_rng(0)
    drawn = np.zeros((RESAMPLES, *counts.shape))
    for index, row in enumerate(counts):
        if row.sum():
            # a class whose rows were all answered alike may not always be: half a row is lent to each answer
            chance = row + (0.5 if (row > 0).sum() < 2 else 0.0)
            drawn[:, index] = rng.multinomial(int(row.sum()), chance / chance.sum(), RESAMPLES)
    values = _average(drawn, per_class, chosen)
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, [0.025, 0.975]) if len(values) else (0.0, 1.0)
    return Value(float(value), len(rows), min(float(low), float(value)), max(float(high), float(value)))


def _average(counts: Floats, per_class: Callable[[Floats, Floats, Floats], Floats], chosen: slice) -> Floats:
    hits = np.diagonal(counts, axis1=1, axis2=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = per_class(hits, counts.sum(axis=2), counts.sum(axis=1))[:, chosen]
        known = np.isfinite(each)
        found = np.where(known, each, 0.0).sum(axis=1) / known.sum(axis=1)
    return np.asarray(found, np.float64)
