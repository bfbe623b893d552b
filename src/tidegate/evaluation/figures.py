"""Mean errors with their bounds, held against chance: many slices, small slices.

    columns [n, 2] (error, weight) a row --> Estimate: sum / sum, its bounds at 95% for all slices together (Bonferroni)
    errors and variances of slices --> shrunk towards the whole (empirical Bayes)

Sources: Wilson 1927 for shares; else the linearised ratio (Cochran, Sampling Techniques, 3rd ed. 1977, section 6.3). Between slices:
DerSimonian & Laird 1986; shrinkage: Efron & Morris 1975.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from tidegate.evaluation.base import Estimate
from tidegate.stats.intervals import Floats, wilson

NOTHING = Estimate(math.nan, -math.inf, math.inf, 0)
FEW = 2


def z_of(slices: int) -> float:
    """Of bounds that all of so many slices keep, 19 times in 20.

    >>> round(z_of(1), 2), round(z_of(10), 2)
    (1.96, 2.81)
    """
    return NormalDist().inv_cdf(1 - 0.025 / max(1, slices))


def estimate(columns: Floats, z: float, *, share: bool) -> Estimate:
    """Of [n, 2]. `share`: each row is right or wrong."""
    rows = len(columns)
    weight = float(columns[:, 1].sum()) if rows else 0.0
    if not weight:
        return NOTHING
    error = float(columns[:, 0].sum()) / weight
    if share:
        return Estimate(error, *wilson(float(columns[:, 0].sum()), weight, z), rows)
    if rows < FEW:
        return Estimate(error, -math.inf, math.inf, rows)
    half = z * deviation(columns)
    return Estimate(error, error - half, error + half, rows)


def deviation(columns: Floats) -> float:
    """Standard error of a ratio of sums over rows."""
    n, weight = len(columns), float(columns[:, 1].sum())
    if n < FEW or not weight:
        return math.inf
    left = columns[:, 0] - float(columns[:, 0].sum()) / weight * columns[:, 1]
    return math.sqrt(float((left**2).sum()) * n / (n - 1)) / weight


def paired(mine: Floats, other: Floats, z: float) -> Estimate:
    """The difference of two errors on the same rows: [n, 2] each, of equal weights.

    >>> one, other = np.array([[1.0, 1], [0, 1], [1, 1], [1, 1]]), np.array([[0.0, 1], [0, 1], [1, 1], [0, 1]])
    >>> paired(one, other, 1.96).error
    0.5
    """
    return estimate(np.column_stack([mine[:, 0] - other[:, 0], mine[:, 1]]), z, share=False)


def apart(mine: Estimate, other: Estimate, z: float) -> Estimate:
    """The difference of two errors on different rows: their bounds' halves add like independent errors (Newcombe 1998)."""
    if not (mine.known and other.known):
        return NOTHING
    gap = mine.error - other.error
    low = gap - math.hypot(mine.error - mine.low, other.high - other.error)
    high = gap + math.hypot(mine.high - mine.error, other.error - other.low)
    return Estimate(gap, low, high, min(mine.rows, other.rows))


def shrunk(whole: float, errors: Sequence[float], deviations: Sequence[float]) -> list[float]:
    """Each slice's error drawn towards the whole's by what chance alone explains: tau^2 / (tau^2 + s^2) of its own is kept.

    >>> [round(one, 3) for one in shrunk(0.1, [0.1, 0.3, 0.3], [0.01, 0.01, 0.2])]
    [0.1, 0.299, 0.166]
    """
    known = [(error, s) for error, s in zip(errors, deviations, strict=True) if math.isfinite(s) and s > 0]
    if len(known) < FEW:
        return [whole if not math.isfinite(s) else error for error, s in zip(errors, deviations, strict=True)]
    e, w = np.array([error for error, _ in known]), np.array([1 / s**2 for _, s in known])
    q = float((w * (e - (w * e).sum() / w.sum()) ** 2).sum())
    tau = max(0.0, (q - (len(known) - 1)) / float(w.sum() - (w**2).sum() / w.sum()))
    kept = [1.0 if s == 0 else tau / (tau + s**2) if math.isfinite(s) else 0.0 for s in deviations]
    return [whole + part * (error - whole) for part, error in zip(kept, errors, strict=True)]
