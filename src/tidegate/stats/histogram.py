"""Durations in log-spaced buckets: sparse, exact counts, merged by adding.

    bucket i covers [1.04**i, 1.04**(i+1)) microseconds: a quantile read from it is within 2% of the true one

A rank sketch (KLL) is the wrong tool for latency: its rank error of a percent is the whole of what a p99 is about.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

GROWTH = 1.04
_LOG = math.log(GROWTH)


def add(counts: dict[int, int], microseconds: npt.NDArray[np.int64]) -> None:
    """Count values (microseconds, below 1 as 1).

    >>> counts = {}
    >>> add(counts, np.array([1000, 1000, 2_000_000]))
    >>> sorted(counts.values()), round(quantile(counts, 0.5) / 1000, 1)
    ([1, 2], 1.0)
    """
    if len(microseconds) == 0:
        return
    buckets, found = np.unique(
        np.floor(np.log(np.maximum(microseconds, 1)) / _LOG + 1e-9).astype(np.int64), return_counts=True
    )
    for bucket, count in zip(buckets.tolist(), found.tolist(), strict=True):
        counts[bucket] = counts.get(bucket, 0) + count


def merge(into: dict[int, int], other: dict[int, int]) -> None:
    """Add another histogram's counts."""
    for bucket, count in other.items():
        into[bucket] = into.get(bucket, 0) + count


def quantile(counts: dict[int, int], q: float) -> float:
    """The q-quantile in microseconds (the bucket's geometric middle); nan without counts."""
    total = sum(counts.values())
    if total == 0:
        return math.nan
    rank = max(1, math.ceil(q * total))
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= rank:
            return float(GROWTH ** (bucket + 0.5))
    return math.nan


def above(counts: dict[int, int], microseconds: float) -> float:
    """How many values were above a limit; the limit's own bucket counts in part."""
    if microseconds <= 0:
        return float(sum(counts.values()))
    place = math.log(microseconds) / _LOG
    edge = math.floor(place)
    inside = counts.get(edge, 0) * (edge + 1 - place)
    return sum(count for bucket, count in counts.items() if bucket > edge) + inside


def mean(counts: dict[int, int]) -> float:
    """The mean in microseconds, within 2%; nan without counts."""
    total = sum(counts.values())
    return sum(GROWTH ** (bucket + 0.5) * count for bucket, count in counts.items()) / total if total else math.nan
