"""Wasserstein (earth mover's) distance of order 1: the mean way that mass must go, in the column's unit.

    W1 = integral |F - G| dx        W1 / sd of the reference has no unit (Evidently's line: 0.1)

Source: Vallender 1974. On equal distributions its expectation falls only as 1/sqrt(rows): a fixed line alarms on small windows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def wasserstein(points: npt.ArrayLike, reference: npt.ArrayLike, now: npt.ArrayLike) -> float:
    """Of counts [k] at ascending points [k]; nan where a side has none.

    >>> wasserstein([0.0, 1.0, 3.0], [1, 1, 0], [0, 1, 1])
    1.5
    """
    x, a, b = np.asarray(points, float), np.asarray(reference, float), np.asarray(now, float)
    if a.sum() <= 0 or b.sum() <= 0:
        return float("nan")
    gap = np.abs(np.cumsum(a) / a.sum() - np.cumsum(b) / b.sum())[:-1]
    with np.errstate(over="ignore"):
        return float((gap * np.diff(x)).sum())
