"""Total variation: the share of rows that would have to change their category to make two distributions equal.

TV = sum |p - q| / 2      chance alone makes about sum sqrt(2 s (1 - s) (1/n + 1/m) / pi) / 2 of it (`by_chance`)
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def total_variation(reference: npt.ArrayLike, now: npt.ArrayLike) -> float:
    """Of counts [k] of the same categories; nan where a side has none.

    >>> total_variation([50, 50], [75, 25])
    0.25
    """
    p, q = np.asarray(reference, float), np.asarray(now, float)
    if p.sum() <= 0 or q.sum() <= 0:
        return float("nan")
    return float(np.abs(p / p.sum() - q / q.sum()).sum() / 2)


def by_chance(reference: npt.ArrayLike, now: npt.ArrayLike) -> float:
    """The total variation to be expected of two samples of these sizes from the same shares (normal approximation)."""
    a, b = np.asarray(reference, float), np.asarray(now, float)
    n, m = a.sum(), b.sum()
    if n <= 0 or m <= 0:
        return 0.0
    s = (a + b) / (n + m)
    return float(np.sqrt(2 * s * (1 - s) * (1 / n + 1 / m) / math.pi).sum() / 2)


def interval(reference: npt.ArrayLike, now: npt.ArrayLike) -> tuple[float, float]:
    """95% bounds: what chance makes is taken off below; by the delta method above (both approximate)."""
    a, b = np.asarray(reference, float), np.asarray(now, float)
    n, m = a.sum(), b.sum()
    if n <= 0 or m <= 0:
        return 0.0, 1.0
    p, q = a / n, b / m
    found = total_variation(a, b)
    more = np.sign(q - p)
    spread = (1 - float((more * p).sum()) ** 2) / n + (1 - float((more * q).sum()) ** 2) / m
    z = 1.96 * math.sqrt(max(spread, 0.0)) / 2
    return max(found - by_chance(a, b) - z, 0.0), min(found + z, 1.0)
