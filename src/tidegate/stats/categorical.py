"""Has the distribution of a categorical output changed? And, for safety: is every category within a margin?

    H0: the output's distribution is the same in both arms.  For a unit of arm a with category y:

        E *= q_a(y) / (w q_c(y) + (1-w) q_s(y)),   q: Dirichlet(1/2) predictives of the batches before, moved
                                                       together as far as chance explains their difference

Given y, the arm is the canary's with probability w under H0, so E's factor has the mean 1 whatever q is.
Source: Turner, Ly & Gruenwald 2024 (2106.02693); Podkopaev & Ramdas 2023 (2305.00143).

A test of equality can't prove equality. Safety is the null "some category's share differs by at least `margin`",
a union of one-sided nulls, rejected by the least of their e-processes.
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np

from tidegate.stats.common import CommonRate
from tidegate.stats.mixture import Floats
from tidegate.stats.starts import OneStart
from tidegate.types.rollouts import Batch


class Categorical(OneStart):
    """One start against equal distributions. Categories may be added at the end as they turn up.

    >>> process = Categorical()
    >>> for _ in range(20):
    ...     process.update(Batch(step=0, share=0.5, canary=(30, 30, 40), stable=(50, 40, 10)))
    >>> process.log_e > 4.6
    True
    """

    def __init__(self) -> None:
        self._canary = np.zeros(1)
        self._stable = np.zeros(1)
        self.log_e = 0.0

    def update(self, batch: Batch) -> None:
        """Bet on this batch with the predictives of those before it, then learn from it."""
        size = max(len(batch.canary), len(batch.stable), len(self._canary))
        known = len(self._canary)
        self._canary, self._stable = _padded(self._canary, size), _padded(self._stable, size)
        canary, stable = _padded(batch.canary, size), _padded(batch.stable, size)
        if 0.0 < batch.share < 1.0:
            theirs, ours = _predictive(self._canary, known), _predictive(self._stable, known)
            theirs, ours = self._trusted(theirs, ours)
            both = batch.share * theirs + (1.0 - batch.share) * ours
            self.log_e += float((canary * np.log(theirs / both) + stable * np.log(ours / both)).sum())
        self._canary = self._canary + canary
        self._stable = self._stable + stable

    def _trusted(self, theirs: Floats, ours: Floats) -> tuple[Floats, Floats]:
        """Both moved towards each other as far as chance would explain their difference (chi-squared's mean)."""
        count = self._canary.sum(), self._stable.sum()
        if not count[0] or not count[1]:
            return ours, ours
        pooled = (count[0] * theirs + count[1] * ours) / (count[0] + count[1])
        distance = float(((theirs - ours) ** 2 / pooled).sum()) / (1.0 / count[0] + 1.0 / count[1])
        turned_up = np.count_nonzero(self._canary + self._stable)
        trust = max(0.0, 1.0 - max(turned_up - 1, 1) / distance) if distance > 0.0 else 0.0
        return pooled + trust * (theirs - pooled), pooled + trust * (ours - pooled)


class WithinMargin(OneStart):
    """Evidence that no category's share differs by `margin` (0 to 1) or more between the arms.

    >>> process = WithinMargin(0.2)
    >>> for _ in range(20):
    ...     process.update(Batch(step=0, share=0.5, canary=(50, 50), stable=(50, 50)))
    >>> process.log_e > 3
    True
    """

    def __init__(self, margin: float) -> None:
        self._unseen = (CommonRate(1.0, margin, worse=False), CommonRate(1.0, margin, worse=False))
        self._seen: list[tuple[CommonRate, CommonRate]] = []

    @property
    def log_e(self) -> float:
        """The least over categories, those never seen included, and directions."""
        return min(side.log_e for sides in (*self._seen, self._unseen) for side in sides)

    def update(self, batch: Batch) -> None:
        """Feed two processes a category; one that turns up now has had 0 units in all batches before."""
        size = max(len(batch.canary), len(batch.stable), len(self._seen))
        while len(self._seen) < size:
            self._seen.append(deepcopy(self._unseen))
        canary, stable = _integers(batch.canary, size + 1), _integers(batch.stable, size + 1)
        all_canary, all_stable = sum(canary), sum(stable)
        for sides, ours, theirs in zip([*self._seen, self._unseen], canary, stable, strict=True):
            canary_side, stable_side = (all_canary - ours, ours), (all_stable - theirs, theirs)
            sides[0].update(Batch(batch.step, batch.share, canary_side, stable_side))
            sides[1].update(Batch(batch.step, 1.0 - batch.share, stable_side, canary_side))


def _predictive(counts: Floats, known: int) -> Floats:
    """Half a unit added to each category; those not known before share the place of one. It need not sum to 1."""
    return np.asarray((counts + 0.5) / (counts.sum() + 0.5 * (known + 1)), np.float64)


def _padded(counts: Floats | tuple[int, ...], size: int) -> Floats:
    padded = np.zeros(size)
    padded[: len(counts)] = counts
    return padded


def _integers(counts: tuple[int, ...], size: int) -> list[int]:
    return [*counts, *(0 for _ in range(size - len(counts)))]
