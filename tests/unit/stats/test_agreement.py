"""Agreement and the human level: published examples, and simulations with their error bars."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tidegate.stats.agreement import ac1, alpha, alpha_interval, bounds, cohen, counts, fleiss, percent
from tidegate.stats.human_level import errors, level

NA = 0
FOUR_RATERS = np.array([
    [1, 1, NA, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4], [4, 4, 4, 4], [1, 1, 2, 1],
    [2, 2, 2, 2], [NA, 5, 5, 5], [NA, NA, 1, 1], [NA, NA, 3, NA],
]) - 1  # fmt: skip
"""Gwet's and Krippendorff's example: 12 units, four observers, answers missing."""
DIAGNOSES = np.array([
    [0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0], [2, 0, 4, 0, 0], [0, 0, 4, 0, 2],
    [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6], [1, 0, 0, 5, 0], [1, 1, 0, 4, 0], [0, 3, 3, 0, 0], [1, 0, 0, 5, 0],
    [0, 2, 0, 3, 1], [0, 0, 5, 0, 1], [3, 0, 0, 1, 2], [5, 1, 0, 0, 0], [0, 2, 0, 4, 0], [1, 0, 2, 0, 3], [0, 0, 0, 0, 6],
    [0, 1, 0, 5, 0], [0, 2, 0, 1, 3], [2, 0, 0, 4, 0], [1, 0, 0, 4, 1], [0, 5, 0, 1, 0], [4, 0, 0, 0, 2], [0, 2, 0, 4, 0],
    [1, 0, 5, 0, 0], [0, 0, 0, 0, 6],
])  # fmt: skip
"""Fleiss 1971: 30 patients, six psychiatrists, five diagnoses."""


def test_published_figures() -> None:
    table = counts(FOUR_RATERS)
    assert percent(table) == pytest.approx(0.81818, abs=1e-4)
    assert ac1(table) == pytest.approx(0.77544, abs=1e-4)
    assert fleiss(table) == pytest.approx(0.76117, abs=1e-4)
    assert alpha(table) == pytest.approx(0.74342, abs=1e-4)
    assert alpha_interval(np.where(FOUR_RATERS < 0, np.nan, FOUR_RATERS + 1.0)) == pytest.approx(0.849, abs=1e-3)
    assert fleiss(DIAGNOSES) == pytest.approx(0.430, abs=1e-3)
    low, high = bounds(DIAGNOSES, fleiss)
    assert 0.30 < low < 0.38 and 0.48 < high < 0.56, "Fleiss gives a standard error of .054 by items"


def test_two_raters_by_hand() -> None:
    one, other = (
        np.array([0] * 20 + [0] * 5 + [1] * 10 + [1] * 15 + [-1]),
        np.array([0] * 20 + [1] * 5 + [0] * 10 + [1] * 15 + [0]),
    )
    assert cohen(one, other) == pytest.approx(0.4), "agreed .7, by chance .5 x .6 + .5 x .4 = .5"
    assert cohen(one, one) == 1.0 and math.isnan(cohen(one, np.full(51, -1)))


def test_nothing_to_compare() -> None:
    alone = counts(np.array([[0, -1], [-1, 1]]))
    assert math.isnan(percent(alone)) and math.isnan(alpha(alone))
    same = counts(np.zeros((5, 3), np.int64))
    assert (percent(same), fleiss(same), ac1(same), alpha(same)) == (1.0, 1.0, 1.0, 1.0)


def simulated(rng: np.random.Generator, items: int, raters: int, right: float, classes: int = 2) -> np.ndarray:
    truth = rng.integers(0, classes, items)
    wrong = (truth[:, None] + rng.integers(1, classes, (items, raters))) % classes
    return np.where(rng.random((items, raters)) < right, truth[:, None], wrong)


@pytest.mark.parametrize("raters", [3, 4, 6])
def test_a_model_that_is_one_more_rater_has_no_gap(raters: int) -> None:
    rng = np.random.default_rng(raters)
    gaps, inside = [], 0
    for _ in range(150):
        drawn = simulated(rng, 80, raters + 1, 0.8, 3)
        found = level(errors(drawn[:, :-1].tolist(), "class", drawn[:, -1].tolist()))
        gaps.append(found.gap)
        inside += found.gap_low <= 0 <= found.gap_high
    error = np.std(gaps) / math.sqrt(len(gaps))
    assert abs(np.mean(gaps)) < 3.5 * error, f"{np.mean(gaps):.4f} +- {error:.4f}"
    assert inside >= 140, "95% bounds; drawing both ways errs on the safe side"


def test_a_consensus_that_holds_the_rater_flatters_people() -> None:
    """What the leave-one-out rule is for: guessers look right three times in four against a majority of three with themselves in it."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 2, (4000, 3))
    with_self = (drawn == (drawn.sum(axis=1) >= 2)[:, None]).mean()
    assert with_self == pytest.approx(0.75, abs=0.02)
    assert 1 - level(errors(drawn.tolist(), "class")).people == pytest.approx(0.5, abs=0.02)


def test_the_level_is_known_where_the_others_are_many() -> None:
    rng = np.random.default_rng(1)
    found = level(errors(simulated(rng, 400, 15, 0.9).tolist(), "class"))
    assert found.people == pytest.approx(0.1, abs=0.01) and found.low < 0.1 < found.high
    assert (found.items, found.raters) == (400, 15) and not found.convention


def test_a_copied_convention_is_called_one() -> None:
    """70/30 by taste: two people agree 58% of the time, and who always says the commoner gets 70%."""
    rng = np.random.default_rng(2)
    drawn = (rng.random((3000, 2)) < 0.3).astype(int)
    found = level(errors(drawn.tolist(), "class", [0] * 3000))
    assert 1 - found.people == pytest.approx(0.58, abs=0.02) and 1 - found.model == pytest.approx(0.7, abs=0.02)
    assert found.convention and found.gap_high < 0


def test_numbers_texts_ties_and_gaps() -> None:
    found = errors([[1.0, 2.0, 9.0], [None, 5.0, None]], "number", [3.0, 5.0])
    assert found.people[0].tolist() == [4.5, 3.0, 7.5] and found.model is not None
    assert found.model[0].tolist() == [2.5, 2.0, 1.5] and np.isnan(found.people[1]).all()

    def words(reference: str, answer: str) -> tuple[float, float]:
        return float(len(set(reference.split()) ^ set(answer.split()))), float(len(reference.split()))

    text = errors([["a b", "a b", "a c"]], "text", distance=words)
    assert (
        text.people[0].tolist() == [0.0, 0.0, 1.0] and text.weights[0].tolist() == [2.0] * 3 and text.majority is None
    )
    assert level(errors([["x"], [None]], "class")).items == 0
    told = level(errors([["x"], ["y"], ["x"]], "class", ["x", "x", "x"], reference=["x", "y", None]))
    assert (told.items, told.people, told.model, told.gap) == (2, 0.0, 0.5, 0.5), (
        "one rater will do where the truth is known"
    )
