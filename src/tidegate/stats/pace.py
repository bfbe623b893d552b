"""How fast does a distribution move away from what it was? A half-life, from the distances between windows.

    distances d_ij of all pairs of windows, less what chance makes  -->  similarity s_ij = 1 - d_ij
    s = 2^(-|t_i - t_j| / H)   fitted to all pairs     against: one step at a time T, steady before and after

H is the half-life: in that time half of the distribution's mass has moved. Its bounds are those of the delete-one-window
jackknife (Tukey 1958), since pairs that share a window are not independent. Chance alone makes E d^2 = pi^2/12 (1/n + 1/m)
(Kolmogorov's distribution); that is taken off d^2.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Pace = Literal["stable", "slow", "fast", "sudden", "unclear"]

FAST = 90 * 86400.0
"""A shorter half-life is fast: half of what was learnt is old within a quarter."""
LEAST = 4
SMALL = 0.05
BEYOND = 10.0
"""A half-life of more than so many times what was seen is called stable."""


class HalfLife(msgspec.Struct, frozen=True, omit_defaults=True):
    """Seconds; `high` is infinite where no end of similarity is in sight. `changed` is the time of a sudden change, `jump`
    its distance."""

    pace: Pace
    half_life: float = math.inf
    low: float = 0.0
    high: float = math.inf
    changed: float = 0.0
    jump: float = 0.0


def by_chance(n: npt.NDArray[np.float64], extra: float = 0.0) -> Numbers:
    """The mean square distance that chance makes between windows of n rows [w]: [w, w]. `extra` is a sketch's error."""
    inverse = 1 / np.maximum(n, 1)
    return np.asarray(math.pi**2 / 12 * (inverse[:, None] + inverse[None, :]) + extra * extra)


def half_life(times: Numbers, distances: Numbers, chance: Numbers, fast: float = FAST) -> HalfLife:
    """Of windows at `times` [w] (seconds, their middles), distances [w, w] and what chance makes of their squares [w, w].

    >>> t = np.arange(12) * 86400.0
    >>> d = 1 - 0.5 ** (np.abs(t[:, None] - t[None, :]) / (20 * 86400))
    >>> found = half_life(t, d, np.zeros((12, 12)))
    >>> found.pace, round(found.half_life / 86400, 1)
    ('fast', 20.0)
    """
    count = len(times)
    if count < LEAST:
        return HalfLife("unclear")
    clean = np.sqrt(np.maximum(distances**2 - chance, 0.0))
    lag = np.abs(times[:, None] - times[None, :])
    rate = _rate(lag, clean, np.ones(count, bool))
    left = []
    for one in range(count):
        kept = np.ones(count, bool)
        kept[one] = False
        left.append(_rate(lag, clean, kept))
    spread = math.sqrt((count - 1) / count * float(((np.array(left) - np.mean(left)) ** 2).sum()))
    low, high = rate - 2.2 * spread, rate + 2.2 * spread
    step = _step(times, clean, lag, rate)
    if step is not None:
        return HalfLife("sudden", _life(rate), _life(high), _life(low), *step)
    span = float(times[-1] - times[0])
    moved = float(np.median(clean[lag >= 0.5 * span]))
    if low <= 0 or _life(rate) > BEYOND * span:
        doubtful = 1 - math.exp(-max(high, 0.0) * span) > 2 * SMALL
        return HalfLife(
            "unclear" if doubtful and moved >= SMALL / 2 else "stable", _life(rate), _life(high), _life(low)
        )
    return HalfLife("fast" if _life(rate) < fast else "slow", _life(rate), _life(high), _life(low))


def _life(rate: float) -> float:
    return math.log(2) / rate if rate > 0 else math.inf


def _rate(lag: Numbers, clean: Numbers, kept: npt.NDArray[np.bool_]) -> float:
    """Least squares through the origin of -ln s on the lag, over pairs."""
    upper = np.triu(np.outer(kept, kept), 1)
    x, y = lag[upper], -np.log(np.maximum(1 - clean[upper], 0.02))
    total = float((x * x).sum())
    return float((x * y).sum()) / total if total > 0 else 0.0


def _step(times: Numbers, clean: Numbers, lag: Numbers, rate: float) -> tuple[float, float] | None:
    """(time, distance) of one change that explains the pairs better than decay does; None where none does."""
    count = len(times)
    upper = np.triu(np.ones((count, count), bool), 1)
    decay = float(((clean - (1 - np.exp(-max(rate, 0.0) * lag)))[upper] ** 2).sum())
    best: tuple[float, int, float] | None = None
    for at in range(1, count):
        across = np.zeros((count, count), bool)
        across[:at, at:] = True
        within = upper & ~across
        between = float(clean[across].mean())
        inside = float(clean[within].mean()) if within.any() else 0.0
        error = float(((clean[across] - between) ** 2).sum() + (clean[within] ** 2).sum())
        if between >= SMALL and inside <= between / 4 and (best is None or error < best[0]):
            best = (error, at, between)
    if best is None or best[0] >= decay / 2:
        return None
    return float((times[best[1] - 1] + times[best[1]]) / 2), best[2]
