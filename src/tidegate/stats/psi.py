"""Population stability index: how far shares in bins have moved, as credit scoring counts it.

    PSI = sum (q - p) ln(q / p),  p: shares of the reference, q: shares now      0.1 and 0.25 are the usual lines

An empty bin would make it infinite: shares are at least FLOOR (said, because figures differ by it). Source: Siddiqi, Credit
Risk Scorecards (2006). Its expectation on equal distributions is about (bins - 1)(1/n + 1/m): small windows look drifted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FLOOR = 1e-4


def psi(reference: npt.ArrayLike, now: npt.ArrayLike, floor: float = FLOOR) -> float:
    """Of counts [k] in the same bins; nan where a side has none.

    >>> psi([50, 50], [50, 50]), round(psi([50, 50], [70, 30]), 4)
    (0.0, 0.1695)
    """
    p, q = np.asarray(reference, float), np.asarray(now, float)
    if p.sum() <= 0 or q.sum() <= 0:
        return float("nan")
    p, q = np.maximum(p / p.sum(), floor), np.maximum(q / q.sum(), floor)
    return float(((q - p) * np.log(q / p)).sum())
