"""Latency counted in buckets: quantiles within 10% of the true ones, and windows that merge by adding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.telemetry import BASE_US, BUCKETS, GROWTH, WINDOW, Counters, bucket_of, quantile

DURATIONS = st.lists(st.floats(BASE_US, 1e8), min_size=1, max_size=300)


def counted(durations: list[float]) -> list[int]:
    buckets = [0] * BUCKETS
    for duration in durations:
        buckets[bucket_of(duration)] += 1
    return buckets


@given(DURATIONS, st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_quantiles_are_within_a_tenth(durations: list[float], q: float) -> None:
    true = float(np.quantile(durations, q, method="inverted_cdf")) / 1000
    assert quantile(counted(durations), q) == pytest.approx(true, rel=0.1)


@given(DURATIONS, DURATIONS)
def test_workers_merge_by_adding(one: list[float], other: list[float]) -> None:
    merged = [a + b for a, b in zip(counted(one), counted(other), strict=True)]
    assert merged == counted(one + other)


@given(st.floats(0, 1e15))
def test_every_duration_has_a_bucket_that_holds_it(duration: float) -> None:
    bucket = bucket_of(duration)
    assert 0 <= bucket < BUCKETS
    if BASE_US < duration < BASE_US * GROWTH ** (BUCKETS - 1):
        low = BASE_US * GROWTH**bucket
        assert low * 0.999 <= duration <= low * GROWTH * 1.001


def test_nothing_counted_is_zero() -> None:
    assert quantile([0] * BUCKETS, 0.5) == 0.0


def test_the_window_forgets_and_the_totals_do_not() -> None:
    counters = Counters()
    series = counters.series("loan", "1", "stable")
    assert counters.series("loan", "1", "stable") is series
    for second in range(100, 130):
        for status in (200, 200, 503):
            series.observe(second, status, 1000.0)
    (now,) = counters.snapshot(130)
    assert now["requests"] == 90 and now["errors"] == 30 and now["by_status"] == {"200": 60, "503": 30}
    assert now["rps"] == pytest.approx(3.0) and sum(now["buckets"]) == 3 * WINDOW
    assert now["p50_ms"] == pytest.approx(1.0, rel=0.1)
    (later,) = counters.snapshot(200)
    assert later["rps"] == 0 and later["p99_ms"] == 0 and later["requests"] == 90
    assert len(series.seconds) <= WINDOW + 2, "memory stays bounded"


def test_the_histogram_is_of_the_whole_life() -> None:
    counters = Counters()
    series = counters.series("loan", "1", "stable")
    for second in range(100, 160):
        series.observe(second, 200, 2000.0)
        series.observe(second, 200, 500_000.0)
    (now,) = counters.snapshot(161)
    assert sum(now["total"]) == 120 and now["total"][bucket_of(2000.0)] == 60
    assert now["total_seconds"] == pytest.approx(60 * 0.502)
    assert sum(counters.snapshot(900)[0]["total"]) == 120
