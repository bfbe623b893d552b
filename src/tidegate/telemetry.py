"""Counters of one gateway process: what was answered, how fast, how often it went wrong.

    observe(endpoint, version, role, status, microseconds)  --ring of seconds-->  snapshot()  --run/counters-SLOT.json-->  views

Latency is counted in log-spaced buckets (bucket i covers from 10 us * 1.2**i), so that windows and workers merge by adding and a
quantile read from them is within 10% of the true one. Cost of one observation: a dictionary look-up, a logarithm, three additions.
"""

from __future__ import annotations

from math import log
from typing import Any

import msgspec

BASE_US = 10.0
GROWTH = 1.2
BUCKETS = 96  # the last begins at 10 us * 1.2**95, about 5.5 minutes
WINDOW = 10

_SCALE = 1.0 / log(GROWTH)


def bucket_of(microseconds: float) -> int:
    """The bucket that a duration falls into.

    >>> bucket_of(5), bucket_of(10), bucket_of(12.1), bucket_of(1e12)
    (0, 0, 1, 95)
    """
    if microseconds <= BASE_US:
        return 0
    index = int(log(microseconds / BASE_US) * _SCALE)
    return index if index < BUCKETS else BUCKETS - 1


def quantile(buckets: list[int], q: float) -> float:
    """The q-quantile in milliseconds (the bucket's geometric middle), 0.0 where nothing was counted.

    >>> round(quantile([0] * 20 + [100], 0.5), 2)
    0.42
    """
    total = sum(buckets)
    if total == 0:
        return 0.0
    rank = q * total
    seen = 0
    for index, count in enumerate(buckets):
        seen += count
        if seen >= rank:
            return float(BASE_US * GROWTH ** (index + 0.5) / 1000)
    return float(BASE_US * GROWTH**BUCKETS / 1000)


class SeriesSnapshot(msgspec.Struct):
    """One endpoint x version x role in the last WINDOW seconds, and its totals since the process began."""

    endpoint: str
    version: str
    role: str
    requests: int
    errors: int
    rps: float
    p50_ms: float
    p99_ms: float
    by_status: dict[str, int]
    buckets: list[int]
    total: list[int]
    """Of each bucket since the process began, and the sum of all durations in seconds: what a histogram of Prometheus is."""
    total_seconds: float


class Series:
    """The counts of one endpoint x version x role."""

    __slots__ = ("by_status", "endpoint", "past", "role", "seconds", "sum_us", "version")

    def __init__(self, endpoint: str, version: str, role: str) -> None:
        self.endpoint = endpoint
        self.version = version
        self.role = role
        self.by_status: dict[int, int] = {}
        self.seconds: dict[int, list[int]] = {}
        self.past = [0] * BUCKETS
        """What the seconds held that are no longer kept apart."""
        self.sum_us = 0.0

    def observe(self, second: int, status: int, microseconds: float) -> None:
        """Count one answer."""
        self.by_status[status] = self.by_status.get(status, 0) + 1
        buckets = self.seconds.get(second)
        if buckets is None:
            buckets = self.seconds[second] = [0] * BUCKETS
            for old in [s for s in self.seconds if s < second - WINDOW]:
                self.past = [a + b for a, b in zip(self.past, self.seconds.pop(old), strict=True)]
        buckets[bucket_of(microseconds)] += 1
        self.sum_us += microseconds

    def snapshot(self, second: int) -> SeriesSnapshot:
        """The whole seconds of the window before `second`."""
        window = [b for s, b in self.seconds.items() if second - WINDOW <= s < second]
        merged = [sum(column) for column in zip(*window, strict=True)] if window else [0] * BUCKETS
        total = [sum(column) for column in zip(self.past, *self.seconds.values(), strict=True)]
        requests = sum(self.by_status.values())
        return SeriesSnapshot(
            self.endpoint, self.version, self.role, requests,
            sum(n for status, n in self.by_status.items() if status >= 500),
            sum(merged) / WINDOW, quantile(merged, 0.5), quantile(merged, 0.99),
            {str(status): n for status, n in sorted(self.by_status.items())}, merged,
            total, self.sum_us / 1e6,
        )  # fmt: skip


class Counters:
    """All series of a process."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, str], Series] = {}

    def series(self, endpoint: str, version: str, role: str) -> Series:
        """The series of that name, made when first asked for. Callers keep it."""
        key = (endpoint, version, role)
        found = self._series.get(key)
        if found is None:
            found = self._series[key] = Series(*key)
        return found

    def snapshot(self, second: int) -> list[dict[str, Any]]:
        """All of them, JSON-ready."""
        return [msgspec.to_builtins(series.snapshot(second)) for series in self._series.values()]
