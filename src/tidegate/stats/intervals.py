"""Confidence intervals of what labels say: shares, means, and whatever is a function of sums over rows.

    k of n            --wilson-->     low, high
    values [n]        --mean-->       mean, low, high (normal)
    columns [n, k], f --bootstrap-->  low, high: rows are drawn again within strata, f of their sums each time

Sources: Wilson 1927; Efron & Tibshirani 1993 (percentiles); Poisson weights: Hanley & MacGibbon 2006.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

Z = 1.959963984540054
"""95%, both sides."""
RESAMPLES = 400
GROUPS = 1024
"""Of more rows than this in a stratum, sums of so many groups of rows are drawn instead: rows are exchangeable, so the spread is
the same, and the cost no longer grows with them."""


def wilson(good: float, n: float, z: float = Z) -> tuple[float, float]:
    """Bounds of a share, between 0 and 1.

    >>> low, high = wilson(90, 100)
    >>> round(low, 4), round(high, 4)
    (0.8256, 0.9448)
    """
    if n <= 0:
        return 0.0, 1.0
    share, n = float(good) / float(n), float(n)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # at the ends rounding would leave the share itself outside its bounds
    return max(0.0, middle - half) if good > 0 else 0.0, min(1.0, middle + half) if good < n else 1.0


def mean(values: Floats, z: float = Z) -> tuple[float, float, float]:
    """(mean, low, high) of [n]; of fewer than two values the bounds are infinite.

    >>> [round(x, 2) for x in mean(np.array([1.0, 2.0, 3.0, 4.0]))]
    [2.5, 1.23, 3.77]
    """
    n = len(values)
    found = float(values.mean()) if n else math.nan
    if n < 2:
        return found, -math.inf, math.inf
    half = z * float(values.std(ddof=1)) / math.sqrt(n)
    return found, found - half, found + half


def bootstrap(
    columns: Floats,
    of: Callable[[Floats], Floats],
    strata: npt.NDArray[Any] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """95% bounds of a statistic of sums. `of` turns [resamples, k] sums of `columns` [n, k] into [resamples] values.

    Rows of one value in `strata` [n] keep their number in every resample. The same rows give the same bounds.

    >>> x = np.random.default_rng(0).normal(5, 1, (1000, 1))
    >>> low, high = bootstrap(x, lambda sums: sums[:, 0] / 1000)
    >>> round(low, 1), round(high, 1)
    (4.9, 5.0)
    """
    rng = np.random.default_rng(seed)
    n = len(columns)
    kinds = [slice(None)] if strata is None else [strata == kind for kind in np.unique(strata)]
    total = np.zeros((resamples, columns.shape[1]))
    for rows in kinds:
        part = columns[rows]
        weights = _poisson(rng, resamples, min(len(part), GROUPS))
        if len(part) > GROUPS:
            sums = np.zeros((GROUPS, part.shape[1]))
            np.add.at(sums, rng.permutation(len(part)) % GROUPS, part)
            part = sums
        drawn = weights.sum(axis=1, keepdims=True)
        total += weights @ part * (part.shape[0] / np.maximum(drawn, 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.asarray(of(total), np.float64)
    values = values[np.isfinite(values)]
    if n < 2 or len(values) < resamples / 2:
        return -math.inf, math.inf
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _poisson(rng: np.random.Generator, rows: int, columns: int) -> Floats:
    """Poisson(1) draws, by a table: ten times as fast as drawing them one by one."""
    return _table()[rng.integers(0, 65536, (rows, columns), dtype=np.uint16)]


@cache
def _table() -> Floats:
    found = np.zeros(65536)
    below, chance, count = 0.0, math.exp(-1.0), 0
    while count < 10:
        found[round(below * 65536) :] = count
        below, count = below + chance, count + 1
        chance /= count
    return found
