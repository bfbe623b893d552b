"""A bounded score (a loss, a rating turned so that more is worse): bet on the weighted difference of the arms.

    H0: mean_c - mean_s <= delta.  Y in [0, 1], A = 1 for the canary, w its probability, c a centre known beforehand:

        Z = A (Y-c)/w - (1-A) (Y-c)/(1-w) - delta,   mean <= 0 under H0 (c cancels; it only lowers the variance)
        E = prod (1 + lambda_i Z_i),   0 <= lambda_i < 1 / max(-Z); at c = 0 that is 1 / (1/(1-w) + delta)

c and lambda are those of the batches before: the bet that grows fastest at their mean and variance, less the part of
the mean that chance explains, capped at half of what Z's least value allows. Nothing is assumed of the distribution but its bounds.
Source: Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting" (2010.09686), section on
aGRAPA; inverse-probability weights as in Waudby-Smith, Wu, Ramdas, Karampatziakis & Mineiro (2210.10768).
"""

from __future__ import annotations

import numpy as np

from tidegate.stats.mixture import Floats
from tidegate.stats.starts import OneStart
from tidegate.types.rollouts import Batch

CAP = 0.5


class ScoreDifference(OneStart):
    """One start against mean_c - mean_s <= delta; with `exchanged` arms, against mean_s - mean_c <= delta.

    A batch counts units a bin: bin k of K stands for (k + 1/2) / K, and more is worse. All batches of a metric have
    the same K; a shorter one lacks units in its last bins.

    >>> process = ScoreDifference(0.0, bins=4)
    >>> for _ in range(20):
    ...     process.update(Batch(step=0, share=0.5, canary=(10, 20, 40, 30), stable=(40, 40, 10, 10)))
    >>> process.log_e > 4.6
    True
    """

    def __init__(self, delta: float = 0.0, exchanged: bool = False, bins: int = 0) -> None:
        self._delta, self._exchanged, self._bins = delta, exchanged, bins
        self._canary = np.zeros(max(bins, 1))
        self._stable = np.zeros(max(bins, 1))
        self.log_e = 0.0

    def update(self, batch: Batch) -> None:
        """Bet on this batch with what was seen before it, then learn from it."""
        size = max(len(batch.canary), len(batch.stable))
        if size > self._bins:
            if self._canary.sum() + self._stable.sum() > 0:
                raise ValueError(f"a score's batch has {size} bins, those before had {self._bins}")
            self._bins = size
            self._canary, self._stable = np.zeros(size), np.zeros(size)
        share, ours, theirs = batch.share, _filled(batch.canary, self._bins), _filled(batch.stable, self._bins)
        if self._exchanged:
            share, ours, theirs = 1.0 - share, theirs, ours
        if 0.0 < share < 1.0 and self._bins:
            self.log_e += self._won(share, ours, theirs)
        self._canary = self._canary + ours
        self._stable = self._stable + theirs

    def _won(self, share: float, ours: Floats, theirs: Floats) -> float:
        count = self._canary.sum(), self._stable.sum()
        if not count[0] or not count[1]:
            return 0.0
        values = (np.arange(self._bins) + 0.5) / self._bins
        means = float(self._canary @ values / count[0]), float(self._stable @ values / count[1])
        centre = share * means[1] + (1.0 - share) * means[0]  # the centre that makes the two terms' means cancel
        ours_z = (values - centre) / share - self._delta
        theirs_z = -(values - centre) / (1.0 - share) - self._delta
        prior_ours, prior_theirs = self._canary / count[0], self._stable / count[1]
        mean = means[0] - means[1] - self._delta
        square = share * float(prior_ours @ ours_z**2) + (1.0 - share) * float(prior_theirs @ theirs_z**2)
        least = min(float(ours_z.min()), float(theirs_z.min()))
        if mean <= 0.0 or square <= 0.0:
            return 0.0
        noise = _variance(prior_ours, values) / count[0] + _variance(prior_theirs, values) / count[1]
        bet = mean / square * max(0.0, 1.0 - noise / mean**2)
        if least < 0.0:
            bet = min(bet, CAP / -least)
        return float(ours @ np.log1p(bet * ours_z) + theirs @ np.log1p(bet * theirs_z))


def _variance(shares: Floats, values: Floats) -> float:
    return float(shares @ values**2 - (shares @ values) ** 2)


def _filled(counts: tuple[int, ...], size: int) -> Floats:
    filled = np.zeros(size)
    filled[: len(counts)] = counts
    return filled
