"""Under the null the expectation of E is at most 1: every path is enumerated, no simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from tests.unit.stats.paths import evidence, expectation, two_arms

from tidegate.stats import methods
from tidegate.stats.categorical import Categorical
from tidegate.stats.common import CommonRate
from tidegate.stats.floor import BelowFloor
from tidegate.stats.rate import RateRatio
from tidegate.stats.srm import SampleRatio
from tidegate.stats.starts import Starts
from tidegate.types.rollouts import Batch

BAR = 1.0 + 1e-12
SIZES = (1, 2, 3)
SHARES = (0.05, 0.3, 0.5)
W = tuple(share for size, share in zip(SIZES, SHARES, strict=True) for _ in range(size))
BASE = np.array([0.02, 0.3, 0.6, 0.1, 0.9, 0.45])
"""A base rate that jumps from unit to unit: nothing but the assignment is random in a known way."""


def law_of_rates(canary: np.ndarray, stable: np.ndarray) -> np.ndarray:
    return two_arms(np.stack([1 - canary, canary], 1), np.stack([1 - stable, stable], 1), W)


@pytest.mark.parametrize("theta0", [1.0, 1.25])
def test_all_assignments_of_twelve_bad_units(theta0: float) -> None:
    shares = (0.01, 0.05, 0.05, 0.25, 0.5, 0.5, 0.9, 0.3, 0.1, 0.01, 0.7, 0.25)
    paths = np.array(list(product((1, 0), repeat=12)))
    restarted, single = np.empty(len(paths)), np.empty(len(paths))
    for number, path in enumerate(paths.tolist()):
        processes = Starts(lambda: RateRatio(theta0)), RateRatio(theta0)
        for index, (canary, share) in enumerate(zip(path, shares, strict=True)):
            for process in processes:
                if index in (4, 9):
                    process.restart()
                process.update(Batch(0, share, (0, canary), (0, 1 - canary)))
        restarted[number], single[number] = np.exp(processes[0].log_e), np.exp(processes[1].log_e)
    w = np.array(shares)
    for true_ratio in (theta0, 0.9 * theta0, 0.3, 0.0):
        chance = w * true_ratio / (w * true_ratio + 1 - w)
        probability = np.prod(np.where(paths == 1, chance, 1 - chance), axis=1)
        for values in (restarted, single):
            assert probability @ values <= BAR
            if true_ratio == theta0:
                assert probability @ values == pytest.approx(1.0, abs=1e-12)
    beyond = w * 2 * theta0 / (w * 2 * theta0 + 1 - w)
    assert np.prod(np.where(paths == 1, beyond, 1 - beyond), axis=1) @ single > 1.05


@pytest.mark.parametrize("ratio", [1.0, 1.5])
def test_harm_of_a_rate(ratio: float) -> None:
    paths, values = evidence(lambda: methods.harm("rate", ratio=ratio), 4, SIZES, SHARES, restarts=(1, 2))
    for times in (ratio, 0.5 * ratio, 0.0):
        stable = np.minimum(BASE, 1 / ratio)
        assert expectation(paths, values, law_of_rates(times * stable, stable)) <= BAR


@pytest.mark.parametrize(("ratio", "floor"), [(1.25, 0.3), (1.0, 0.05), (2.0, 0.5)])
def test_safety_of_a_rate(ratio: float, floor: float) -> None:
    paths, values = evidence(lambda: methods.safety("rate", ratio=ratio, floor=floor), 4, SIZES, SHARES, restarts=(2,))
    stable = np.minimum(BASE, 1 / ratio)
    for canary in (np.maximum(ratio * stable, floor), np.minimum(1.0, 1.3 * np.maximum(ratio * stable, floor))):
        assert expectation(paths, values, law_of_rates(canary, stable)) <= BAR
    assert expectation(paths, values, law_of_rates(np.zeros(6), stable)) > 1.2


def test_below_a_floor_with_twelve_units() -> None:
    paths, values = evidence(lambda: BelowFloor(0.1), 2, (4, 1, 7), (0.5, 0.5, 0.5), paired=True)
    for rates in (np.full(12, 0.1), np.linspace(0.1, 0.9, 12)):
        assert expectation(paths, values, np.stack([1 - rates, rates], 1)) <= BAR


@pytest.mark.parametrize("ratio", [1.0, 1.25])
def test_pairs(ratio: float) -> None:
    harm = evidence(lambda: methods.harm("paired", ratio=ratio), 4, SIZES, SHARES, restarts=(1, 2), paired=True)
    safe = evidence(
        lambda: methods.safety("paired", ratio=ratio, floor=0.2), 4, SIZES, SHARES, restarts=(1,), paired=True
    )
    stable = np.array([0.2, 0.3, 0.5, 0.25, 0.7, 0.4])
    canary = ratio * stable
    for both_share in (0.0, 0.5, 1.0):  # how much the two versions fail on the same requests
        both = both_share * np.minimum(np.minimum(canary, stable), 1.0) + (1 - both_share) * canary * stable
        law = np.stack([1 - canary - stable + both, canary - both, stable - both, both], 1)
        assert (law >= -1e-15).all()
        assert expectation(*harm, law) == pytest.approx(1.0, abs=1e-12)
        assert expectation(*safe, law) <= BAR


# Plug-ins bet only once they have seen something: four units to learn from, one to bet on.
LEARNT = (4, 1)
LEARNT_SHARES = (0.5, 0.3)
LEARNT_W = (0.5, 0.5, 0.5, 0.5, 0.3)


@pytest.mark.parametrize(("ratio", "margin"), [(1.0, 0.0), (1.25, 0.0), (1.0, 0.1)])
def test_common_rate(ratio: float, margin: float) -> None:
    stable = np.array([0.2, 0.3, 0.5, 0.25, 0.7])
    edge = ratio * stable + margin
    harm = evidence(
        lambda: methods.harm("common-rate", ratio=ratio, margin=margin), 4, LEARNT, LEARNT_SHARES, restarts=(1,)
    )
    safe = evidence(lambda: CommonRate(ratio, margin, worse=False), 4, LEARNT, LEARNT_SHARES)
    for (paths, values), worst in ((harm, 0.7), (safe, 1.2)):
        assert values.std() > 0.001
        for canary in (edge, np.minimum(worst * edge, 1.0)):
            law = two_arms(np.stack([1 - canary, canary], 1), np.stack([1 - stable, stable], 1), LEARNT_W)
            assert expectation(paths, values, law) <= BAR


def test_categories() -> None:
    paths, values = evidence(Categorical, 4, LEARNT, LEARNT_SHARES)
    assert values.std() > 0.001
    bad = np.array([0.2, 0.4, 0.5, 0.25, 0.7])
    outcome = np.stack([1 - bad, bad], 1)
    assert expectation(paths, values, two_arms(outcome, outcome, LEARNT_W)) == pytest.approx(1.0, abs=1e-12)
    other = np.stack([1 - bad + 0.15, bad - 0.15], 1)
    paths, values = evidence(lambda: methods.safety("categorical", margin=0.15), 4, LEARNT, LEARNT_SHARES)
    assert expectation(paths, values, two_arms(other, outcome, LEARNT_W)) <= BAR
    assert expectation(paths, values, two_arms(outcome, other, LEARNT_W)) <= BAR


def test_three_categories_and_restarts() -> None:
    outcome = np.array([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4], [0.9, 0.05, 0.05]])
    paths, values = evidence(lambda: methods.harm("categorical"), 6, LEARNT, LEARNT_SHARES, restarts=(1,))
    assert expectation(paths, values, two_arms(outcome, outcome, LEARNT_W)) == pytest.approx(1.0, abs=1e-12)


def test_score() -> None:
    sizes, shares = (1, 2, 2), (0.2, 0.5, 0.3)
    w = (0.2, 0.5, 0.5, 0.3, 0.3)
    stable = np.array([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4], [0.4, 0.3, 0.3]])
    for margin in (0.0, 0.1):
        # One bin is 1/3 of the score: this moves the mean by the margin.
        worse = stable + 3 * margin * np.array([-0.5, 0.0, 0.5])
        worse = np.where(worse < 0, stable, worse)
        means = np.array([1, 3, 5]) / 6
        at_most = np.where(((worse - stable) @ means <= margin + 1e-12)[:, None], worse, stable)
        harm = evidence(lambda margin=margin: methods.harm("score", margin=margin), 6, sizes, shares, restarts=(1,))
        assert expectation(*harm, two_arms(at_most, stable, w)) <= BAR
        safe = evidence(lambda margin=margin: methods.safety("score", margin=margin), 6, sizes, shares)
        sure = np.array([[0.0, 0.2, 0.8]] * 5)
        good = np.array([[0.4, 0.3, 0.3]] * 5)
        assert (sure - good)[0] @ means >= margin
        assert expectation(*safe, two_arms(sure, good, w)) <= BAR


def test_sample_ratio_both_directions_and_changing_shares() -> None:
    paths, values = evidence(SampleRatio, 2, (2, 2, 2, 2), (0.05, 0.5, 0.1, 0.05), restarts=(1, 3))
    w = np.repeat((0.05, 0.5, 0.1, 0.05), 2)
    assert expectation(paths, values, np.stack([w, 1 - w], 1)) == pytest.approx(1.0, abs=1e-12)
