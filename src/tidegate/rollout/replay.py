"""A judge fed once more with what is kept: after a restart, and to check that each decision repeats itself.

decisions (with how many batches each rested on) + batches --refeed--> the judge as it was at each decision
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tidegate.rollout.judge import Context, Judge
from tidegate.types.rollouts import Batch, Decision, Judgement, RolloutPlan, RolloutState

HUGE = 1e300
"""Stands for infinity where JSON has none."""


def refeed(
    plan: RolloutPlan, decisions: list[Decision], batches: dict[str, list[Batch]]
) -> Iterator[tuple[Decision | None, Judge]]:
    """The judge as it was at each decision, in order; at last, with None, as it is after all batches.

    A consumer must be done with a judge before it asks for the next: it is the same one, fed on.
    """
    judge = Judge(plan)
    fed: dict[str, int] = {}
    for decision in decisions:
        for metric, count in decision.batches.items():
            _feed(judge, metric, batches.get(metric, []), fed, count)
        yield decision, judge
        if decision.step != decision.step_before:
            judge.follow(decision.step)
    for metric, found in batches.items():
        _feed(judge, metric, found, fed, len(found))
    yield None, judge


def judge_now(plan: RolloutPlan, decisions: list[Decision], batches: dict[str, list[Batch]]) -> Judge:
    """The judge after all that is kept."""
    *_, (_, judge) = refeed(plan, decisions, batches)
    return judge


def context_of(state: RolloutState, context: Context) -> dict[str, Any]:
    """What a decision keeps of what the judge was told."""
    told: dict[str, Any] = msgspec.to_builtins(context)
    return {**told, "state": {name: getattr(state, name) for name in ("weight", "mirror", "reason", "attempt")}}


def as_it_was(state: RolloutState, decision: Decision) -> tuple[RolloutState, Context]:
    """The arguments of the judgement behind a decision."""
    told = dict(decision.context)
    was = msgspec.structs.replace(
        state, phase=decision.phase_before, step=decision.step_before, in_step=told.get("in_step", 0.0),
        **told.pop("state", {}),
    )  # fmt: skip
    return was, msgspec.convert(told, Context)


def finite(judgement: Judgement) -> Judgement:
    """Without infinities, which JSON can't hold."""
    metrics = tuple(
        msgspec.structs.replace(
            view, **{n: min(max(getattr(view, n), -HUGE), HUGE) for n in ("log_harm", "harm_limit", "log_safe", "safe_limit")}
        )
        for view in judgement.metrics
    )  # fmt: skip
    return msgspec.structs.replace(judgement, metrics=metrics)


def _feed(judge: Judge, metric: str, batches: list[Batch], fed: dict[str, int], until: int) -> None:
    for batch in batches[fed.get(metric, 0) : until]:
        judge.add(metric, batch)
    fed[metric] = max(until, fed.get(metric, 0))
