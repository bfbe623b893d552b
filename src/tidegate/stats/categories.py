"""Have the shares of categories moved? An e-detector with learned bets against a fixed reference.

    counts of a block --> f(c) = clip(q(c) / p(c), low, high)   q: shares of the rows before (two speeds of forgetting)
    Shiryaev-Roberts M <- (M + 1) prod f,  fixed start S <- (S + w_b) prod f      as in tidegate.stats.shift

The null is every distribution within eps of the reference in total variation: eps covers the reference's own sampling error
and the smallest change that matters. Against such a ball the clipped likelihood ratio is the best bet (Huber's least
favourable pair, 1965): low and high are those for which the mass cut off above, and that filled up below, is eps each; then
E f <= 1 under every distribution of the ball.

Sampling error: TV(empirical, true) <= sqrt(K / 4n) + sqrt(ln(1/delta) / 2n) (McDiarmid 1989), K categories, n rows.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.stats.shift import BLOCK, CAP, CHANCE, DELTA

Matrix = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

MEMORY = (128.0, 2048.0)
"""Rows that the two bets remember."""
MOST = 40
"""Categories watched by name; the others are one, as is what the reference hasn't."""
RECENT = 2000.0
CHUNK = 2048
STRIDE = 4
"""Blocks for which a bet stands."""


class State(msgspec.Struct):
    """What is kept of a column between two feeds. `bets` [2][K] are remembered counts; `part` the block not yet full."""

    bets: list[list[float]]
    log_m: list[float]
    log_s: list[float]
    part: list[int]
    recent: list[float]
    count: int = 0
    blocks: int = 0
    rows: int = 0
    since: int = 0
    peak: float = -math.inf
    gathered: list[int] = []
    """Counts since the bet was last made, [K] or none."""


def band(rows: int, categories: int, delta: float = DELTA) -> float:
    """How far the shares of a sample may be from the true ones, in total variation, with probability 1 - delta.

    >>> round(band(10_000, 4), 4)
    0.0252
    """
    return math.sqrt(categories / (4.0 * rows)) + math.sqrt(math.log(1.0 / delta) / (2.0 * rows)) if rows else 1.0


class Bets:
    """`usual` [K] are the reference's counts: named categories, then (by convention) other, new, missing."""

    def __init__(self, usual: Counts, effect: float) -> None:
        rows = int(usual.sum())
        # half a row, over all of them: no share is 0, and the reference moves by less than that half row
        self.eps = min(band(rows, int((usual > 0).sum())) + 0.5 / (rows + 0.5) + effect, 0.999)
        self.usual = (usual + 0.5 / len(usual)) / (rows + 0.5)

    def fresh(self) -> State:
        """The state before the first row: the bets are on the reference."""
        k = len(self.usual)
        return State([(self.usual * rows).tolist() for rows in MEMORY], [-math.inf] * 2, [-math.inf] * 2, [0] * k, [0.0] * k)  # fmt: skip

    def gains(self, shares: Matrix) -> tuple[Matrix, npt.NDArray[np.bool_]]:
        """ln f of each category [.., K] for bets on `shares` [.., K]; and whether there is anything to bet on [..].

        Within the ball there is not: f = 1. The cut-off levels are exact: for every set A of categories
        high >= q(A) / (p(A) + eps), with equality for the best one, a prefix of the categories by falling ratio; likewise
        low <= q(A) / (p(A) - eps).
        """
        ratio = shares / self.usual
        order = np.argsort(ratio, axis=-1)
        q = np.take_along_axis(shares, order, axis=-1)
        p = self.usual[order]
        from_top_q, from_top_p = (np.cumsum(v[..., ::-1], axis=-1) for v in (q, p))
        high = (from_top_q / (from_top_p + self.eps)).max(axis=-1)
        up_q, up_p = np.cumsum(q, axis=-1), np.cumsum(p, axis=-1) - self.eps
        low = np.where(up_p > 1e-12, up_q / np.maximum(up_p, 1e-12), np.inf).min(axis=-1)
        active = (high > 1.0 + 1e-9) & (low < 1.0 - 1e-9)
        clipped = np.log(np.clip(ratio, np.where(active, low, 1.0)[..., None], np.where(active, high, 1.0)[..., None]))
        return np.where(active[..., None], clipped, 0.0), active


def feed(state: State, bets: Bets, codes: npt.NDArray[np.intp]) -> None:
    """Count rows by their category's number (0 to K-1)."""
    k = len(bets.usual)
    seen = np.bincount(codes, weights=np.exp(np.arange(1 - len(codes), 1) / RECENT), minlength=k)
    state.recent = (np.asarray(state.recent) * math.exp(-len(codes) / RECENT) + seen).tolist()
    state.rows += len(codes)
    first = BLOCK - state.count
    if len(codes) < first:
        state.part = (np.asarray(state.part) + np.bincount(codes, minlength=k)).tolist()
        state.count += len(codes)
        return
    full = (len(codes) - first) // BLOCK
    body = codes[first : first + full * BLOCK]
    counts = np.zeros((full + 1, k), np.int64)
    counts[0] = np.asarray(state.part) + np.bincount(codes[:first], minlength=k)
    if full:
        places = np.repeat(np.arange(1, full + 1), BLOCK) * k + body
        counts += np.bincount(places, minlength=(full + 1) * k).reshape(full + 1, k)
    rest = codes[first + full * BLOCK :]
    state.part, state.count = np.bincount(rest, minlength=k).tolist(), len(rest)
    for at in range(0, full + 1, CHUNK):
        _advance(state, bets, counts[at : at + CHUNK])


def _advance(state: State, bets: Bets, counts: Counts) -> None:
    """Blocks [blocks, K]. The bet is made anew every STRIDE blocks, from what came before them."""
    begun = state.blocks % STRIDE
    group = (begun + np.arange(len(counts))) // STRIDE
    sums = np.add.reduceat(counts, np.flatnonzero(np.diff(group, prepend=-1)), axis=0)
    if state.gathered:
        sums[0] += np.asarray(state.gathered)
    ended = (begun + len(counts)) // STRIDE
    gains, starts = [], []
    for speed, memory in enumerate(MEMORY):
        keep = (1.0 - BLOCK / memory) ** STRIDE
        kept = np.asarray(state.bets[speed])
        shares = np.empty(sums.shape)
        for number, row in enumerate(sums):
            shares[number] = kept
            if number < ended:
                kept = kept * keep + row
        state.bets[speed] = kept.tolist()
        shares += 0.5 * bets.usual
        shares /= shares.sum(axis=1, keepdims=True)
        found, active = bets.gains(shares)
        gains.append((found[group] * counts).sum(axis=1).tolist())
        # without a bet nothing starts: M must not grow by waiting
        starts.append(np.where(active[group], 0.0, -np.inf).tolist())
    state.gathered = sums[-1].tolist() if (begun + len(counts)) % STRIDE else []
    _bet(state, gains, starts)


def _bet(state: State, gains: list[list[float]], starts: list[list[float]]) -> None:
    m, s = list(state.log_m), list(state.log_s)
    for fast, slow, fast_starts, slow_starts in zip(*gains, *starts, strict=True):
        first = -math.log((state.blocks + 1.0) * (state.blocks + 2.0))
        m = [min(_add(m[0], fast_starts) + fast, CAP), min(_add(m[1], slow_starts) + slow, CAP)]
        s = [min(_add(s[0], first) + fast, 600.0), min(_add(s[1], first) + slow, 600.0)]
        state.blocks += 1
        mixed = _add(m[0], m[1]) - math.log(2.0)
        if mixed < CHANCE:
            state.since = state.blocks
        state.peak = max(state.peak, mixed)
    state.log_m, state.log_s = m, s


def _add(a: float, b: float) -> float:
    """ln(e^a + e^b); two numbers at a time are faster without NumPy."""
    if a < b:
        a, b = b, a
    return a if b == -math.inf else a + math.log1p(math.exp(b - a))


def log_m(state: State) -> float:
    """ln of the Shiryaev-Roberts statistic, over both bets."""
    return float(np.logaddexp(state.log_m[0], state.log_m[1])) - math.log(2.0)


def log_e(state: State) -> float:
    """ln of the fixed-start e-process."""
    mixed = float(np.logaddexp(state.log_s[0], state.log_s[1])) - math.log(2.0)
    return float(np.logaddexp(mixed, -math.log(state.blocks + 1.0)))


def leader(state: State, bets: Bets) -> int:
    """The category whose share of the last rows is furthest from the reference's."""
    recent = np.asarray(state.recent)
    return int(np.argmax(np.abs(recent / max(recent.sum(), 1e-9) - bets.usual)))


def effect(state: State, bets: Bets) -> float:
    """Total variation of the last rows from the reference, 0 to 1 (an estimate)."""
    recent = np.asarray(state.recent)
    total = recent.sum()
    return float(np.abs(recent / total - bets.usual).sum() / 2.0) if total > 0 else 0.0
