"""Points are spread evenly, arms keep their units as they grow, and rollouts are strangers to each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare, pearsonr

from tidegate.routing.assign import arm_at, exactly, lay, point
from tidegate.types.traffic import Arm

UNITS = [f"user-{number}" for number in range(20_000)]


def test_points_are_spread_evenly() -> None:
    points = np.array([point(unit, "r1") for unit in UNITS])
    assert points.min() >= 0 and points.max() < 100
    counts, _ = np.histogram(points, bins=100, range=(0, 100))
    assert chisquare(counts).pvalue > 1e-4


def test_another_salt_is_another_draw() -> None:
    first, second = (np.array([point(unit, salt) for unit in UNITS]) for salt in ("r1", "r2"))
    assert abs(pearsonr(first, second).statistic) < 0.03


def test_a_point_is_the_same_for_ever() -> None:
    """Other workers, other releases: a change here would move every user of every running rollout."""
    assert point("ann", "r1") == pytest.approx(69.70723687420349, abs=1e-9)


def chosen(unit: str, canary: float, baseline: float = 0.0) -> str:
    arms = [Arm("1", 100 - canary - baseline, "stable"), Arm("2", canary, "canary"), Arm("1", baseline, "baseline")]
    ordered, bounds = lay(arms)
    return ordered[arm_at(bounds, point(unit, "r1"))].role


def test_who_is_in_the_canary_stays_there_as_it_grows() -> None:
    before: set[str] = set()
    for weight in (1.0, 5.0, 25.0, 50.0, 100.0):
        now = {unit for unit in UNITS[:4000] if chosen(unit, weight) == "canary"}
        assert before <= now
        before = now
    assert len(before) == 4000


def test_who_is_in_the_baseline_stays_there_and_is_never_in_the_canary() -> None:
    small = {unit for unit in UNITS[:4000] if chosen(unit, 5, 5) == "baseline"}
    large = {unit for unit in UNITS[:4000] if chosen(unit, 50, 50) == "baseline"}
    assert small and small <= large
    assert not any(chosen(unit, 50) == "canary" for unit in small)


def test_arms_without_weight_get_nothing_and_the_last_ends_at_a_hundred() -> None:
    ordered, bounds = lay([Arm("1", 33.3, "stable"), Arm("2", 33.3, "stable"), Arm("3", 33.4, "stable"), Arm("4", 0.0)])
    assert [arm.version for arm in ordered] == ["1", "2", "3"] and bounds[-1] == 100.0
    assert arm_at(bounds, 99.9999999999) == 2
    assert lay([]) == ([], [])


@pytest.mark.parametrize("weight", [25.0, 100 / 3, 0.1, 66.66667, 99.99999999999999])
def test_a_weight_as_text_reads_back(weight: float) -> None:
    assert float(exactly(weight)) == weight
