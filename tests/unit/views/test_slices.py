"""The worst slices: the one that was planted is found, and chance is not taken for one."""

import numpy as np

from tidegate.views.slices import worst_slices


def test_a_planted_slice_is_found_with_its_own_rate():
    random = np.random.default_rng(5)
    km, sky = random.uniform(0, 10, 4000), random.choice(["sun", "rain", "snow"], 4000)
    bad = random.random(4000) < np.where((km > 7) & (sky == "rain"), 0.6, 0.02)
    first = worst_slices({"noise": random.normal(size=4000), "km": km, "sky": sky}, bad)[0]
    assert "sky = rain" in first.text and "km" in first.text
    assert first.clear and 0.4 < first.bad / first.rows < 0.75
    assert first.low <= 0.6 <= first.high


def test_the_figures_are_of_the_half_that_did_not_choose() -> None:
    """On pure noise the chosen half shows slices twice as bad as the whole; those that are told are as bad as the whole."""
    lifts = []
    for seed in range(12):
        random = np.random.default_rng(seed)
        features = {f"f{i}": random.normal(size=1000) for i in range(40)}
        told = worst_slices(features, random.random(1000) < 0.1, min_leaf=40)
        assert not any(part.clear for part in told)
        lifts += [part.bad / part.rows / 0.1 for part in told if part.rows]
    assert 0.8 < np.mean(lifts) < 1.2


def test_a_missing_value_can_be_the_slice():
    random = np.random.default_rng(3)
    age = np.where(random.random(2000) < 0.3, np.nan, random.uniform(20, 60, 2000))
    told = worst_slices({"age": age}, np.isnan(age) & (random.random(2000) < 0.8), depth=1)
    assert told[0].text == "age is missing"
    assert told[0].clear


def test_rows_of_one_request_stay_together():
    """With copies of each row in both halves the chosen slice would look as bad as it looked when it was chosen."""
    random = np.random.default_rng(11)
    groups = np.repeat(np.arange(300), 10)
    features = {f"f{i}": np.repeat(random.normal(size=300), 10) for i in range(30)}
    bad = np.repeat(random.random(300) < 0.1, 10)
    told = worst_slices(features, bad, min_leaf=100, groups=groups)
    wrong = worst_slices(features, bad, min_leaf=100)
    assert max(p.bad / p.rows for p in told) < max(p.bad / p.rows for p in wrong)


def test_too_little_to_tell():
    assert worst_slices({"x": np.arange(50.0)}, np.zeros(50, bool)) == []
    assert worst_slices({"x": np.arange(50.0)}, np.ones(50, bool)) == []
    assert worst_slices({}, np.array([True, False])) == []
