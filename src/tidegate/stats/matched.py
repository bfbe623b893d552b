"""Has the relation between score and truth moved? Outcomes are compared on rows of the same score.

    bins of the reference's scores --> in each: mean outcome now - before --> difference on the scores that come now, and
    sum z_k^2 against chi-square with k degrees of freedom: whether any bin moved, in whatever direction

When only the inputs move (covariate drift), rows of one score turn out as before and nothing is found; when the world moves
(concept drift), they turn out otherwise. Post-stratification as in Cochran (1954), on the reference's score deciles.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

BINS = 10
LEAST = 20
"""Rows of either side that a bin needs to be compared."""


class Matched(msgspec.Struct, frozen=True):
    """`effect` is the mean outcome now minus before on matching scores, with 95% bounds; `p` is of any bin's change;
    `covered` the share of rows now whose score the reference knows well enough."""

    effect: float
    low: float
    high: float
    p: float
    covered: float
    rows: int


def matched(score_before: Numbers, before: Numbers, score_now: Numbers, now: Numbers, bins: int = BINS) -> Matched:
    """Of scores [n], [m] and outcomes (a label 0 or 1, an error) of the same rows. NaN is left out.

    >>> rng = np.random.default_rng(0)
    >>> s, t = rng.random(4000), rng.random(4000) ** 2          # the scores move
    >>> matched(s, (rng.random(4000) < s) * 1.0, t, (rng.random(4000) < t) * 1.0).p > 0.05
    True
    >>> matched(s, (rng.random(4000) < s) * 1.0, t, (rng.random(4000) < t * 0.8) * 1.0).p < 0.001
    True
    """
    from scipy.special import chdtrc

    good = np.isfinite(score_before) & np.isfinite(before)
    score_before, before = score_before[good], before[good]
    good = np.isfinite(score_now) & np.isfinite(now)
    score_now, now = score_now[good], now[good]
    if not len(before) or not len(now):
        return Matched(0.0, -math.inf, math.inf, 1.0, 0.0, len(now))
    edges = np.unique(np.quantile(score_before, np.arange(1, bins) / bins))
    size = len(edges) + 1
    place = [np.searchsorted(edges, scores, side="left") for scores in (score_before, score_now)]
    count = [np.bincount(at, minlength=size) for at in place]
    mean, spread = [], []
    for at, values, n in zip(place, (before, now), count, strict=True):
        total, square = np.bincount(at, values, size), np.bincount(at, values * values, size)
        mean.append(total / np.maximum(n, 1))
        spread.append(np.maximum(square / np.maximum(n, 1) - mean[-1] ** 2, 0.0))
    used = (count[0] >= LEAST) & (count[1] >= LEAST)
    covered = float(count[1][used].sum() / len(now))
    if not used.any():
        return Matched(0.0, -math.inf, math.inf, 1.0, covered, len(now))
    gap = (mean[1] - mean[0])[used]
    n, m = count[0][used], count[1][used]
    # under "nothing moved" both sides share one spread: a bin whose outcomes happen to be all alike is not certain of it
    pooled = (n * spread[0][used] + m * spread[1][used]) / (n + m) + n * m / (n + m) ** 2 * gap**2
    pooled = np.maximum(pooled, 1.0 / (n + m) ** 2)
    z2 = float((gap**2 / (pooled * (1 / n + 1 / m))).sum())
    weight = m / m.sum()
    effect = float((weight * gap).sum())
    error = math.sqrt(float((weight**2 * (spread[0][used] / n + spread[1][used] / m)).sum()))
    return Matched(effect, effect - 1.96 * error, effect + 1.96 * error, float(chdtrc(len(gap), z2)), covered, len(now))
