"""Shapley values: what they must be by their axioms, and by the definition as an average over orders."""

from itertools import permutations

import numpy as np
import pytest

from tidegate.stats.shapley import shapley


@pytest.mark.parametrize("parts", [1, 2, 3, 4])
def test_they_are_the_mean_over_all_orders_and_sum_to_the_change(parts: int) -> None:
    values = np.random.default_rng(parts).normal(size=1 << parts)
    by_order = []
    for order in permutations(range(parts)):
        added, mix = np.zeros(parts), 0
        for part in order:
            added[part] = values[mix | 1 << part] - values[mix]
            mix |= 1 << part
        by_order.append(added)
    found = shapley(values)
    assert found == pytest.approx(np.mean(by_order, axis=0)), "the definition"
    assert found.sum() == pytest.approx(values[-1] - values[0]), "efficiency"


def test_parts_alike_get_the_same_and_one_that_does_nothing_gets_nothing() -> None:
    sizes = np.array([mix.bit_count() ** 2 for mix in range(8)])
    assert shapley(sizes) == pytest.approx([3.0, 3.0, 3.0]), "symmetry"
    without_the_second = np.array([10.0, 4.0, 10.0, 4.0, 3.0, 8.0, 3.0, 8.0])
    assert shapley(without_the_second)[1] == 0.0, "null player"


def test_many_draws_at_once_and_a_mix_that_is_missing() -> None:
    values = np.random.default_rng(0).normal(size=(4, 7))
    assert shapley(values)[:, 3] == pytest.approx(shapley(values[:, 3])) and shapley(values).shape == (2, 7)
    with pytest.raises(ValueError, match="3 values are not those of every mix"):
        shapley([1.0, 2.0, 3.0])
