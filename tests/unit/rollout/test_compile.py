"""A strategy becomes steps and metrics; all traffic is reached only through proof; what is wrong is named."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.errors import ConfigError
from tidegate.rollout.compile import compile_plan
from tidegate.rollout.options import RolloutOptions, StrategyOptions
from tidegate.types.rollouts import RolloutPlan


def plan(strategy: dict[str, Any] | None = None, analysis: dict[str, Any] | None = None, **more: Any) -> RolloutPlan:
    return compile_plan(
        StrategyOptions.model_validate(strategy or {}), RolloutOptions.model_validate(analysis or {}), **more
    )


def words(found: RolloutPlan) -> list[str]:
    def one(step: Any) -> str:
        number = {"setWeight": step.weight, "setMirrorRoute": step.percentage}.get(step.kind, "")
        return f"{step.kind}{number and f' {number:g}'}{' proof' if step.proof else ''}"

    return [one(step) for step in found.steps]


def test_the_default_is_a_shadow_then_5_25_50_and_proof_before_all() -> None:
    assert words(plan()) == [
        "setMirrorRoute 100", "analysis", "setWeight 5", "pause", "setWeight 25", "pause", "setWeight 50",
        "analysis proof", "setWeight 100",
    ]  # fmt: skip


def test_the_guardrails_share_alpha_by_weight() -> None:
    found = plan(analysis={"templates": {"guardrails": {"metrics": [
        {"name": "error", "alphaWeight": 3}, {"name": "latency"}, {"name": "output"}]}}},
        strategy={"canary": {"steps": [{"setWeight": 10}]}})  # fmt: skip
    alphas = {spec.name: spec.alpha for spec in found.metrics if spec.guardrail}
    assert alphas == pytest.approx({"error": 0.0075, "latency": 0.0025})
    assert sum(spec.alpha for spec in plan().metrics if spec.guardrail) == pytest.approx(0.01)


def test_each_slice_is_a_guardrail_of_its_own() -> None:
    sliced = {"name": "wrong", "slices": {"condition": ["car noise", "clear"], "lang": ["de"]}}
    found = plan(
        {"canary": {"steps": [{"setWeight": 10}]}},
        {"templates": {"guardrails": {"metrics": [{"name": "error"}, sliced]}}},
    )
    specs = {spec.name: spec for spec in found.metrics}
    assert list(specs) == ["error", "wrong", "wrong[condition=car noise]", "wrong[condition=clear]", "wrong[lang=de]"]
    assert specs["wrong[lang=de]"].part == {"lang": "de"} and specs["wrong"].part == {}
    assert sum(spec.alpha for spec in specs.values()) == pytest.approx(0.01), "one error bound for all of them together"
    with pytest.raises(ConfigError, match="leave slices out"):
        plan(
            {"canary": {"steps": [{"setWeight": 10}]}},
            {"templates": {"guardrails": {"metrics": [{"name": "error", "slices": {"a": ["b"]}}]}}},
        )


def test_labels_bring_the_wrong_rate() -> None:
    assert "wrong" not in {spec.name for spec in plan().metrics}
    assert "wrong" in {spec.name for spec in plan(labels=True).metrics}


@pytest.mark.parametrize("last", [[], [{"setWeight": 100}], [{"pause": {}}, {"setWeight": 100}]])
def test_all_traffic_demands_proof_even_where_the_steps_have_none(last: list[Any]) -> None:
    found = words(plan({"canary": {"steps": [{"setWeight": 10}, {"pause": {"minUnits": 5}}, *last]}}))
    assert found[-2:] == ["analysis proof", "setWeight 100"]


def test_the_last_analysis_is_the_proof_and_one_that_declines_gets_another_after_it() -> None:
    steps: list[Any] = [{"setWeight": 10}, {"analysis": {}}, {"setWeight": 100}]
    assert words(plan({"canary": {"steps": steps}})) == ["setWeight 10", "analysis proof", "setWeight 100"]
    steps[1] = {"analysis": {"proof": False}}
    assert words(plan({"canary": {"steps": steps}})) == ["setWeight 10", "analysis", "analysis proof", "setWeight 100"]


def test_a_holdback_stays() -> None:
    found = plan({"canary": {"steps": [{"setWeight": 10}], "holdback": 2}})
    assert found.steps[-1].weight == 98


def test_blue_green_waits_for_a_person_unless_told_otherwise() -> None:
    found = plan({"blueGreen": {}})
    assert words(found) == ["setMirrorRoute 100", "analysis", "pause", "setWeight 100"]
    assert found.steps[2].until_promoted
    assert words(plan({"blueGreen": {"autoPromotion": True}})) == [
        "setMirrorRoute 100", "analysis proof", "setWeight 100"
    ]  # fmt: skip


def test_a_shadow_and_an_experiment_end_with_a_person() -> None:
    for strategy in ({"shadow": {}}, {"experiment": {}}, {"shadow": {"decisions": "human"}}):
        assert plan(strategy).steps[-1].until_promoted
    assert plan({"shadow": {"decisions": "human"}}).human
    limit = next(s for s in plan({"shadow": {"maxDisagreement": 0.1}}).metrics if s.measure == "disagreement")
    assert limit.max == 0.1


def test_an_absolute_limit_is_of_a_rate() -> None:
    own = {
        "templates": {
            "slo": {"metrics": [{"name": "error", "max": 0.01}, {"name": "latency", "threshold": "300ms", "max": 0.05}]}
        }
    }
    strategy = {"canary": {"templates": ["slo"], "steps": [{"setWeight": 10}]}}
    metrics = plan(strategy, own).metrics
    assert {spec.name: spec.max for spec in metrics if spec.max} == {"error": 0.01, "latency": 0.05}
    own = {"templates": {"slo": {"metrics": [{"name": "score", "max": 0.01}]}}}
    with pytest.raises(ConfigError, match=r"templates.slo.metrics.score.max: only a rate"):
        plan(strategy, own)


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([{"setWeight": 50}, {"setWeight": 25}], r"steps\[1\].setWeight: 25 comes after 50"),
        ([{"analysis": {}}, {"setWeight": 5}], r"steps\[0\].analysis: there is nothing to compare"),
        ([{"setWeight": 100}], "without letting any in"),
        ([{"setWeight": 5}, {"analysis": {"templates": ["guardrail"]}}], "guardrail.*Known: guardrails, shadow-paired"),
    ],
)
def test_what_is_wrong_is_named(steps: list[Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        plan({"canary": {"steps": steps}})


def test_an_unknown_measure_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"guardrails.metrics: there is no measure 'eror'.*error.*Known: error, "):
        plan(analysis={"templates": {"guardrails": {"metrics": [{"name": "eror"}]}}})
