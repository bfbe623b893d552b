"""Area under the ROC curve: of labels, and as it is to be expected of calibrated probabilities alone.

    AUC = P(score of a positive > score of a negative) + P(equal)/2         ranks (Mann-Whitney)
    expected: each row is positive with its probability p and negative with 1 - p

Sources: Hanley & McNeil 1982 (also its standard error); the expectation is that of NannyML's CBPE.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


def auc(y: npt.NDArray[Any], scores: Numbers) -> float:
    """Of labels 0 and 1 [n] and scores [n]; nan with one class only.

    >>> auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    return weighted_auc(scores, np.asarray(y == 1, np.float64))


def expected_auc(p: Numbers, scores: Numbers | None = None) -> float:
    """Of probabilities [n] of being positive, ordered by `scores` (by themselves where none are given).

    >>> round(expected_auc(np.array([0.1, 0.9])), 3)
    0.9
    """
    return weighted_auc(p if scores is None else scores, p)


def weighted_auc(scores: Numbers, positive: Numbers) -> float:
    """Rows that are positive to a share of `positive` [n]."""
    different, place = np.unique(scores, return_inverse=True)
    up = np.bincount(place, positive, len(different))
    down = np.bincount(place, 1 - positive, len(different))
    pairs = up.sum() * down.sum()
    return float((up * (np.cumsum(down) - down / 2)).sum() / pairs) if pairs > 0 else math.nan


def auc_error(value: float, positives: float, negatives: float) -> float:
    """Its standard error."""
    if positives <= 0 or negatives <= 0 or math.isnan(value):
        return math.nan
    q1, q2 = value / (2 - value), 2 * value * value / (1 + value)
    square = value * value
    variance = value * (1 - value) + (positives - 1) * (q1 - square) + (negatives - 1) * (q2 - square)
    return math.sqrt(max(variance / (positives * negatives), 0.0))
