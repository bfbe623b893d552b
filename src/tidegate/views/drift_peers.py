"""What Evidently and NannyML would say of the same two frames, by their defaults: their formulas, our code.

    evidently (0.7)   more than 1,000 reference rows: Wasserstein / max(sd, .001) >= .1 of numbers, Jensen-Shannon (base e) >= .1
                      of categories and of numbers with at most 5 values; fewer: KS, chi-square (reference taken as exact) or
                      a z-test, p < .05
    nannyml (0.13)    Jensen-Shannon (base 2) on Doane's bins of the reference, in 10 chunks of the rows in their order;
                      alarm above the mean + 3 sd of the reference's own 10 chunks

To read a figure beside one that a team knows. What they get wrong with it is said in the documentation; nothing here raises
an alarm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from tidegate.errors import InvalidRequest
from tidegate.plugins import nearest
from tidegate.profiles.frames import kind_of
from tidegate.stats import cells
from tidegate.stats.jensen_shannon import jensen_shannon
from tidegate.stats.ks import kolmogorov_smirnov
from tidegate.stats.wasserstein import wasserstein
from tidegate.views.drift_columns import PeerScore
from tidegate.views.drift_frames import counted, finite

Peer = Literal["evidently", "nannyml"]
PEERS: tuple[str, ...] = get_args(Peer)

Counts = npt.NDArray[np.float64]

_CHUNKS = 10


def peer_score(tool: str, a: pl.Series, b: pl.Series) -> PeerScore | None:
    """One column's figure; None for what the tool leaves out. Errors: InvalidRequest for a tool that isn't known."""
    if tool not in PEERS:
        raise InvalidRequest(f"compare: {tool!r} is not known.{nearest(tool, PEERS)} Known: {', '.join(PEERS)}")
    kinds = {kind_of(a.dtype), kind_of(b.dtype)}
    if "" in kinds or a.dtype.is_temporal() or ("category" in kinds and len(kinds) > 1):
        return None
    if a.null_count() == len(a) or b.null_count() == len(b):
        return None
    return (evidently if tool == "evidently" else nannyml)(a, b, "category" in kinds)


def evidently(a: pl.Series, b: pl.Series, categorical: bool) -> PeerScore:
    """Its default for one column."""
    values = pl.concat([a.cast(b.dtype, strict=False), b]).drop_nulls().n_unique()
    large = len(a) > 1000
    if large and not categorical and values > 5:
        x, y = _numbers(a), _numbers(b)
        found = cells.compare(x, y)
        distance = wasserstein(found.points, found.reference, found.now) / max(float(np.std(x)), 0.001)
        return PeerScore("evidently", "Wasserstein / sd", distance, 0.1, distance >= 0.1)
    if not large and not categorical and values > 5:
        found = cells.compare(_numbers(a), _numbers(b))
        p = _ks_p(found)
        return PeerScore("evidently", "KS, p", p, 0.05, p <= 0.05)
    counts = _shares(a, b)
    if large:
        distance = jensen_shannon(*counts, base=math.e)
        return PeerScore("evidently", "Jensen-Shannon, base e", distance, 0.1, distance >= 0.1)
    p = _chi_square_exact(*counts) if values > 2 else _z(*counts)
    return PeerScore("evidently", "chi-square, p" if values > 2 else "z-test, p", p, 0.05, p < 0.05)


def nannyml(a: pl.Series, b: pl.Series, categorical: bool) -> PeerScore:
    """Its default for one column: the greatest of the chunks' distances, and how many of them alarm."""
    if categorical:
        names = sorted(counted(a)[0])
        usual = _named(a, names)
        reference = [_named(chunk, names) for chunk in _chunks(a)]
        now = [_named(chunk, names) for chunk in _chunks(b)]
    else:
        edges = np.histogram_bin_edges(_numbers(a), bins="doane")
        usual = _binned(_numbers(a), edges)
        reference = [_binned(_numbers(chunk), edges) for chunk in _chunks(a)]
        now = [_binned(_numbers(chunk), edges) for chunk in _chunks(b)]
    of_reference = [jensen_shannon(usual, counts) for counts in reference]
    threshold = float(np.nanmean(of_reference) + 3 * np.nanstd(of_reference))
    distances = [jensen_shannon(usual, counts) for counts in now]
    alarms = sum(distance > threshold for distance in distances)
    top = max((distance for distance in distances if not math.isnan(distance)), default=math.nan)
    return PeerScore(
        "nannyml", "Jensen-Shannon, base 2", top, threshold, alarms > 0, alarms=alarms, chunks=len(distances)
    )


def _numbers(series: pl.Series) -> Counts:
    return finite(series)[0]


def _chunks(series: pl.Series) -> Iterator[pl.Series]:
    size = max(len(series) // _CHUNKS, 1)
    for start in range(0, len(series), size):
        yield series[start : start + size]


def _shares(a: pl.Series, b: pl.Series) -> tuple[Counts, Counts]:
    p, q = counted(a)[0], counted(b)[0]
    names = sorted({*p, *q})
    return np.array([p.get(n, 0) for n in names], float), np.array([q.get(n, 0) for n in names], float)


def _named(series: pl.Series, names: list[str]) -> Counts:
    """Counts of the reference's categories, and last of all others."""
    found, _ = counted(series)
    counts = [found.get(name, 0.0) for name in names]
    return np.array([*counts, sum(found.values()) - sum(counts)])


def _binned(values: Counts, edges: npt.NDArray[Any]) -> Counts:
    """Counts of the reference's bins, and last of what is outside."""
    counts = np.histogram(values, bins=edges)[0]
    return np.append(counts, len(values) - counts.sum()).astype(np.float64)


def _ks_p(found: cells.Cells) -> float:
    """SciPy's exact p where it takes it, as Evidently does."""
    n, m = int(found.reference.sum()), int(found.now.sum())
    if max(n, m) > 10_000:
        return kolmogorov_smirnov(found.reference, found.now).p
    from scipy.stats import ks_2samp

    x = np.repeat(found.points, found.reference.astype(np.int64))
    y = np.repeat(found.points, found.now.astype(np.int64))
    return float(ks_2samp(x, y).pvalue)


def _chi_square_exact(p: Counts, q: Counts) -> float:
    """Against shares of the reference as if they had no sampling error: 24% false alarms where 5% are said."""
    from scipy.special import chdtrc

    expected = p * q.sum() / p.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = (q - expected) ** 2 / expected
    if (expected == 0).any():
        return 0.0 if (q[expected == 0] > 0).any() else math.nan
    return float(chdtrc(len(p) - 1, parts.sum()))


def _z(p: Counts, q: Counts) -> float:
    n, m = p.sum(), q.sum()
    if len(p) < 2:
        return 1.0
    both = (n - p[0] + m - q[0]) / (n + m)
    z = (q[0] / m - p[0] / n) / math.sqrt(both * (1 - both) * (1 / n + 1 / m))
    return math.erfc(abs(z) / math.sqrt(2))
