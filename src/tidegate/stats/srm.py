"""Sample-ratio mismatch: do the arms get the units they were promised?

    H0: P(canary) = w.  For S = (n_c, n_s) units under one w, with alpha0 = k (w, 1-w):

        E = B(alpha0 + S) / B(alpha0) / (w^n_c (1-w)^n_s),   B the beta function

and the product over the different w: what has been learnt under one share says nothing of another, so a change of
weight begins anew. Both directions count. On counts of *labelled* units the same test says whether labels return
equally often from both arms. Source: Lindon & Malek, NeurIPS 2022 (2011.03567).
"""

from __future__ import annotations

from math import lgamma, log

from tidegate.stats.starts import OneStart, Starts
from tidegate.types.rollouts import Batch

CONCENTRATION = 100.0
"""k: how far off the shares are expected to be where they are off: sqrt(w(1-w)/k), 3 points at w = 10%."""


def log_evidence(canary: int, stable: int, share: float, k: float = CONCENTRATION) -> float:
    """ln E of so many units under one share; 0 where the share is 0 or 1.

    >>> abs(log_evidence(0, 1, 0.5)) < 1e-9  # one unit tells nothing
    True
    >>> log_evidence(140, 1860, 0.1) > log(100)
    True
    """
    if not 0.0 < share < 1.0:
        return 0.0
    a, b = k * share, k * (1.0 - share)
    mixture = lgamma(a + canary) + lgamma(b + stable) - lgamma(k + canary + stable) - lgamma(a) - lgamma(b) + lgamma(k)
    return mixture - canary * log(share) - stable * log(1.0 - share)


class SharesAsPromised(OneStart):
    """One start."""

    def __init__(self, k: float = CONCENTRATION) -> None:
        self._k = k
        self._counts: dict[float, tuple[int, int]] = {}
        self._logs: dict[float, float] = {}

    @property
    def log_e(self) -> float:
        """ln of the product over the shares."""
        return sum(self._logs.values())

    def update(self, batch: Batch) -> None:
        """Count the units of both arms, whatever their outcome."""
        canary, stable = self._counts.get(batch.share, (0, 0))
        counts = canary + sum(batch.canary), stable + sum(batch.stable)
        self._counts[batch.share] = counts
        self._logs[batch.share] = log_evidence(*counts, batch.share, self._k)


class SampleRatio(Starts):
    """The test with restarts: alarm when log_e >= ln(1/srm_alpha).

    >>> process = SampleRatio()
    >>> process.update(Batch(step=0, share=0.1, canary=(140, 0), stable=(1860, 0)))
    >>> process.log_e > log(100)
    True
    """

    def __init__(self, k: float = CONCENTRATION) -> None:
        super().__init__(lambda: SharesAsPromised(k))
