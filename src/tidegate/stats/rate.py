"""The engine: bet on the arm of each bad unit (errors, nulls, time-outs, exceedances, wrong answers).

    H0: p_canary / p_stable <= theta0.  A bad unit, wherever it comes from, is the canary's with probability at most
    w*theta0 / (w*theta0 + 1 - w), w being the share of units that the canary is given. For a batch with x_c and x_s
    bad units:

        ln E_theta += x_c ln(theta/theta0) - (x_c + x_s) ln[(w*theta + 1-w) / (w*theta0 + 1-w)]
        E = mean over theta = theta0 * {1.25, 1.5, 2, 3, 5, 10, 30}

Valid for any base rate, however it changes, as long as the assignment is random with the known w: good units tell
nothing about the ratio, and are not needed. With alternatives below theta0 the same formula tests p_c / p_s >= theta0.
Source: Lindon & Malek, NeurIPS 2022 (arXiv 2011.03567).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from tidegate.stats.mixture import RATIOS, Floats
from tidegate.stats.starts import OverRatios
from tidegate.types.rollouts import Batch

BETTER = tuple(1.0 / ratio for ratio in RATIOS)
"""Alternatives for safety: the canary's ratio is that much smaller than theta0."""


def better(theta0: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(alternatives, their weights) for safety: half the weight on "as good as the stable version", the usual case.

    Where theta0 is not above 1, equality is no alternative, and all those of BETTER weigh the same.

    >>> better(1.25)[0][0], better(1.25)[1][0]
    (0.8, 0.5)
    """
    if theta0 <= 1.0:
        return BETTER, tuple(1.0 / len(BETTER) for _ in BETTER)
    return (1.0 / theta0, *BETTER), (0.5, *(0.5 / len(BETTER) for _ in BETTER))


def increments(
    bad_canary: ArrayLike, bad_stable: ArrayLike, share: ArrayLike, theta0: float, ratios: Sequence[float]
) -> Floats:
    """What a batch adds to ln E of each alternative; shape (..., len(ratios)).

    Args:
        bad_canary: bad units of the canary, any shape.
        bad_stable: bad units of the stable version, same shape.
        share: the known probability of the canary, 0 to 1; at 0 and 1 nothing can be compared and 0 is added.
        theta0: the ratio at the null's boundary.
        ratios: the alternatives as multiples of theta0.

    >>> increments(1, 0, 0.5, 1.0, [3.0]).round(4)  # ln(3 / 2)
    array([0.4055])
    """
    canary, stable, w = (np.asarray(value, np.float64)[..., None] for value in (bad_canary, bad_stable, share))
    grid = np.asarray(ratios, np.float64)
    cost = np.log((w * grid * theta0 + 1.0 - w) / (w * theta0 + 1.0 - w))
    added = canary * np.log(grid) - (canary + stable) * cost
    return np.where((w > 0.0) & (w < 1.0), added, 0.0)


def bad(counts: tuple[int, ...]) -> int:
    """Bad units of (good, bad); an arm without counts has none."""
    return counts[1] if len(counts) > 1 else 0


class RateRatio(OverRatios):
    """One start of the engine against p_c / p_s <= theta0 (`ratios` above 1) or >= theta0 (`ratios` below 1).

    >>> process = RateRatio()
    >>> process.update(Batch(step=0, share=0.05, canary=(20, 3), stable=(400, 0)))
    >>> round(float(np.exp(process.log_e)))
    324
    """

    def update(self, batch: Batch) -> None:
        """Count the bad units of both arms."""
        canary, stable = bad(batch.canary), bad(batch.stable)
        if not canary and not stable:
            return
        of_canary, of_stable = _one_unit(batch.share, self.null, self.ratios)
        self.logs += canary * of_canary + stable * of_stable


@lru_cache(maxsize=1024)
def _one_unit(share: float, theta0: float, ratios: tuple[float, ...]) -> tuple[Floats, Floats]:
    """What one bad unit of either arm adds; there are few shares, and many batches."""
    return increments(1, 0, share, theta0, ratios), increments(0, 1, share, theta0, ratios)
