"""The life cycle: where the project stands, what is done in each stage, and the ways back.

scoping -> data -> modelling -> deployment
   ^________^_________^____________|      an incident, mistakes with tags, a rejected candidate: what sends one back, and where to
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tidegate.readiness.base import Check, Report
from tidegate.readiness.evidence import Evidence

StageName = Literal["scoping", "data", "modelling", "deployment"]
STAGES: tuple[StageName, ...] = ("scoping", "data", "modelling", "deployment")
PARTS: dict[StageName, tuple[tuple[str, str], ...]] = {
    "scoping": (
        ("define the project", "goal"), ("the metric and its target", "metric"), ("the deployment case", "case"),
        ("resources", "cpus"), ("what could go wrong", "risks"),
    ),
    "data": (
        ("define the data", "data"), ("a schema of features", "data.1"), ("establish a baseline", "baselines"), ("labels come", "labels"),
        ("young enough", "age"),
    ),
    "modelling": (
        ("better than a quick model", "model.5"), ("slices", "model.6"), ("training is reproducible", "infrastructure.1"),
        ("judged before serving", "infrastructure.4"), ("specs in a commit", "model.1"),
    ),
    "deployment": (
        ("in time under load", "latency"), ("canaried", "infrastructure.6"), ("going back was tried", "rollback"),
        ("inputs are watched", "monitoring.2"), ("quality is watched", "monitoring.7"), ("somebody is told", "notify"),
    ),
}  # fmt: skip
"""What a stage is made of: in words, and the check that says whether it is done."""


class Part(msgspec.Struct, frozen=True):
    """One thing of a stage."""

    words: str
    done: bool
    found: str
    do: str


class Stage(msgspec.Struct, frozen=True):
    """`here`: the first with something left to do."""

    name: StageName
    parts: list[Part]
    here: bool

    @property
    def done(self) -> int:
        """How many of its parts."""
        return sum(part.done for part in self.parts)


class Back(msgspec.Struct, frozen=True):
    """A reason to go back, and what begins the way."""

    origin: StageName
    to: StageName
    why: str
    do: str


class Cycle(msgspec.Struct, frozen=True):
    """An endpoint's life cycle. `running`: whether callers are answered."""

    endpoint: str
    goal: str
    running: bool
    stages: list[Stage]
    back: list[Back]


def cycle(seen: Evidence, report: Report) -> Cycle:
    """Where it stands."""
    checks = {check.id: check for check in (*report.questionnaire, *report.rubric)}
    stages: list[Stage] = []
    here = ""
    for name in STAGES:
        parts = [_part(words, checks[id]) for words, id in PARTS[name]]
        if not here and not all(part.done for part in parts):
            here = name
        stages.append(Stage(name, parts, here == name))
    return Cycle(seen.name, seen.scoping.goal, seen.running, stages, ways_back(seen))


def _part(words: str, check: Check) -> Part:
    done = check.status in ("held", "by hand", "not asked")
    return Part(words, done, check.found, check.do)


def ways_back(seen: Evidence) -> list[Back]:
    """What happened that sends one back, the newest kind of each first."""
    name = seen.name
    found: list[Back] = []
    for incident in seen.incidents:
        moved = any(one.side == "input" for one in incident.findings)
        to: StageName = "data" if moved else "modelling"
        do = f"`tidegate retrain {name}`" if seen.endpoint.retraining else f"`tidegate alarms show {incident.id}`"
        found.append(Back("deployment", to, f"incident {incident.id}: {incident.cause}", do))
    if seen.tags:
        found.append(
            Back(
                "modelling",
                "data",
                f"{seen.tags:,} mistakes have tags: what kind of data would help",
                f"`tidegate errors {name} summary`",
            )
        )
    rejected = next((run for run in seen.retrainings if run.state in ("rejected", "failed")), None)
    if rejected is not None and rejected is seen.retrainings[0]:
        found.append(
            Back(
                "modelling",
                "data",
                f"retraining {rejected.id}: {rejected.error or rejected.message}",
                f"`tidegate retraining show {rejected.id}`",
            )
        )
    undone = next((one for one in seen.rollouts if one.phase == "Degraded"), None)
    if undone is not None and undone is seen.rollouts[0]:
        found.append(
            Back(
                "deployment",
                "modelling",
                f"rollout {undone.id} went back: {undone.message or undone.reason}",
                f"`tidegate rollout explain {name}`",
            )
        )
    target, metric = seen.scoping.target, seen.scoping.metric
    last = next((run for run in seen.retrainings if run.verdict is not None), None)
    if (
        target is not None
        and last is not None
        and last.verdict is not None
        and last.verdict.metric == metric
        and last.verdict.new < target
    ):
        found.append(
            Back(
                "modelling",
                "scoping",
                f"{metric} {last.verdict.new:.3g}, {target:g} was the target: another goal, or other data",
                "scoping.target",
            )
        )
    return found
