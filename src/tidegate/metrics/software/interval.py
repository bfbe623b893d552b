"""Shares and quantiles of a profile with their 95% intervals.

Wilson 1927 for shares. For a quantile q of n values the order statistics of rank n q +- 1.96 sqrt(n q (1 - q)) (binomial;
David & Nagaraja, Order Statistics, 7.1), read from the same histogram: within its 2% as well.
"""

from __future__ import annotations

import math

from tidegate.stats import histogram
from tidegate.types.monitoring import Value

Z = 1.959964


def share(count: int, total: int) -> Value | None:
    """count / total; None of nothing.

    >>> share(0, 100).high < 0.04, share(5, 0)
    (True, None)
    """
    if total <= 0:
        return None
    p = count / total
    middle = (p + Z * Z / (2 * total)) / (1 + Z * Z / total)
    half = Z * math.sqrt(p * (1 - p) / total + Z * Z / (4 * total * total)) / (1 + Z * Z / total)
    return Value(p, total, max(0.0, middle - half) if count else 0.0, min(1.0, middle + half) if count < total else 1.0)


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
