"""Rollouts in a state database, as the controller leaves them, for tests of what shows them."""

from __future__ import annotations

import math
import time
from contextlib import closing
from typing import Any

import msgspec

from tidegate.storage.layout import Layout
from tidegate.storage.rollouts import Change, RolloutStore
from tidegate.types.rollouts import (
    Batch,
    Decision,
    Example,
    GuardrailView,
    Judgement,
    MetricSpec,
    RolloutPlan,
    RolloutState,
    StepSpec,
)

STEPS = (
    StepSpec("setMirrorRoute", percentage=100),
    StepSpec("analysis", min_units=200, max_duration=3600, templates=("shadow-paired",)),
    StepSpec("setWeight", weight=5),
    StepSpec("pause", duration=600, min_units=100),
    StepSpec("setWeight", weight=50),
    StepSpec("pause", until_promoted=True),
    StepSpec("analysis", proof=True, max_duration=86400),
    StepSpec("setWeight", weight=100),
)
METRICS = (
    MetricSpec("error", "error", "rate", "live", alpha=0.01 / 3),
    MetricSpec("null", "null", "rate", "live", alpha=0.01 / 3),
    MetricSpec("latency", "latency", "rate", "live", alpha=0.01 / 3),
    MetricSpec("disagreement", "disagreement", "paired", "paired", guardrail=False),
)
PLAN = RolloutPlan("canary", STEPS, METRICS)

HARM, SAFE = math.log(300), math.log(20)


def state(**fields: Any) -> RolloutState:
    """A rollout of `severity` from 1 to 2 in its fourth step, 5% of traffic."""
    now = time.time()
    given: dict[str, Any] = {
        "id": 0, "endpoint": "severity", "model": "severity", "stable": "1", "canary": "2", "digest": "sha256:2",
        "plan": PLAN, "phase": "Progressing", "step": 3, "weight": 5.0, "in_step": 134.0, "created": now - 4000,
        "actor": "cli:ana", "revision_before": 12,
    }  # fmt: skip
    return RolloutState(**{**given, **fields})


def judgement(error: float = 1.2, message: str = "no alarm; 42 more units until the step is done") -> Judgement:
    """Evidence on four metrics; `error` is ln E of harm of the first."""
    outcome = "Failed" if error >= HARM else "Running"
    rows = (
        ("error", True, error, 1.4, 4, 70, 1660), ("null", True, 0.0, 3.2, 0, 0, 0),
        ("latency", True, 2.9, 0.6, 17, 240, 3140), ("disagreement", False, 0.0, 0.0, 31, 0, -1),
    )  # fmt: skip
    metrics = tuple(
        GuardrailView(
            name,
            guard,
            harm,
            HARM,
            safe,
            SAFE,
            1240,
            bad,
            24_800,
            stable,
            units_needed=need,
            outcome="Successful" if safe >= SAFE else "Running",
        )
        for name, guard, harm, safe, bad, stable, need in rows
    )
    return Judgement(outcome, "evidence", message, metrics)


def keep(layout: Layout, rollout: RolloutState, found: Judgement | None = None, *, examples: int = 0) -> RolloutState:
    """Keep it with some batches, decisions and examples; the state as it is kept."""
    now = time.time()
    found = found or judgement()
    with closing(RolloutStore(layout)) as store:
        begun = msgspec.structs.replace(rollout, phase="Pending", step=0, weight=0.0)
        first = Decision(0, 1, now - 4000, rollout.actor, "start", "Pending", "Pending", 0, 0)
        made = store.create(Change(begun, decision=first))
        batches = [Batch(3, 0.05, (5, n % 3 // 2), (95, 1), now - 90 + n) for n in range(60)]
        paired = [Batch(1, 0.5, (190, 6, 3, 1), (), now - 3000)]
        final = msgspec.structs.replace(rollout, id=made.id, generation=made.generation)
        last = Decision(
            made.id, 2, now - 64, "controller", "step", "Pending", rollout.phase, rollout.step - 1, rollout.step,
            rollout.reason, rollout.message or "100 units seen, no alarm", found, {"error": 60},
        )  # fmt: skip
        shown = [
            Example(f"a-{n}", "error", "2", "canary", 500, "ValueError: no such road [A1]", now - 70 + n)
            for n in range(examples)
        ]
        change = Change(
            final, decision=last, judgement=found, batches={"srm": batches, "error": batches, "latency": batches, "disagreement": paired},
            thresholds={"latency": 41_000.0}, examples=shown,
        )  # fmt: skip
        return store.write(change)
