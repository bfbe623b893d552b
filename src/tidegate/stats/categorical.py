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

from collections.abc import Sequence
from copy import deepcopy
from math import log

from tidegate.stats.common import CommonRate
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
        self._canary = [0]
        self._stable = [0]
        self.log_e = 0.0

    def update(self, batch: Batch) -> None:
        """Bet on this batch with the predictives of those before it, then learn from it."""
        size = max(len(batch.canary), len(batch.stable), len(self._canary))
        known = len(self._canary)
        self._canary, self._stable = _padded(self._canary, size), _padded(self._stable, size)
        canary, stable = _padded(batch.canary, size), _padded(batch.stable, size)
        if 0.0 < batch.share < 1.0:
            self.log_e += self._won(batch.share, canary, stable, known)
        self._canary = [before + now for before, now in zip(self._canary, canary, strict=True)]
        self._stable = [before + now for before, now in zip(self._stable, stable, strict=True)]

    def _won(self, share: float, canary: list[int], stable: list[int], known: int) -> float:
        of_canary, of_stable = sum(self._canary), sum(self._stable)
        if not of_canary or not of_stable:
            return 0.0
        theirs, ours = _predictive(self._canary, known), _predictive(self._stable, known)
        pooled = [(of_canary * p + of_stable * q) / (of_canary + of_stable) for p, q in zip(theirs, ours, strict=True)]
        trust = self._trust(theirs, ours, pooled)
        if trust <= 0.0:
            return 0.0
        won = 0.0
        for p, q, middle, mine, others in zip(theirs, ours, pooled, canary, stable, strict=True):
            a, b = middle + trust * (p - middle), middle + trust * (q - middle)
            both = share * a + (1.0 - share) * b
            won += mine * log(a / both) + others * log(b / both)
        return won

    def _trust(self, theirs: list[float], ours: list[float], pooled: list[float]) -> float:
        """The part of the difference that chance (the mean of chi-squared) doesn't explain."""
        apart = sum((p - q) ** 2 / middle for p, q, middle in zip(theirs, ours, pooled, strict=True))
        distance = apart / (1.0 / sum(self._canary) + 1.0 / sum(self._stable))
        turned_up = sum(1 for p, q in zip(self._canary, self._stable, strict=True) if p or q)
        return 1.0 - max(turned_up - 1, 1) / distance if distance > 0.0 else 0.0


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
        canary, stable = _padded(batch.canary, size + 1), _padded(batch.stable, size + 1)
        all_canary, all_stable = sum(canary), sum(stable)
        for sides, ours, theirs in zip([*self._seen, self._unseen], canary, stable, strict=True):
            canary_side, stable_side = (all_canary - ours, ours), (all_stable - theirs, theirs)
            sides[0].update(Batch(batch.step, batch.share, canary_side, stable_side))
            sides[1].update(Batch(batch.step, 1.0 - batch.share, stable_side, canary_side))


def _predictive(counts: list[int], known: int) -> list[float]:
    """Half a unit added to each category; those not known before share the place of one. It need not sum to 1."""
    total = sum(counts) + 0.5 * (known + 1)
    return [(count + 0.5) / total for count in counts]


def _padded(counts: Sequence[int], size: int) -> list[int]:
    return [*counts, *(0 for _ in range(size - len(counts)))]
