"""What the demo says of a rollout's end, and the project that the rollouts run by."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from rich.console import Console
from tests.support import incident_maker

from tidegate.config import load_project
from tidegate.demo import project
from tidegate.demo.progress import Progress
from tidegate.demo.rollouts import Chapter, Rollouts, chapters, ending
from tidegate.demo.train import Trained
from tidegate.demo.view import in_short
from tidegate.rollout.compile import compile_plan
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import MonitoringStore
from tidegate.types.rollouts import Decision, GuardrailView, Judgement, RolloutPlan, RolloutState, StepSpec
from tidegate.views.rollouts import RolloutView, Waiting

PAUSE = StepSpec("pause", min_units=10)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    def made(name: str) -> Trained:
        return Trained(tmp_path / name, tmp_path / "train.parquet", tmp_path / "labels.parquet", ["a.b.C"], 1, 0.7)

    found = project.write(tmp_path, made("severity-1.skops"), "severity")
    project.candidates(found, made("severity-2.skops"), "severity", short=False)
    return found


def test_only_waits_are_short_the_error_bounds_are_the_defaults(file: Path) -> None:
    found = load_project(file)
    assert list(found.models["severity"].versions) == ["1", "2", "3", "4"]
    assert found.endpoints["severity"].fallback == "stable"
    plan = compile_plan(found.endpoints["severity"].strategy, found.analysis, labels=True)
    assert (plan.rollback_alpha, plan.promote_alpha) == (0.01, 0.05)
    for metric in plan.metrics:
        assert (metric.rollback_ratio, metric.promote_ratio, metric.floor) == (1.0, 1.25, 0.005), metric.name
    assert {metric.name for metric in plan.metrics if metric.guardrail} >= {"error", "latency", "wrong"}
    assert [step.proof for step in plan.steps if step.kind == "analysis"] == [False, True]


def test_in_a_hurry_there_is_no_shadow(file: Path) -> None:
    project.hurry(file, "severity")
    found = load_project(file)
    plan = compile_plan(found.endpoints["severity"].strategy, found.analysis)
    assert plan.steps[0].kind == "setWeight" and plan.steps[0].weight == 5
    assert not any(step.kind == "setMirrorRoute" for step in plan.steps)


def view(phase: str, harm: float) -> RolloutView:
    weights = [StepSpec("setWeight", weight=weight) for weight in (5.0, 25.0)]
    plan = RolloutPlan(strategy="canary", steps=(weights[0], PAUSE, weights[1], PAUSE), metrics=())
    state = RolloutState(
        id=2, endpoint="severity", model="severity", stable="2", canary="3", digest="d", plan=plan,
        phase=phase, reason="alarm", message="wrong is worse",  # type: ignore[arg-type]
    )  # fmt: skip
    metric = GuardrailView("wrong", True, harm, 5.7, 0.0, 3.0, 40, 22, 800, 160)
    judged = Judgement("Failed", "alarm", "wrong is worse", (metric,))
    decision = Decision(2, 1, 0.0, "controller", "alarm", "Progressing", state.phase, 3, 3, judgement=judged)
    return RolloutView(0.0, state, [], judged, Waiting(""), 0, 0.0, [decision], [], [], {})


def test_an_ending_names_the_metric_that_decided() -> None:
    chapter = next(each for each in chapters("severity") if each.version == "3")
    found = ending(chapter, view("Degraded", 6.0), 12.34)
    assert found.right and (found.metric, found.canary_bad, found.canary_units) == ("wrong", 22, 40)
    assert (found.seconds, found.weight) == (12.3, 25.0)
    assert not ending(chapter, view("Healthy", 0.0), 1.0).right
    assert ending(chapter, view("Healthy", 0.0), 1.0).metric == ""


def test_one_that_never_began_is_not_right() -> None:
    found = ending(Chapter("2", "", "Healthy"), None, 75.0)
    assert not found.right and msgspec.to_builtins(found)["message"] == "it never began"


def test_drift_that_holds_a_rollout_up_is_taken_on_once(file: Path) -> None:
    layout = Layout(file.parent / ".tidegate")
    incident_maker.keep(layout)
    said: list[str] = []
    system = SimpleNamespace(layout=layout, project=file)
    plays = Rollouts(system, "loan", said.append, said.append, Progress(years=[], speed=1.0), in_short, in_short)  # type: ignore[arg-type]
    assert asyncio.run(plays._take_on())
    with closing(MonitoringStore(layout)) as store:
        assert store.incident(1).state == "acknowledged"  # type: ignore[union-attr]
    assert any("$ tidegate alarms ack 1" in str(line) for line in said)
    assert not asyncio.run(plays._take_on())


def test_a_line_says_where_it_stands() -> None:
    console = Console(record=True, width=120)
    console.print(in_short(view("Degraded", 6.0)))
    assert "severity 2 -> 3  Degraded  0%  wrong is worse" in console.export_text()
