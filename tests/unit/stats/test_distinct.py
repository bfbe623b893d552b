"""How many different values: within the stated error, however the values are cut, merged and ordered."""

from __future__ import annotations

import numpy as np
import pytest

from tidegate.stats import distinct


@pytest.mark.parametrize("true", [0, 1, 50, 127])
def test_few_are_counted_exactly(true: int) -> None:
    values = np.repeat(np.arange(float(true)), 3)
    assert distinct.estimate(distinct.add(distinct.EMPTY, distinct.hash_numbers(values))) == true


@pytest.mark.parametrize("true", [128, 1000, 100_000])
def test_many_within_the_stated_error(true: int) -> None:
    errors = []
    for start in range(60):
        kept = distinct.add(distinct.EMPTY, distinct.hash_numbers(np.arange(true) + start * 1e6))
        errors.append(distinct.estimate(kept) / true - 1)
    stated = 1 / np.sqrt(distinct.K - 2)
    assert np.sqrt(np.mean(np.square(errors))) <= 1.25 * stated
    assert abs(np.mean(errors)) <= 4 * stated / np.sqrt(60)


def test_cuts_order_and_merging_change_nothing() -> None:
    hashes = distinct.hash_numbers(np.random.default_rng(1).integers(0, 5000, 20_000).astype(float))
    whole = distinct.add(distinct.EMPTY, hashes)
    kept = distinct.EMPTY
    for part in np.array_split(hashes[::-1], 37):
        kept = distinct.add(kept, part)
    left, right = (distinct.add(distinct.EMPTY, half) for half in (hashes[:9000], hashes[9000:]))
    for other in (kept, distinct.add(left, right), distinct.add(right, left)):
        assert np.array_equal(whole, other)


def test_texts_and_odd_numbers() -> None:
    assert np.array_equal(distinct.hash_texts(["a", "\ud800", ""]), distinct.hash_texts(["a", "\ud800", ""]))
    assert len(set(distinct.hash_texts([str(i) for i in range(10_000)]).tolist())) == 10_000
    assert len(np.unique(distinct.hash_numbers(np.array([0.0, -0.0, 1e308, 5e-324])))) == 3
