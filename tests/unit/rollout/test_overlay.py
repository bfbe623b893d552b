"""Arms always sum to 100, the canary's first; what is no longer moving leaves the file's split alone."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.rollout.overlay import arms, overlay
from tidegate.types.rollouts import RolloutPlan, RolloutState, StepSpec
from tidegate.types.traffic import Arm, EndpointRoute

PLAN = RolloutPlan("canary", (StepSpec("setWeight", weight=5.0), StepSpec("pause", until_promoted=True)), ())
STATE = RolloutState(7, "e", "m", "1", "2", "", PLAN, "Progressing", step=1, weight=5.0)
ROUTE = EndpointRoute("e", "m", [Arm("1", 100.0)])


@given(st.floats(0, 100), st.booleans(), st.integers(0, 2))
def test_weights_sum_to_100_and_none_is_negative(weight: float, baseline: bool, step: int) -> None:
    plan = msgspec.structs.replace(PLAN, baseline=baseline)
    found = arms(msgspec.structs.replace(STATE, weight=weight, plan=plan, step=step))
    assert sum(arm.weight for arm in found) == pytest.approx(100.0)
    assert all(arm.weight > 0 for arm in found)
    assert [arm.version for arm in found if arm.role == "canary"] == (["2"] if weight > 0 else [])


def test_the_baseline_is_as_large_as_the_canary_and_ends_the_line() -> None:
    found = arms(STATE)
    assert [(arm.role, arm.weight) for arm in found] == [("canary", 5.0), ("stable", 90.0), ("baseline", 5.0)]
    found = arms(msgspec.structs.replace(STATE, weight=60.0))
    assert [(arm.role, arm.weight) for arm in found] == [("canary", 60.0), ("stable", 40.0)]


def test_the_assignment_names_rollout_step_and_weight_and_a_retry_keeps_the_salt() -> None:
    found = overlay(ROUTE, STATE)
    assert (found.assignment, found.salt, found.preview) == ("7.1@5", "r7", "2")
    assert overlay(ROUTE, msgspec.structs.replace(STATE, attempt=2)).salt == "r7"


def test_a_rollout_that_went_back_leaves_the_split_of_the_file() -> None:
    assert overlay(ROUTE, msgspec.structs.replace(STATE, phase="Degraded")) == ROUTE


def test_a_model_beside_a_person_answers_all_as_a_shadow() -> None:
    plan = msgspec.structs.replace(PLAN, human=True)
    found = overlay(ROUTE, msgspec.structs.replace(STATE, plan=plan, weight=0.0))
    assert found.human
    assert found.arms == [Arm("2", 100.0, "canary")]
