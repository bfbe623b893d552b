"""Has the distribution of numbers moved? E-detectors on ranks against a fixed reference, many columns at once.

    x --rank in the reference--> p in (0, 1) --bets f with E f <= 1--> per block of 16 rows: ln f = B ln c_k + coefficients . sums
    Shiryaev-Roberts  M <- (M + 1) f      alarm at M >= A: on average at least A blocks between false alarms
    fixed start       S <- (S + w_b) f    E = S + sum of the weights not yet used: an e-process, for ranking what moved

Ranks: p = (#{r < x} + U (#ties + 1)) / (n + 1), U uniform. Bets: k p^(k-1) (higher) and its mirror (lower); with
q = |2p - 1|, k q^(k-1) (wider) and its mirror (narrower); and a higher rate of missing values.

The reference is a sample of n rows, and a trifle is no drift: the null is every distribution of p within eps of uniform
(Kolmogorov distance), eps = sqrt(ln(2/delta) / 2n) + minimum effect (Dvoretzky-Kiefer-Wolfowitz, Massart's constant). The
worst of them for an increasing f moves its lowest mass eps to the top: E f = 1 + k eps - eps^k, by which f is divided.
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
LOCATION = (1.15, 1.5, 2.0, 4.0, 8.0)
SPREAD = (1.5, 3.0)
MISSING = (0.5, 0.1, 0.02)
"""Alternatives of the missing rate, as the part of the way from usual to 1."""
NAMES = ("higher",) * 5 + ("lower",) * 5 + ("wider",) * 2 + ("narrower",) * 2 + ("missing",) * 3
_WEIGHTS = np.log(np.array([0.05] * 10 + [0.0625] * 4 + [0.25 / 3] * 3))
CAP = 40.0
"""ln M is held below this, so that the end of a long drift is seen too; a smaller M stays an e-detector."""
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


def fresh() -> State:
    """The state before the first row."""
    bets = len(NAMES)
    return State([-math.inf] * bets, [-math.inf] * bets, [0.0] * 5, [0.0] * BINS)


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
    """The bets of one column: coefficients on (rows present, ln p, ln(1-p), ln q, ln(1-q), missing) sums of a block.

    `reference` are the sorted present values, `missing` how many of `rows` were missing in it.
    """

    def __init__(self, reference: Matrix, rows: int, missing: int, effect: float) -> None:
        self.values = reference
        n = len(reference)
        eps = min(band(n) + effect, 1.0)
        usual = min(rate_above(missing, max(rows, 1)) + effect / 2.0, 0.999)
        table = np.zeros((len(NAMES), 6))
        bet = 0
        both = min(2.0 * eps, 1.0)
        for statistic, powers, distance in (
            (1, LOCATION, eps),
            (2, LOCATION, eps),
            (3, SPREAD, both),
            (4, SPREAD, both),
        ):
            for k in powers:
                table[bet, 0] = math.log(k) - math.log(1.0 + k * distance - distance**k)
                table[bet, statistic] = k - 1.0
                bet += 1
        for part in MISSING:
            rate = usual + (1.0 - usual) * part
            table[bet, 0] = math.log1p(-rate) - math.log1p(-usual)
            table[bet, 5] = math.log(rate / usual)
            bet += 1
        if n < 2:  # nothing to rank against: only missing values can tell
            table[: len(NAMES) - len(MISSING), :] = 0.0
        self.table = table

    def rank(self, x: Matrix, uniform: Matrix) -> Matrix:
        """p of each value; NaN stays NaN."""
        values = self.values
        left = np.searchsorted(values, x, "left")
        right = np.searchsorted(values, x, "right")
        p = (left + uniform * (right - left + 1)) / (len(values) + 1)
        p[np.isnan(x)] = np.nan
        return np.clip(p, TINY, 1.0 - TINY)


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
    first = states[0].rows
    uniform = uniforms(first, rows, seed)
    count = states[0].count
    ends = np.arange(BLOCK - count, rows + 1, BLOCK)
    starts = np.concatenate([[0], ends])
    starts = starts[starts < rows]
    terms = np.empty((5, rows, len(states)))
    for j, (state, bet) in enumerate(zip(states, bets, strict=True)):
        p = bet.rank(x[:, j], uniform)
        missing = np.isnan(p)
        q = np.clip(np.abs(2.0 * p - 1.0), TINY, 1.0 - TINY)
        terms[0, :, j] = np.log(p)
        terms[1, :, j] = np.log1p(-p)
        terms[2, :, j] = np.log(q)
        terms[3, :, j] = np.log1p(-q)
        terms[4, :, j] = missing
        if missing.any():
            terms[:4, missing, j] = 0.0
            p = p[~missing]
        keep = math.exp(-rows / RECENT)
        # rows of one batch are weighed alike: a batch is short against RECENT, or all that matters
        seen = np.bincount((p * BINS).astype(np.intp), minlength=BINS)[:BINS]
        state.recent = (np.asarray(state.recent) * keep + seen * (1.0 - keep) / max(rows, 1) * RECENT).tolist()
    sums = np.add.reduceat(terms, starts, axis=1) if len(starts) else np.zeros((5, 0, len(states)))
    sums[:, 0, :] += np.array([state.sums for state in states]).T
    full = len(ends)
    _advance(states, bets, sums[:, :full, :])
    rest = (count + rows) % BLOCK
    for j, state in enumerate(states):
        state.rows += rows
        state.count = rest
        state.sums = sums[:, full, j].tolist() if rest else [0.0] * 5


def _advance(states: Sequence[State], bets: Sequence[Bets], sums: Matrix) -> None:
    blocks = sums.shape[1]
    if not blocks:
        return
    tables = np.stack([bet.table for bet in bets])  # [columns, bets, 6]
    present = BLOCK - sums[4]  # [blocks, columns]
    gains = np.einsum("sbj,jks->bjk", sums, tables[:, :, 1:], optimize=True)
    values = len(NAMES) - len(MISSING)
    gains[:, :, :values] += present[:, :, None] * tables[None, :, :values, 0]
    gains[:, :, values:] += BLOCK * tables[None, :, values:, 0]
    # of a missing bet the constant counts present rows; its coefficient is ln(rate/usual) a missing one
    gains[:, :, values:] -= sums[4][:, :, None] * tables[None, :, values:, 0]
    log_m = np.array([state.log_m for state in states])
    log_s = np.array([state.log_s for state in states])
    done = states[0].blocks
    for b in range(blocks):
        number = done + b
        log_m = np.minimum(np.logaddexp(log_m, 0.0) + gains[b], CAP)
        log_s = np.minimum(np.logaddexp(log_s, -math.log((number + 1.0) * (number + 2.0))) + gains[b], 600.0)
        mixed = _mix(log_m)
        for j in np.flatnonzero(mixed < 3.0).tolist():
            states[j].since = number + 1
        for j in np.flatnonzero(mixed > [state.peak for state in states]).tolist():
            states[j].peak = float(mixed[j])
    for j, state in enumerate(states):
        state.log_m, state.log_s = log_m[j].tolist(), log_s[j].tolist()
        state.blocks = done + blocks


def _mix(logs: Matrix) -> Matrix:
    weighed = logs + _WEIGHTS
    most = weighed.max(axis=-1)
    with np.errstate(invalid="ignore"):
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
    logs = np.asarray(state.log_m) + _WEIGHTS
    return NAMES[int(np.argmax(logs))] if np.isfinite(logs).any() else ""


def effect(state: State) -> float:
    """Kolmogorov distance of the last rows' ranks from uniform, 0 to 1 (an estimate, on 20 bins)."""
    recent = np.asarray(state.recent)
    total = recent.sum()
    if total <= 0:
        return 0.0
    return float(np.abs(np.cumsum(recent) / total - np.arange(1, BINS + 1) / BINS).max())
