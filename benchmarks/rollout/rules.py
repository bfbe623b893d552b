"""What others would configure, on the same minutes. Each rule says which runs it has rolled back by now.

Argo Rollouts and Flagger compare a query's value with a fixed threshold (failureLimit 3); Flagger users also write a
ratio of two queries; a statistician looks at a pooled z-test every minute; Kayenta compares two series of minutes by
Mann-Whitney at 98% confidence, at the end of each step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque

import numpy as np
from scipy import stats

from benchmarks.rollout.traffic import Minute

WINDOW = 5
FAILURES = 3


class Windowed(ABC):
    """A check of the last 5 minutes, every minute; the 4th failed check rolls back."""

    def __init__(self, runs: int) -> None:
        self._minutes: deque[tuple[np.ndarray, ...]] = deque(maxlen=WINDOW)
        self._failures = np.zeros(runs, int)

    def update(self, minute: Minute) -> None:
        """Check the window that ends here."""
        self._minutes.append((minute.canary, minute.bad_canary[0], minute.stable, minute.bad_stable[0]))
        canary, bad_canary, stable, bad_stable = (sum(column) for column in zip(*self._minutes, strict=True))
        self._failures += self.fails(bad_canary / np.maximum(canary, 1), bad_stable / np.maximum(stable, 1))

    @abstractmethod
    def fails(self, canary: np.ndarray, stable: np.ndarray) -> np.ndarray:
        """Whether each run's check fails, given the rates of both arms."""

    @property
    def rolled_back(self) -> np.ndarray:
        """Which runs."""
        return self._failures > FAILURES


class Fixed(Windowed):
    """Canary errors above 2%."""

    def fails(self, canary: np.ndarray, stable: np.ndarray) -> np.ndarray:
        """The stable version isn't looked at."""
        return canary > 0.02


class Ratio(Windowed):
    """Canary errors above 1.5 times the stable version's."""

    def fails(self, canary: np.ndarray, stable: np.ndarray) -> np.ndarray:
        """A ratio of two noisy rates."""
        return canary > 1.5 * stable


class PooledZ:
    """A one-sided two-proportion z-test at .01, every minute, on all counts so far."""

    def __init__(self, runs: int) -> None:
        self._sums = np.zeros((4, runs))
        self.rolled_back = np.zeros(runs, bool)
        self._limit = stats.norm.isf(0.01)

    def update(self, minute: Minute) -> None:
        """Look again."""
        self._sums += [minute.canary, minute.bad_canary[0], minute.stable, minute.bad_stable[0]]
        canary, bad_canary, stable, bad_stable = self._sums
        pooled = (bad_canary + bad_stable) / (canary + stable)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (bad_canary / canary - bad_stable / stable) / np.sqrt(pooled * (1 - pooled) * (1 / canary + 1 / stable))
        self.rolled_back |= np.nan_to_num(z) > self._limit


class MannWhitney:
    """Kayenta's judge: minutes of the canary against minutes of an equal-size baseline, 98%, a check a step.

    The baseline's minutes are drawn from the stable version's bad units.
    """

    def __init__(self, runs: int, rng: np.random.Generator) -> None:
        self._rng = rng
        self._series: list[tuple[np.ndarray, np.ndarray]] = []
        self.rolled_back = np.zeros(runs, bool)

    def update(self, minute: Minute) -> None:
        """Keep the minute; judge the step that has ended."""
        if minute.first:
            self.judge()
        size = np.minimum(minute.canary, minute.stable)
        bad = self._rng.hypergeometric(minute.bad_stable[0], minute.stable - minute.bad_stable[0], size)
        self._series.append((minute.bad_canary[0] / np.maximum(minute.canary, 1), bad / np.maximum(size, 1)))

    def judge(self) -> None:
        """Fail where the canary's minutes are higher (two-sided at 2%, high side)."""
        canary, baseline = (np.stack(side) for side in zip(*self._series, strict=True))
        p = stats.mannwhitneyu(canary, baseline, alternative="greater", method="asymptotic", axis=0).pvalue
        self.rolled_back |= np.nan_to_num(p, nan=1.0) < 0.01
        self._series = []
