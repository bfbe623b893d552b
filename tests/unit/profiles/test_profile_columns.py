"""Columns of profiles: merged in any order they say what a recomputation says, to the sketches' stated error."""

from __future__ import annotations

import math
from functools import reduce

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.profiles.column import Column
from tidegate.profiles.profile import Profile, decode

RNG = np.random.default_rng(3)
VALUES = np.concatenate([RNG.lognormal(0, 1, 30_000), [np.nan] * 700, [np.inf, -np.inf]])
RNG.shuffle(VALUES)
POINTS = np.quantile(VALUES[np.isfinite(VALUES)], [0.05, 0.25, 0.5, 0.75, 0.95])


def numbers(values: np.ndarray) -> Column:
    column = Column("number", "input")
    column.add_numbers(values)
    return column


def merged(*columns: Column) -> Column:
    """A fresh column of all, in this order; nothing of what is given is changed."""
    out = Column(columns[0].kind, columns[0].side)
    for column in columns:
        out.merge(column.pack().unpack())
    return out


def test_merged_minutes_equal_a_recomputation() -> None:
    parts = [numbers(part) for part in np.array_split(VALUES, 60)]
    whole, finite = numbers(VALUES), VALUES[np.isfinite(VALUES)]
    for column in (whole, merged(*parts), merged(*parts[::-1])):
        assert (column.rows, column.missing, column.infinite, column.present) == (30_702, 700, 2, 30_000)
        assert (column.low, column.high) == (finite.min(), finite.max())
        assert column.mean == pytest.approx(finite.mean(), rel=1e-9)
        assert column.std == pytest.approx(finite.std(ddof=1), rel=1e-9)
        assert column.cdf(POINTS) == pytest.approx([0.05, 0.25, 0.5, 0.75, 0.95], abs=0.02)
        for q in (0.05, 0.5, 0.95):
            assert (finite <= column.quantile(q)).mean() == pytest.approx(q, abs=0.02)
        assert column.distinct == pytest.approx(30_000, rel=0.27)  # three standard errors


@given(cuts=st.lists(st.integers(0, 400), min_size=2, max_size=2), seed=st.integers(0, 20))
@settings(max_examples=30, deadline=None)
def test_merging_is_associative_and_commutative(cuts: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).normal(1e6, 1e-3, 400)
    a, b, c = (numbers(part) for part in np.split(values, sorted(cuts)))
    ways = merged(merged(a, b), c), merged(a, merged(b, c)), merged(c, b, a)
    for one in ways:
        assert (one.rows, one.present, one.low, one.high) == (400, 400, values.min(), values.max())
        assert one.mean == pytest.approx(values.mean(), rel=1e-12)
        assert one.std == pytest.approx(values.std(ddof=1), rel=1e-6)
        assert one.distinct == ways[0].distinct
        assert abs(float(one.cdf(np.array([1e6]))[0]) - (values <= 1e6).mean()) <= 0.04


def test_ten_thousand_categories() -> None:
    """What is frequent is counted to within a 350th of all; what there is in all is within 27% (three standard errors)."""
    shares = 1 / np.arange(1, 10_001)
    words = RNG.choice(10_000, 50_000, p=shares / shares.sum())
    parts = []
    for part in np.array_split(words, 20):
        column = Column("category", "input")
        found, counts = np.unique(part, return_counts=True)
        column.add_items({f"w{word}": int(count) for word, count in zip(found, counts, strict=True)}, missing=5)
        parts.append(column)
    true = np.bincount(words, minlength=10_000)
    for column in (merged(*parts), merged(*parts[::-1])):
        assert (column.rows, column.missing, column.present) == (50_100, 100, 50_000)
        found = column.items()
        for word in np.argsort(-true)[:20].tolist():
            assert abs(found[f"w{word}"] - true[word]) <= 50_000 / 350
        assert column.distinct == pytest.approx(np.count_nonzero(true), rel=0.27)
        assert len(column.items(7)) == 7
        assert list(found.values()) == sorted(found.values(), reverse=True)


def test_few_categories_are_exact() -> None:
    parts = [Column("category", "output") for _ in range(3)]
    for number, column in enumerate(parts):
        column.add_items({"a": 5 + number, "\u00e9\u4e16": 1, "x" * 500: 2})
    column = merged(*parts)
    assert column.items() == {"a": 18, "x" * 200: 6, "\u00e9\u4e16": 3}
    assert column.distinct == 3


@pytest.mark.parametrize(
    "values",
    [[], [math.nan] * 9, [math.inf, -math.inf], [1e308, -1e308, 1e308], [5e-324, 0.0, -0.0], [7.0] * 100],
)
def test_odd_values_are_counted_and_travel(values: list[float]) -> None:
    column = numbers(np.array(values, float))
    column.merge(numbers(np.array(values, float)))
    back = column.pack().unpack()
    for one in (column, back):
        assert one.rows == 2 * len(values)
        assert one.missing == 2 * sum(math.isnan(v) for v in values)
        assert one.infinite == 2 * sum(math.isinf(v) for v in values)
        assert one.present == 2 * sum(map(math.isfinite, values))
        assert len(one.cdf(np.array([0.0, 1.0]))) == 2
        assert math.isnan(one.quantile(0.5)) == (one.present == 0)
    assert back.cdf(np.array([-1.0, 0.0, 8.0])).tolist() == column.cdf(np.array([-1.0, 0.0, 8.0])).tolist()


def test_moments_that_overflow_poison_nothing_that_follows() -> None:
    column = numbers(np.array([1e308, -1e308, 1.0]))
    assert column.present == 3
    assert not math.isnan(column.std)
    column = merged(column, numbers(np.arange(10.0)))
    assert column.present == 13
    assert (column.low, column.high) == (-1e308, 1e308)
    assert not math.isnan(column.mean)
    assert not math.isnan(column.std)


def test_a_type_that_changed_adds_rows_and_says_so() -> None:
    number, text = numbers(np.array([1.0, math.nan])), Column("category", "input")
    text.add_items({"a": 3}, missing=1)
    for first, second, fresh in ((number, text, 3), (text, number, 1)):
        column = merged(first, second)
        assert (column.rows, column.missing, column.fresh) == (6, 2, fresh)
        assert column.kind == first.kind


def test_profiles_merge_and_travel() -> None:
    def profile(n: int) -> Profile:
        return Profile(
            60.0 * n, 60.0, n, 2 * n, {200: n, 503: 1}, {"overload": 1}, 1, 2, {5: n}, {1: n}, {2: n}, {n: 1},
            {"x": numbers(VALUES[: 100 * n]), f"only{n}": numbers(np.array([float(n)]))},
        )  # fmt: skip

    a, b, c = profile(1), profile(2), profile(3)

    def joined(*parts: Profile) -> Profile:
        out = Profile()
        reduce(lambda total, part: total.merge(decode(part.encode())) or total, parts, out)
        return out

    for one in (joined(a, b, c), joined(c, joined(b, a))):
        assert (one.requests, one.rows, one.answered, one.failed, one.null, one.fallbacks) == (6, 12, 6, 3, 3, 6)
        assert (one.status, one.errors) == ({200: 6, 503: 3}, {"overload": 3})
        assert (one.latency, one.queue, one.infer, one.batch) == ({5: 6}, {1: 6}, {2: 6}, {1: 1, 2: 1, 3: 1})
        assert set(one.columns) == {"x", "only1", "only2", "only3"}
        assert one.columns["x"].rows == 600
    assert a.columns["x"].rows == 100  # merging into another changed nothing of it
    with pytest.raises(msgspec.MsgspecError):
        decode(b"none")
