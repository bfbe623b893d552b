"""What arrives in the simulated rollouts: a ramp of weights, base rates that move, users who come back, labels that lag.

Ramp: 1, 5, 25, 50% over 10, 30, 60, 120 minutes, 1,000 requests a minute, 1% errors (rollout-statistics' own case).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

RAMP = ((0.01, 10), (0.05, 30), (0.25, 60), (0.50, 120))
A_MINUTE = 1000
BASE = 0.01

Rate = Callable[[np.ndarray, int], np.ndarray]
"""(random starts of the runs in minutes, minute) -> base rate of each run."""


@dataclass(frozen=True)
class Minute:
    """One minute of all runs: units and bad units, shapes (runs,) and (metrics, runs)."""

    number: int
    step: int
    first: bool
    share: float
    canary: np.ndarray
    stable: np.ndarray
    bad_canary: np.ndarray
    bad_stable: np.ndarray


def flat(_: np.ndarray, minute: int) -> np.ndarray:
    """1% at all times."""
    return np.full(_.shape, BASE)


def diurnal(start: np.ndarray, minute: int) -> np.ndarray:
    """Between .2% and 1.8% in the course of a day; the rollout begins at a random hour."""
    return BASE * (1.0 + 0.8 * np.sin(2.0 * np.pi * (start + minute) / 1440.0))


def incident(start: np.ndarray, minute: int) -> np.ndarray:
    """20 minutes at 8% in both arms, beginning at a random minute of the ramp."""
    begin = start % 200.0
    return np.where((minute >= begin) & (minute < begin + 20.0), 0.08, BASE)


SCENARIOS: dict[str, Rate] = {"flat": flat, "diurnal": diurnal, "shared incident": incident}


def ramp(
    rng: np.random.Generator,
    runs: int,
    rate: Rate,
    metrics: int = 1,
    theta: float = 1.0,
    fault_at: int = 0,
    steps: tuple[tuple[float, int], ...] = RAMP,
) -> Iterator[Minute]:
    """All minutes of `runs` rollouts; from minute `fault_at` on the canary is `theta` times as bad.

    Metrics are correlated: half of each one's bad units are bad for all of them.
    """
    start = rng.uniform(0.0, 1440.0, runs)
    number = 0
    for step, (share, minutes) in enumerate(steps):
        for index in range(minutes):
            canary = rng.binomial(A_MINUTE, share, runs)
            stable = A_MINUTE - canary
            base = rate(start, number)
            worse = base * (theta if number >= fault_at else 1.0)
            yield Minute(
                number,
                step,
                index == 0 and step > 0,
                share,
                canary,
                stable,
                _bad(rng, canary, worse, metrics),
                _bad(rng, stable, base, metrics),
            )
            number += 1


def _bad(rng: np.random.Generator, units: np.ndarray, rate: np.ndarray, metrics: int) -> np.ndarray:
    if metrics == 1:
        return rng.binomial(units, rate)[None, :]
    common = rng.binomial(units, rate / 2.0)
    own = rng.binomial(units - common, rate / 2.0 / (1.0 - rate / 2.0), (metrics, len(units)))
    return np.asarray(common + own)


@dataclass(frozen=True)
class Users:
    """Users of all runs, shape (runs, users): where they fall on [0, 1), how many requests, how many of them bad."""

    point: np.ndarray
    requests: np.ndarray
    bad: np.ndarray


def users(rng: np.random.Generator, runs: int, count: int) -> Users:
    """Heavy-tailed users: requests by Pareto 1.1 up to 2,000, each user with an error rate of their own (mean 1%)."""
    requests = np.minimum(rng.pareto(1.1, (runs, count)) + 1.0, 2000.0).astype(np.int64)
    own = rng.beta(0.05, 4.95, (runs, count))
    return Users(rng.random((runs, count)), requests, rng.binomial(requests, own))
