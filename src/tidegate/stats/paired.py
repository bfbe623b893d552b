"""Two versions on the same requests: McNemar's test as an e-process. Only discordant pairs count (at ratio 1).

    H0: p_c <= ratio * p_s.  For a pair, Z = Y_c - ratio * Y_s has mean <= 0 under H0, so

        E_lambda = prod (1 + lambda Z_i),  0 <= lambda < 1/ratio
        only the canary bad: 1 + lambda;  only the stable bad: 1 - lambda*ratio;  both bad: 1 - lambda*(ratio - 1)

For safety, H0: p_c >= ratio * p_s, the sign of Z is turned. At ratio 1 and lambda = (theta-1)/(theta+1) this is the
bet that a discordant pair is the canary's with the odds theta. E is the mean over theta/ratio = {1.25, ..., 30}.
Source: McNemar 1947; testing by betting, Waudby-Smith & Ramdas (2010.09686).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tidegate.stats.base import EProcess
from tidegate.stats.mixture import Floats
from tidegate.stats.rate import better
from tidegate.stats.starts import OverRatios
from tidegate.types.rollouts import Batch


def increments(
    only_canary: ArrayLike, only_stable: ArrayLike, both: ArrayLike, ratio: float, ratios: Sequence[float]
) -> Floats:
    """What pairs add to ln E of each alternative; shape (..., len(ratios)). Alternatives below 1 test for safety.

    >>> increments(1, 0, 7, 1.0, [3.0]).round(4)  # ln(1 + 1/2); pairs that are both bad don't count
    array([0.4055])
    """
    canary, stable, twice = (np.asarray(value, np.float64)[..., None] for value in (only_canary, only_stable, both))
    grid = np.asarray(ratios, np.float64)
    bet = (grid - 1.0) / (1.0 + grid * ratio)  # negative below 1: against the canary being worse
    return canary * np.log1p(bet) + stable * np.log1p(-bet * ratio) + twice * np.log1p(-bet * (ratio - 1.0))


class Paired(OverRatios):
    """One start, on batches whose `canary` is (neither bad, only the canary, only the stable, both).

    >>> process = Paired()
    >>> process.update(Batch(step=0, share=0.5, canary=(980, 18, 2, 0), stable=()))
    >>> bool(process.log_e > np.log(100))
    True
    """

    def update(self, batch: Batch) -> None:
        """Count the pairs in which at least one version was bad."""
        _, canary, stable, both = pairs(batch.canary)
        if canary or stable or both:
            self.logs += increments(canary, stable, both, self.null, self.ratios)


class PairedMarginal:
    """A process of the canary's own rate, fed with pairs: its bad units are those of `only the canary` and `both`."""

    def __init__(self, process: EProcess) -> None:
        self._process = process

    @property
    def log_e(self) -> float:
        """ln E of the process inside."""
        return self._process.log_e

    def update(self, batch: Batch) -> None:
        """Give the canary's (good, bad) to the process inside."""
        neither, canary, stable, both = pairs(batch.canary)
        self._process.update(Batch(batch.step, batch.share, (neither + stable, canary + both), (), batch.time))

    def restart(self) -> None:
        """Pass it on."""
        self._process.restart()


def pairs(counts: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(neither bad, only the canary, only the stable, both); what is missing is 0."""
    padded = (*counts, 0, 0, 0, 0)
    return padded[0], padded[1], padded[2], padded[3]


def safe(ratio: float) -> Paired:
    """Evidence against "the canary is bad at least `ratio` times as often as the stable version on the same requests"."""
    return Paired(ratio, *better(ratio))
