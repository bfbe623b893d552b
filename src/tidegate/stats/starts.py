"""Restarts: a fault that begins late is judged by evidence that begins late.

    restart 1  E^(1) =========================>  / 2
    restart 2            E^(2) ===============>  / 6      E = sum_j E^(j) / (j(j+1)) + 1/(J+1)
    restart 3                        E^(3) ===>  / 12

The weights 1/(j(j+1)) sum to 1 over all starts; those J+1, J+2, ... that have not begun stand at 1 and have the weight
1/(J+1) together, so E begins at exactly 1. A mixture of e-processes, each of them 1 until a moment that is chosen
without looking ahead, is an e-process. The price of a late start is ln(j(j+1)) on the log scale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tidegate.stats.base import EProcess
from tidegate.stats.mixture import RATIOS, Floats, log_mean
from tidegate.types.rollouts import Batch


def start_weights(starts: int) -> Floats:
    """Weight of each start that has begun, and of all the others together: 1/2, 1/6, ..., 1/(J(J+1)), 1/(J+1).

    >>> [round(float(weight), 4) for weight in start_weights(2)]
    [0.5, 0.1667, 0.3333]
    """
    number = np.arange(1, starts + 1, dtype=np.float64)
    return np.append(1.0 / (number * (number + 1.0)), 1.0 / (starts + 1.0))


class Starts:
    """The e-process of all starts together, each of them made by `make`. Cost of an update: one a start."""

    def __init__(self, make: Callable[[], EProcess]) -> None:
        self._make = make
        self._running = [make()]
        self._weights = start_weights(1)
        self._idle = True

    @property
    def log_e(self) -> float:
        """ln E of all starts, 0 before the first evidence."""
        return float(log_mean([*(start.log_e for start in self._running), 0.0], self._weights))

    def update(self, batch: Batch) -> None:
        """Feed every start that has begun."""
        self._idle = False
        for start in self._running:
            start.update(batch)

    def restart(self) -> None:
        """Begin another start. One that has seen nothing yet is used first: an empty step costs no evidence."""
        if self._idle:
            return
        self._idle = True
        self._running.append(self._make())
        self._weights = start_weights(len(self._running))


class OneStart:
    """For processes with a single start: evidence of safety is that of the whole rollout, not of its last step.

    A canary that was good until it broke is not caught here but by the harm process, which has its restarts.
    """

    def restart(self) -> None:
        """Go on with the one start."""


class OverRatios(OneStart):
    """One start whose alternatives are ratios: ln E is that of their mean, `weights` as given (equal if None).

    `null` is the ratio at the null's boundary; a subclass's `update` adds to `logs`, one of each alternative.
    """

    def __init__(
        self, null: float = 1.0, ratios: Sequence[float] = RATIOS, weights: Sequence[float] | None = None
    ) -> None:
        self.null = null
        self.ratios = tuple(ratios)
        self.weights = weights
        self.logs = np.zeros(len(self.ratios))

    @property
    def log_e(self) -> float:
        """ln of the mean over the alternatives."""
        return float(log_mean(self.logs, self.weights))
