"""Durations: a quantile is within 2% of the true one, counts are exact, merging is adding."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tidegate.stats import histogram

VALUES = np.random.default_rng(2).lognormal(8, 2, 50_000).astype(np.int64) + 1


def counted(values: np.ndarray) -> dict[int, int]:
    counts: dict[int, int] = {}
    histogram.add(counts, values)
    return counts


@pytest.mark.parametrize("q", [0.01, 0.5, 0.9, 0.99, 0.999, 1.0])
def test_quantiles_are_within_two_percent(q: float) -> None:
    true = np.quantile(VALUES, q, method="inverted_cdf")
    assert histogram.quantile(counted(VALUES), q) == pytest.approx(true, rel=0.02)


def test_the_mean_and_the_count_above() -> None:
    counts = counted(VALUES)
    assert histogram.mean(counts) == pytest.approx(VALUES.mean(), rel=0.02)
    for limit in (10, 3000, 1e6, 1e12):
        near = np.abs(np.log(VALUES / limit)) < math.log(1.04)
        true = np.count_nonzero(np.greater(VALUES, limit))
        assert abs(histogram.above(counts, limit) - true) <= near.sum()
    assert histogram.above(counts, 0) == len(VALUES)


def test_cuts_and_merging_change_nothing() -> None:
    whole, parts = counted(VALUES), {}
    for part in np.array_split(VALUES, 41):
        histogram.merge(parts, counted(part))
    assert whole == parts


def test_none_and_odd_ones() -> None:
    assert math.isnan(histogram.quantile({}, 0.5))
    assert math.isnan(histogram.mean({}))
    counts = counted(np.array([-5, 0, 1, 2**62]))
    assert sum(counts.values()) == 4
    assert histogram.quantile(counts, 1.0) == pytest.approx(2**62, rel=0.02)
