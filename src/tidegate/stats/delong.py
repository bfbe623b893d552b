"""Area under the ROC curve of labels with its standard error, of two classes or of many (one against the rest, averaged).

    scores --midranks--> each positive's share of negatives below it, and each negative's share of positives above it
           --their spread--> standard error --on the log-odds scale--> 95% bounds within [0, 1]

Sources: DeLong, DeLong & Clarke-Pearson 1988; the ranks of Sun & Xu 2014. With many classes each row's shares are added up over the
classes before their spread is taken, so that rows are counted once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegate.stats.intervals import Z

Floats = npt.NDArray[np.float64]


def delong(positive: npt.NDArray[Any], scores: Floats) -> tuple[float, float, float] | None:
    """(AUC, low, high) of [n] labels (true where positive) and [n] scores; None with one class only.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.random(2000) < 0.5
    >>> [round(x, 3) for x in delong(y, y + rng.normal(size=2000))]
    [0.77, 0.749, 0.79]
    """
    found = _influence(np.asarray(positive, bool), scores)
    return None if found is None else _bounds(*found, _least(positive))


def delong_macro(truth: npt.NDArray[np.int64], scores: Floats) -> tuple[float, float, float] | None:
    """The same over classes: `truth` [n] are columns of `scores` [n, classes]. Classes without a label of theirs are left out."""
    values, shifts = [], np.zeros(len(truth))
    for index in range(scores.shape[1]):
        found = _influence(truth == index, scores[:, index])
        if found is not None:
            values.append(found[0])
            shifts += found[1]
    least = int(np.bincount(truth, minlength=1)[np.unique(truth)].min()) if len(truth) else 0
    return _bounds(float(np.mean(values)), shifts / len(values), least) if values else None


def _influence(positive: npt.NDArray[np.bool_], scores: Floats) -> tuple[float, Floats] | None:
    """AUC, and how far each row moves it."""
    ups, downs = int(positive.sum()), int((~positive).sum())
    if not ups or not downs:
        return None
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    size = len(count)
    up = np.bincount(place[positive], minlength=size)
    down = np.bincount(place[~positive], minlength=size)
    below = (np.cumsum(down) - down / 2) / downs
    above = 1 - (np.cumsum(up) - up / 2) / ups
    value = float(below[place[positive]].mean())
    shift = np.where(positive, (below[place] - value) / ups, (above[place] - value) / downs)
    return value, shift


def _least(positive: npt.NDArray[Any]) -> int:
    ups = int(np.asarray(positive, bool).sum())
    return min(ups, len(positive) - ups)


def _bounds(value: float, shifts: Floats, least: int) -> tuple[float, float, float]:
    """`least` is the number of rows of the rarest class."""
    error = math.sqrt(float((shifts**2).sum()))
    if error == 0.0 or not 0.0 < value < 1.0:
        missed = min(
            1.0, 3.0 / max(1, least)
        )  # nothing overlaps: the rule of three says what a few rows may have hidden
        return value, max(0.0, value - missed), min(1.0, value + missed)
    odds = math.log(value / (1 - value))
    half = Z * error / (value * (1 - value))
    low, high = odds - half, odds + half
    return value, 1 / (1 + math.exp(-low)), 1 / (1 + math.exp(-high))
