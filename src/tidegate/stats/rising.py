"""Has a rate risen above what it was? An e-detector on a stream of good and bad, against rows counted before.

    bad of 16 --> ln f = bad ln(q/p) + good ln((1-q)/(1-p)) for q = p {1.25, 1.5, 2, 3, 5} --> M <- (M + 1) f

p is no point: the upper bound (99%, Clopper & Pearson 1934) of the rate in the rows counted before, times 1 + the smallest relative
rise that matters. For every true rate up to p the mean of f is at most 1, so that M reaches A after A blocks on average at
the earliest. Source: Shin, Ramdas & Rinaldo, "E-detectors" (2203.03532).
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.stats.shift import BLOCK, CAP, rate_above

RISES = (1.25, 1.5, 2.0, 3.0, 5.0)
RECENT = 1000.0


def _nothing() -> list[float]:
    return [-math.inf] * len(RISES)


class State(msgspec.Struct):
    """What is kept between two feeds."""

    log_m: list[float] = msgspec.field(default_factory=_nothing)
    log_s: list[float] = msgspec.field(default_factory=_nothing)
    bad: int = 0
    count: int = 0
    rows: int = 0
    blocks: int = 0
    since: int = 0
    peak: float = -math.inf
    recent_bad: float = 0.0
    recent_rows: float = 0.0


class Bets:
    """Against `bad` of `n` rows counted before; `rise` is the smallest relative rise that matters.

    >>> bets, state = Bets(bad=56, n=1000), State()
    >>> feed(state, bets, np.zeros(5000, bool))
    >>> log_m(state) < 3.0
    True
    >>> feed(state, bets, np.arange(5000) % 4 == 0)
    >>> log_m(state) > 20.0
    True
    """

    def __init__(self, bad: int, n: int, rise: float = 0.1) -> None:
        self.usual = min(rate_above(bad, max(n, 1)) * (1.0 + rise), 0.999)
        q = np.minimum(self.usual * np.asarray(RISES), 1.0 - (1.0 - self.usual) / np.asarray(RISES))
        self.lost = np.log(q / self.usual)
        self.kept = np.log1p(-q) - math.log1p(-self.usual)


def feed(state: State, bets: Bets, bad: npt.NDArray[np.bool_]) -> None:
    """Count rows in their order, True where bad."""
    if not len(bad):
        return
    keep = math.exp(-len(bad) / RECENT)
    state.recent_bad = state.recent_bad * keep + float(bad.mean()) * (1.0 - keep) * RECENT
    state.recent_rows = state.recent_rows * keep + (1.0 - keep) * RECENT
    ends = np.arange(BLOCK - state.count, len(bad) + 1, BLOCK)
    starts = np.concatenate([[0], ends])
    sums = np.add.reduceat(bad.astype(np.int64), starts[starts < len(bad)])
    sums[0] += state.bad
    log_m, log_s = np.asarray(state.log_m), np.asarray(state.log_s)
    for wrong in sums[: len(ends)].tolist():
        gain = wrong * bets.lost + (BLOCK - wrong) * bets.kept
        log_m = np.minimum(np.logaddexp(log_m, 0.0) + gain, CAP)
        log_s = np.minimum(np.logaddexp(log_s, -math.log((state.blocks + 1.0) * (state.blocks + 2.0))) + gain, 600.0)
        state.blocks += 1
        mixed = _mix(log_m)
        state.since = state.blocks if mixed < 3.0 else state.since
        state.peak = max(state.peak, mixed)
    state.log_m, state.log_s = log_m.tolist(), log_s.tolist()
    state.rows += len(bad)
    state.count = (state.count + len(bad)) % BLOCK
    state.bad = int(sums[len(ends)]) if len(sums) > len(ends) else 0


def _mix(logs: npt.NDArray[np.float64]) -> float:
    return float(np.logaddexp.reduce(logs)) - math.log(len(RISES))


def log_m(state: State) -> float:
    """ln of the Shiryaev-Roberts statistic, over all rises."""
    return _mix(np.asarray(state.log_m))


def log_e(state: State) -> float:
    """ln of the fixed-start e-process."""
    return float(np.logaddexp(_mix(np.asarray(state.log_s)), -math.log(state.blocks + 1.0)))


def rate(state: State) -> float:
    """The rate over the last rows (an estimate); 0 before the first."""
    return state.recent_bad / state.recent_rows if state.recent_rows else 0.0
