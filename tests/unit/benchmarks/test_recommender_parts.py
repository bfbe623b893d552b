"""The recommenders that are measured: closed forms against the slow way, and those of whom nothing is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from benchmarks.recommender.models import RIDGE, TOP, ease, item_knn
from benchmarks.recommender.run import HELD_OUT, fit, slates, split

SEEN = (np.random.default_rng(4).random((60, 12)) < 0.4).astype(float)


def test_ease_is_the_ridge_regression_of_each_item_on_the_others() -> None:
    weights = ease(SEEN)
    for item in range(SEEN.shape[1]):
        others = np.delete(np.arange(SEEN.shape[1]), item)
        x = SEEN[:, others]
        expected = np.linalg.solve(x.T @ x + RIDGE * np.eye(len(others)), x.T @ SEEN[:, item])
        np.testing.assert_allclose(weights[others, item], expected, rtol=1e-9)
        assert weights[item, item] == 0.0


def test_neighbours_are_those_with_the_same_users() -> None:
    weights = item_knn(SEEN)
    a, b = SEEN[:, 0], SEEN[:, 1]
    assert weights[0, 1] == pytest.approx(a @ b / np.sqrt((a @ a) * (b @ b))) and not np.diag(weights).any()


def test_ten_of_each_user_are_held_out_the_last_ones_or_any() -> None:
    rated = pl.DataFrame({"user": [2, 1] * 15, "item": list(range(30)), "stars": [3] * 30, "time": list(range(30))})
    seen, held = split(rated, None)
    assert seen[0] == ["1", "3", "5", "7", "9"] and held[0] == [str(item) for item in range(11, 30, 2)]
    other, drawn = split(rated, 1)
    assert set(other[1]) | set(drawn[1]) == {str(item) for item in range(0, 30, 2)} and len(drawn[1]) == HELD_OUT
    assert drawn != held and split(rated, 1) == (other, drawn)


def test_who_has_seen_nothing_gets_what_is_popular_and_nobody_what_they_have_seen(tmp_path: Path) -> None:
    items = [str(item) for item in range(12)]
    people = [[items[at] for at in np.flatnonzero(row)] for row in SEEN]
    files = fit(people, items, tmp_path)
    popular = [str(at) for at in np.argsort(-SEEN.sum(axis=0), kind="stable")[:TOP]]
    assert slates(files["EASE"], [[], ["no-such"]]) == [popular, popular]
    (given,) = slates(files["item-kNN"], [["3", "7"]])
    assert not {"3", "7"} & set(given)
