"""After promotion: has the rate risen? An e-detector, which never runs out of false-alarm budget.

    H0: rate <= max(rate, floor) =: p0.  For a batch of n units, x bad, and the alternatives q = p0 * {1.5, 2, 3, 5, 10}:

        ln e_q = x ln(q/p0) + (n-x) ln((1-q)/(1-p0))
        Shiryaev-Roberts: M_q = e_q (M_q + 1)      CUSUM: M_q = e_q max(M_q, 1)
        alarm when the mean of M_q >= A: on average at least A batches between false alarms

Source: Shin, Ramdas & Rinaldo, "E-detectors" (2203.03532).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from tidegate.stats.mixture import log_mean

RISES = (1.5, 2.0, 3.0, 5.0, 10.0)


class EDetector:
    """Watch a rate that is known from before; `arl` is the average run length, in updates, between false alarms.

    >>> detector = EDetector(rate=0.01, arl=10_000)
    >>> detector.update(bad=10, n=1000)
    >>> detector.alarm
    False
    >>> detector.update(bad=60, n=1000)
    >>> detector.alarm
    True
    """

    def __init__(
        self, rate: float, floor: float = 0.005, arl: float = 10_000.0, kind: Literal["sr", "cusum"] = "sr"
    ) -> None:
        usual = min(max(rate, floor), 0.999)
        risen = np.asarray(
            [usual + (1.0 - usual) * (1.0 - 1.0 / rise) if usual * rise >= 1 else usual * rise for rise in RISES]
        )
        self._bad = np.log(risen / usual)
        self._good = np.log1p(-risen) - np.log1p(-usual)
        self._kind = kind
        self._limit = float(np.log(arl))
        self._logs = np.full(len(RISES), -np.inf)

    @property
    def log_m(self) -> float:
        """ln of the mean of M over the alternatives; -inf before the first unit."""
        return float(log_mean(self._logs))

    @property
    def alarm(self) -> bool:
        """Whether M has reached the average run length."""
        return self.log_m >= self._limit

    def update(self, bad: int, n: int) -> None:
        """Count a batch of n units, `bad` of them bad. An empty one is no update."""
        if n <= 0:
            return
        before = np.logaddexp(self._logs, 0.0) if self._kind == "sr" else np.maximum(self._logs, 0.0)
        self._logs = before + bad * self._bad + (n - bad) * self._good
