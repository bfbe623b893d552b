"""Shares and quantiles of a profile with their 95% intervals.

Wilson 1927 for shares. For a quantile q of n values the order statistics of rank n q +- 1.96 sqrt(n q (1 - q)) (binomial;
David & Nagaraja, Order Statistics, 7.1), read from the same histogram: within its 2% as well.
"""

from __future__ import annotations

import math

from tidegate.stats import histogram
from tidegate.stats.intervals import Z, wilson
from tidegate.types.monitoring import Value


def share(count: int, total: int) -> Value | None:
    """count / total; None of nothing.

    >>> share(0, 100).high < 0.04, share(5, 0)
    (True, None)
    """
    return Value(count / total, total, *wilson(count, total)) if total > 0 else None


def quantile(counts: dict[int, int], q: float) -> Value | None:
    """The q-quantile in seconds of a histogram in microseconds; None without counts."""
    total = sum(counts.values())
    if not total:
        return None
    spread = Z * math.sqrt(q * (1 - q) / total)
    low, high = max(0.0, q - spread), min(1.0, q + spread)
    return Value(
        histogram.quantile(counts, q) / 1e6, total, histogram.quantile(counts, low) / 1e6,
        histogram.quantile(counts, high) / 1e6,
    )  # fmt: skip
