"""One null, several ways to reject it: the mean of e-processes that are all valid under it.

    "p_c >= max(ratio * p_s, floor)"  --RateRatio, below ratio--+
                                      --BelowFloor--------------+--mean--> log E

The null lies inside each part's null, so each part is an e-process under it, and so is their mean. The ratio alone
never lets a service with no errors through; the floor alone lets nothing through whose errors are common to both arms.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.stats.base import EProcess
from tidegate.stats.mixture import log_mean
from tidegate.types.rollouts import Batch


class Average:
    """The mean of `parts`, at equal weights."""

    def __init__(self, parts: Sequence[EProcess]) -> None:
        self._parts = list(parts)

    @property
    def log_e(self) -> float:
        """ln of the mean of the parts' E."""
        return float(log_mean([part.log_e for part in self._parts]))

    def update(self, batch: Batch) -> None:
        """Feed every part."""
        for part in self._parts:
            part.update(batch)

    def restart(self) -> None:
        """Pass it on."""
        for part in self._parts:
            part.restart()
