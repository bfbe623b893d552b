"""A task's first metric as a ratio of two sums over rows, so that it can be taken of any draw of them at once.

text: edits / words of the label (quality.wer)     class: right / rows (quality.accuracy)
number: absolute error / rows (quality.mae)        ranking: gain / rows (quality.ndcg)
"""

from __future__ import annotations

import numpy as np

from tidegate.metrics.base import Labelled
from tidegate.metrics.quality.edits import edits
from tidegate.metrics.quality.ndcg import Ndcg
from tidegate.stats.intervals import Floats

METRICS = {
    "text": "quality.wer", "binary": "quality.accuracy", "multiclass": "quality.accuracy", "regression": "quality.mae",
    "ranking": "quality.ndcg",
}  # fmt: skip
"""Task -> the metric's id."""


def sums(rows: Labelled) -> Floats:
    """[n, 2]: what each row adds above and below the line. A row whose label says nothing adds nothing.

    >>> sums(Labelled("regression", np.array([1.0, 2.0]), np.array([1.5, 2.0])))
    array([[0.5, 1. ],
           [0. , 1. ]])
    """
    if rows.task == "text":
        return edits(rows, str.split)
    found = np.ones((len(rows), 2))
    if rows.task == "regression":
        found[:, 0] = np.abs(rows.answer - rows.truth)
    elif rows.task == "ranking":
        for place in range(len(rows)):
            one = slice(place, place + 1)
            value = Ndcg().of(Labelled("ranking", rows.truth[one], rows.answer[one], items=(rows.items or [])[one]))
            found[place] = (value.value, 1.0) if value is not None else (0.0, 0.0)
    else:
        found[:, 0] = rows.answer == rows.truth
    return found
