"""Proof that a rate is below a fixed floor: what lets a service without errors through.

    H0: p_canary >= floor.  Each canary unit, bad (y=1) or not (y=0), against alternatives q < floor:

        ln E_q += y ln(q/floor) + (1-y) ln((1-q)/(1-floor))
        E = 3/4 E_0 + 1/4 mean over q = floor * {1/30, 1/10, 1/5, 1/3, 1/2, 1/1.5, 1/1.25}

Most of the weight is on q = 0, because most services have hardly any errors: a canary without any passes .5% after
about 740 units where nothing else is averaged in. The first error ends that alternative, and the others go on.
Only the canary's units count, so its share doesn't matter. Source: Bernoulli likelihood ratios (Wald 1945).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tidegate.stats.mixture import Floats, log_mean
from tidegate.stats.rate import BETTER, bad
from tidegate.stats.starts import OneStart
from tidegate.types.rollouts import Batch

FRACTIONS = (0.0, *BETTER)
WEIGHTS = (0.75, *(0.25 / len(BETTER) for _ in BETTER))


def increments(good_units: ArrayLike, bad_units: ArrayLike, floor: float) -> Floats:
    """What counts of the canary add to ln E of each alternative; shape (..., len(FRACTIONS)).

    >>> increments(750, 0, 0.005)[0].round(3)
    np.float64(3.759)
    """
    good, worse = (np.asarray(value, np.float64)[..., None] for value in (good_units, bad_units))
    fractions = np.asarray(FRACTIONS)
    q = fractions * floor
    with np.errstate(divide="ignore"):
        down = np.log(fractions)
    lost = np.where(worse > 0, np.where(worse > 0, worse, 1.0) * down, 0.0)
    return np.asarray(lost + good * (np.log1p(-q) - np.log1p(-floor)), np.float64)


class BelowFloor(OneStart):
    """Evidence against "the canary's rate is at least `floor`" (0 < floor < 1; a floor outside carries none).

    >>> process = BelowFloor(0.005)
    >>> process.update(Batch(step=0, share=0.05, canary=(750, 0), stable=(14000, 9)))
    >>> bool(process.log_e > np.log(20))
    True
    """

    def __init__(self, floor: float) -> None:
        self._floor = floor
        self._logs = np.zeros(len(FRACTIONS))

    @property
    def log_e(self) -> float:
        """ln of the weighted mean over the alternatives."""
        return float(log_mean(self._logs, WEIGHTS))

    def update(self, batch: Batch) -> None:
        """Count the canary's units."""
        if 0.0 < self._floor < 1.0 and batch.canary:
            self._logs += increments(batch.canary[0], bad(batch.canary), self._floor)
