"""The product's evidence for many simulated rollouts at once: the same functions of stats/, on arrays of runs.

counts (runs,) --rate.increments--> (runs, starts, alternatives) --log_mean, start_weights--> ln E (runs,)
"""

from __future__ import annotations

import numpy as np

from tidegate.stats import floor as below_floor
from tidegate.stats.mixture import RATIOS, log_mean
from tidegate.stats.rate import better, increments
from tidegate.stats.srm import CONCENTRATION
from tidegate.stats.starts import start_weights


class Harm:
    """As methods.harm("rate"), for `runs` rollouts in step with each other."""

    def __init__(self, runs: int, theta0: float = 1.0) -> None:
        self._runs, self._theta0 = runs, theta0
        self._logs = [np.zeros((runs, len(RATIOS)))]
        self._idle = True

    def update(self, bad_canary: np.ndarray, bad_stable: np.ndarray, share: float) -> None:
        """Bad units of one batch a run, shape (runs,)."""
        self._idle = False
        added = increments(bad_canary, bad_stable, share, self._theta0, RATIOS)
        for logs in self._logs:
            logs += added

    def restart(self) -> None:
        """Begin a fresh start in all runs."""
        if not self._idle:
            self._idle = True
            self._logs.append(np.zeros((self._runs, len(RATIOS))))

    @property
    def log_e(self) -> np.ndarray:
        """ln E of each run."""
        starts = [log_mean(logs) for logs in self._logs]
        return log_mean(np.stack([*starts, np.zeros(self._runs)], axis=-1), start_weights(len(starts)))


class Safety:
    """As methods.safety("rate")."""

    def __init__(self, runs: int, ratio: float = 1.25, floor: float = 0.005) -> None:
        self._ratio, self._floor = ratio, floor
        self._better, self._weights = better(ratio)
        self._ratios = np.zeros((runs, len(self._better)))
        self._floors = np.zeros((runs, len(below_floor.FRACTIONS)))

    def update(self, canary: np.ndarray, bad_canary: np.ndarray, bad_stable: np.ndarray, share: float) -> None:
        """Units and bad units of one batch a run."""
        self._ratios += increments(bad_canary, bad_stable, share, self._ratio, self._better)
        self._floors += below_floor.increments(canary - bad_canary, bad_canary, self._floor)

    @property
    def log_e(self) -> np.ndarray:
        """ln E of each run."""
        floors = log_mean(self._floors, below_floor.WEIGHTS)
        return log_mean(np.stack([log_mean(self._ratios, self._weights), floors], axis=-1))


def log_mismatch(canary: np.ndarray, stable: np.ndarray, share: float, k: float = CONCENTRATION) -> np.ndarray:
    """As srm.log_evidence, on arrays (a test holds the two together)."""
    from scipy.special import betaln

    a, b = k * share, k * (1.0 - share)
    found = betaln(a + canary, b + stable) - betaln(a, b) - canary * np.log(share) - stable * np.log(1.0 - share)
    return np.asarray(found)
