"""Has the distribution of numbers moved? E-detectors on ranks against a fixed reference, many columns at once.

    x --rank in the reference--> p in (0, 1) --bets f with E f <= 1--> per block of 16 rows: ln f = constants and sums of logs
    Shiryaev-Roberts  M <- (M + 1) f      alarm at M >= A: on average at least A blocks between false alarms
    fixed start       S <- (S + w_b) f    E = S + sum of the weights not yet used: an e-process, for ranking what moved

Ranks: p = (#{r < x} + U (#ties + 1)) / (n + 1), U uniform. Bets: k p^(k-1) (higher) and its mirror (lower); with
q = |2p - 1|, k q^(k-1) (wider) and its mirror (narrower); of both a step, 1 + a above the middle and 1 - a below, which finds
what is barely outside the null; and a higher rate of missing values.

The reference is a sample of n rows, and a trifle is no drift: the null is every distribution of p within eps of uniform
(Kolmogorov distance), eps = sqrt(ln(2/delta) / 2n) + 1/(n+1) + minimum effect (Dvoretzky-Kiefer-Wolfowitz with Massart's
constant; the second is what the +1 of the ranks moves). The worst of them for an increasing f moves its lowest mass eps to
the top: E f = 1 + k eps - eps^k, of a step 1 + 2 a eps, by which f is divided.
For q the distance is at most 2 eps.

Sources: Shin, Ramdas & Rinaldo, "E-detectors" (2203.03532); Massart 1990. Cost: linear in rows x columns, and nothing
that grows with the rows before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

BLOCK = 16
LOCATION = (1.5, 2.0, 4.0, 8.0)
SPREAD = (3.0,)
STEPS = (0.1, 0.15)
"""Of location and of spread: f = 1 + a above the middle, 1 - a below."""
MISSING = (0.5, 0.1, 0.02)
"""Alternatives of the missing rate, as the part of the way from usual to 1."""
NAMES = ("higher",) * 5 + ("lower",) * 5 + ("wider",) * 2 + ("narrower",) * 2 + ("missing",) * 3
_WEIGHTS = np.log(np.array([0.05] * 10 + [0.0625] * 4 + [0.25 / 3] * 3))
_ABOUT = np.array([4] + [0] * 4 + [4] + [1] * 4 + [5, 2] + [5, 3] + [6] * 3)
"""Which of the sums a bet is about: ln p, ln(1-p), ln q, ln(1-q), signs of p - 1/2 and of q - 1/2, missing ones."""
SUMS = 7
CAP = 40.0
"""ln M is held below this, so that the end of a long drift is seen too; a smaller M stays an e-detector."""
MOST = 300.0
"""ln f of a block, at most (a smaller bet is a bet)."""
_CAP, _CAP_E = math.exp(CAP), math.exp(600.0)
CHANCE = 3.0
"""ln M that chance reaches now and then: a change began after M was last below."""
DELTA = 0.01
TINY = 1e-9
RECENT = 2000.0
"""Rows over which the present distance from the reference is taken (exponential forgetting)."""
BINS = 20


class State(msgspec.Struct):
    """What is kept of one column between two feeds. `log_m`, `log_s` by bet; `sums` and `count` of the block not yet full."""

    log_m: list[float]
    log_s: list[float]
    sums: list[float]
    recent: list[float]
    count: int = 0
    blocks: int = 0
    rows: int = 0
    since: int = 0
    """The block after which M has stayed above where chance leaves it."""
    peak: float = -math.inf
    missed: float = 0.0
    """Missing values among the recent rows, forgotten as `recent` is."""


def fresh() -> State:
    """The state before the first row."""
    bets = len(NAMES)
    return State([-math.inf] * bets, [-math.inf] * bets, [0.0] * SUMS, [0.0] * BINS)


def band(rows: int, delta: float = DELTA) -> float:
    """How far a sample of n rows may be from its distribution, in Kolmogorov distance, with probability 1 - delta.

    >>> round(band(10_000), 4)
    0.0163
    """
    return math.sqrt(math.log(2.0 / delta) / (2.0 * rows)) if rows else 1.0


def rate_above(bad: int, n: int, delta: float = DELTA) -> float:
    """Upper bound of a rate (Clopper & Pearson 1934).

    >>> round(rate_above(0, 1000), 4)
    0.0046
    """
    from scipy.special import betaincinv

    return 1.0 if bad >= n else float(betaincinv(bad + 1, n - bad, 1.0 - delta))


class Bets:
    """The bets of one column: of a block, ln f = constant x rows present + power x the sum that the bet is about.

    `reference` are the sorted present values, `missing` how many of `rows` were missing in it.
    """

    def __init__(self, reference: Matrix, rows: int, missing: int, effect: float) -> None:
        self.values = reference
        self.missing = missing / rows if rows else 0.0
        n = len(reference)
        # where equal values end, for each: one search ranks a value, ties included
        starts = np.flatnonzero(np.diff(reference)) + 1
        self._ends = np.repeat(np.append(starts, n), np.diff(np.concatenate([[0], starts, [n]])))
        eps = min(band(n) + 1.0 / (n + 1.0) + effect, 1.0)
        usual = rate_above(missing, max(rows, 1)) + effect / 2.0
        self.constant = np.zeros(len(NAMES))
        self.power = np.zeros(len(NAMES))
        both = min(2.0 * eps, 1.0)
        bet = 0
        for powers, distance, step in (
            (LOCATION, eps, STEPS[0]),
            (LOCATION, eps, -STEPS[0]),
            (SPREAD, both, STEPS[1]),
            (SPREAD, both, -STEPS[1]),
        ):
            self.constant[bet] = 0.5 * math.log(1.0 - step**2) - math.log1p(2.0 * abs(step) * min(distance, 0.5))
            self.power[bet] = math.atanh(step)
            bet += 1
            for k in powers:
                self.constant[bet] = math.log(k) - math.log(1.0 + k * distance - distance**k)
                self.power[bet] = k - 1.0
                bet += 1
        if n < 2:  # nothing to rank against: these bets lose, and only missing values can tell
            self.constant[:bet], self.power[:bet] = -1.0, 0.0
        if usual > 0.999:  # as good as always missing: nothing to bet on either
            self.constant[bet:], self.power[bet:] = -1.0, -1.0
            return
        for part in MISSING:
            rate = usual + (1.0 - usual) * part
            self.constant[bet] = math.log1p(-rate) - math.log1p(-usual)
            self.power[bet] = math.log(rate / usual)
            bet += 1

    def rank(self, x: Matrix, uniform: Matrix) -> Matrix:
        """p of each value; NaN stays NaN."""
        values = self.values
        if not len(values):
            return np.where(np.isnan(x), np.nan, np.clip(uniform, TINY, 1.0 - TINY))
        # in the values' own order the search walks memory once, which is worth the sort
        order = np.argsort(x)
        left = np.empty(len(x), np.intp)
        left[order] = np.searchsorted(values, x[order], "left")
        at = np.minimum(left, len(values) - 1)
        ties = np.where(values[at] == x, self._ends[at] - left, 0)
        p: Matrix = (left + uniform * (ties + 1)) / (len(values) + 1)
        p[np.isnan(x)] = np.nan
        return p.clip(TINY, 1.0 - TINY)


def uniforms(first: int, count: int, seed: int) -> Matrix:
    """One uniform a row, a function of the row's number alone: however rows are cut into batches, the same."""
    z = np.arange(first + 1, first + count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def feed(states: Sequence[State], bets: Sequence[Bets], x: Matrix, seed: int = 0) -> None:
    """Count rows `x` [rows, columns] (NaN for missing); each column has its state and its bets. All states have met the
    same rows."""
    rows = len(x)
    if not rows or not states:
        return
    count = states[0].count
    uniform = uniforms(states[0].rows, rows, seed)
    p = np.stack([bet.rank(x[:, j], uniform) for j, bet in enumerate(bets)])
    missing = np.isnan(p)
    full, rest = divmod(count + rows, BLOCK)
    terms = np.zeros((SUMS, len(states), (full + (rest > 0)) * BLOCK))
    here = terms[:, :, count : count + rows]
    q = np.clip(np.abs(2.0 * p - 1.0), TINY, 1.0 - TINY)
    np.log(p, out=here[0])
    np.log1p(-p, out=here[1])
    np.log(q, out=here[2])
    np.log1p(-q, out=here[3])
    np.sign(p - 0.5, out=here[4])
    np.sign(q - 0.5, out=here[5])
    if missing.any():
        here[:6, missing] = 0.0
        here[6][missing] = 1.0
    sums = np.einsum("sjbi->sjb", terms.reshape(SUMS, len(states), -1, BLOCK))
    sums[:, :, 0] += np.array([state.sums for state in states]).T
    if full:
        _advance(states, bets, sums[:, :, :full])
    ages = np.exp(np.arange(1 - rows, 1) / RECENT)
    keep = math.exp(-rows / RECENT)
    for j, state in enumerate(states):
        there = ~missing[j]
        seen = np.bincount((p[j, there] * BINS).astype(np.intp), weights=ages[there], minlength=BINS)
        state.recent = (np.asarray(state.recent) * keep + seen).tolist()
        state.missed = state.missed * keep + float(ages[missing[j]].sum())
        state.rows += rows
        state.count = rest
        state.sums = sums[:, j, full].tolist() if rest else [0.0] * SUMS


def _advance(states: Sequence[State], bets: Sequence[Bets], sums: Matrix) -> None:
    """Blocks that are full: `sums` [SUMS, columns, blocks]. Not in logs, which the caps on f and M allow: thrice as fast."""
    blocks = sums.shape[2]
    done = states[0].blocks
    constant, power = (np.stack([getattr(bet, name) for bet in bets], axis=1) for name in ("constant", "power"))
    present = BLOCK - sums[6]  # [columns, blocks]
    gains = sums[_ABOUT] * power[:, :, None] + present * constant[:, :, None]  # [bets, columns, blocks]
    factors = np.ascontiguousarray(np.exp(np.minimum(gains, MOST)).transpose(2, 0, 1))
    # A start is as much as there are values to bet on: else M would grow where all is missing.
    begun = np.ones(factors.shape)
    begun[:, : -len(MISSING)] = (present.T / BLOCK)[:, None, :]
    weights = 1.0 / ((done + np.arange(blocks) + 1.0) * (done + np.arange(blocks) + 2.0))
    m = np.exp(np.array([state.log_m for state in states]).T)
    s = np.exp(np.array([state.log_s for state in states]).T)
    course = np.empty(factors.shape)
    with np.errstate(over="ignore", divide="ignore", under="ignore"):
        for b in range(blocks):
            m = np.minimum((m + begun[b]) * factors[b], _CAP, out=course[b])
            s = np.minimum((s + weights[b]) * factors[b], _CAP_E)
        mixed = np.log(np.einsum("bkj,k->bj", course, np.exp(_WEIGHTS)))
        log_m, log_s = np.log(m).T.tolist(), np.log(s).T.tolist()
    peaks = mixed.max(axis=0).tolist()
    low = mixed < CHANCE
    for j, state in enumerate(states):
        if low[:, j].any():
            state.since = done + int(np.flatnonzero(low[:, j])[-1]) + 1
        state.peak = max(state.peak, peaks[j])
        state.log_m, state.log_s = log_m[j], log_s[j]
        state.blocks = done + blocks


def _mix(logs: Matrix) -> Matrix:
    weighed = logs + _WEIGHTS
    most = weighed.max(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = most + np.log(np.exp(weighed - np.where(np.isfinite(most), most, 0.0)[..., None]).sum(axis=-1))
    return np.where(np.isfinite(most), total, -np.inf)


def log_m(state: State) -> float:
    """ln of the Shiryaev-Roberts statistic, over all bets."""
    return float(_mix(np.asarray(state.log_m)))


def log_e(state: State) -> float:
    """ln of the fixed-start e-process: all starts (weights 1/(b(b+1))), all bets."""
    return float(np.logaddexp(_mix(np.asarray(state.log_s)), -math.log(state.blocks + 1.0)))


def leader(state: State) -> str:
    """The bet that leads: higher, lower, wider, narrower or missing; "" before the first block."""
    logs = np.asarray(state.log_m)
    if not np.isfinite(logs).any():
        return ""
    # Of a clear change several bets are at the cap; the one with the most evidence since the start leads.
    near = logs >= logs.max() - CHANCE
    return NAMES[int(np.argmax(np.where(near, np.asarray(state.log_s) + _WEIGHTS, -np.inf)))]


def effect(state: State, missing: float = 0.0) -> float:
    """How far the last rows are from the reference, 0 to 1: the greater of the Kolmogorov distance of their ranks from uniform (an
    estimate, on 20 bins) and of the change of the missing share, which was `missing`. As metrics.distance has it."""
    recent = np.asarray(state.recent)
    total = float(recent.sum())
    apart = 0.0
    if total > 0:
        apart = float(np.abs(np.cumsum(recent) / total - np.arange(1, BINS + 1) / BINS).max())
    rows = total + state.missed
    return max(apart, abs(state.missed / rows - missing)) if rows > 0 else 0.0
