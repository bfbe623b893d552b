"""A common rate (>= 10%: agreement, click-through): both arms' outcomes count, good and bad.

    H0: p_c <= ratio * p_s + margin.  For a unit of arm a with outcome y:

        E *= p_theta_a(y) / p_null_a(y),   theta: the rates seen in the batches before, moved towards H0 by 1/z^2
        null: the point on H0's boundary that is nearest to theta in relative entropy, the arms weighted by w and 1-w

H0 is convex, so the ratio to its nearest point is an e-variable for all of it (the reverse information projection).
At ratio 1 and margin 0 that point is w*theta_c + (1-w)*theta_s, and E is the two-sample test of the source. A theta
inside H0 bets nothing; z is its distance from H0 in standard errors, so that few units before a large batch bet little.
With `worse` false the null is p_c >= ratio * p_s + margin (safety).
Source: Turner, Ly & Gruenwald 2024 (2106.02693).
"""

from __future__ import annotations

from math import log

import numpy as np

from tidegate.stats.rate import bad
from tidegate.stats.starts import OneStart
from tidegate.types.rollouts import Batch

EDGE = 1e-12


class CommonRate(OneStart):
    """One start against p_c <= ratio * p_s + margin (`worse`), or against p_c >= ratio * p_s + margin.

    >>> process = CommonRate()
    >>> for _ in range(20):
    ...     process.update(Batch(step=0, share=0.5, canary=(60, 40), stable=(80, 20)))
    >>> process.log_e > log(100)
    True
    """

    def __init__(self, ratio: float = 1.0, margin: float = 0.0, worse: bool = True) -> None:
        self._ratio, self._margin, self._worse = ratio, margin, worse
        self._canary = [0, 0]
        self._stable = [0, 0]
        self.log_e = 0.0

    def update(self, batch: Batch) -> None:
        """Bet on this batch with the rates of those before it, then learn from it."""
        canary, stable = _counts(batch.canary), _counts(batch.stable)
        if 0.0 < batch.share < 1.0:
            self.log_e += self._won(batch.share, canary, stable)
        self._canary = [self._canary[0] + canary[0], self._canary[1] + canary[1]]
        self._stable = [self._stable[0] + stable[0], self._stable[1] + stable[1]]

    def _won(self, share: float, canary: tuple[int, int], stable: tuple[int, int]) -> float:
        if not sum(self._canary) or not sum(self._stable):
            return 0.0
        worse, usual = _rate(self._canary), _rate(self._stable)
        beyond = worse - (self._ratio * usual + self._margin)
        if beyond == 0.0 or (beyond > 0.0) != self._worse:
            return 0.0
        null = nearest(worse, usual, share, self._ratio, self._margin)
        if null is None:
            return 0.0
        variance = worse * (1 - worse) / sum(self._canary) + self._ratio**2 * usual * (1 - usual) / sum(self._stable)
        trust = 1.0 - variance / beyond**2
        if trust <= 0.0:
            return 0.0
        worse, usual = null[0] + trust * (worse - null[0]), null[1] + trust * (usual - null[1])
        null = nearest(worse, usual, share, self._ratio, self._margin, guess=null[1])
        return 0.0 if null is None else _gain(canary, worse, null[0]) + _gain(stable, usual, null[1])


def nearest(
    canary: float, stable: float, share: float, ratio: float, margin: float, guess: float | None = None
) -> tuple[float, float] | None:
    """(p_c, p_s) on p_c = ratio * p_s + margin, nearest to (canary, stable) in relative entropy; None if there is none.

    `guess` is a p_s to begin at; it changes nothing but the time taken.

    >>> [round(rate, 6) for rate in nearest(0.4, 0.2, 0.25, 1.0, 0.0)]
    [0.25, 0.25]
    """
    low = max(0.0, -margin / ratio) + EDGE
    high = min(1.0, (1.0 - margin) / ratio) - EDGE
    if low >= high:
        return None

    def slope(p: float) -> tuple[float, float]:
        q = ratio * p + margin
        first = share * ratio * ((1 - canary) / (1 - q) - canary / q) + (1 - share) * (
            (1 - stable) / (1 - p) - stable / p
        )
        second = share * ratio**2 * ((1 - canary) / (1 - q) ** 2 + canary / q**2)
        return first, second + (1 - share) * ((1 - stable) / (1 - p) ** 2 + stable / p**2)

    if not slope(low)[0] < 0.0 < slope(high)[0]:
        return None  # the nearest point is a corner of the square: no bet
    best = min(max(stable if guess is None else guess, low), high)
    for _ in range(200):  # Newton's steps, halving where one would leave the bracket
        value, curve = slope(best)
        low, high = (best, high) if value < 0.0 else (low, best)
        step = best - value / curve
        if abs(step - best) <= 1e-15 * best:
            break
        after = step if low < step < high else 0.5 * (low + high)
        if after in (low, high):
            break
        best = after
    return ratio * best + margin, best


def _counts(counts: tuple[int, ...]) -> tuple[int, int]:
    return (counts[0] if counts else 0), bad(counts)


def _rate(counts: list[int]) -> float:
    """The rate of (good, bad) seen before, half a unit added to either (Krichevsky & Trofimov)."""
    return (counts[1] + 0.5) / (counts[0] + counts[1] + 1.0)


def _gain(counts: tuple[int, int], rate: float, null: float) -> float:
    return counts[1] * log(rate / null) + counts[0] * float(np.log1p(-rate) - np.log1p(-null))
