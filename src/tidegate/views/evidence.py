"""A rollout's evidence over time, metric by metric: the rates of both versions with their bounds, and E beside its lines.

    batches --add up--> bad / units of each version, with bounds that hold at every moment
            --stats---> ln E of harm and of safety, as the judge has them (views.rollouts.course)
    decisions --------> marks

Evidence of harm that reaches its line is the alarm; evidence of safety that reaches its own is proof.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import closing
from functools import lru_cache

import msgspec

from tidegate.errors import NotFound
from tidegate.stats.paired import pairs
from tidegate.stats.sequences import rate_bounds
from tidegate.storage.layout import Layout
from tidegate.storage.rollouts import RolloutStore
from tidegate.types.rollouts import Batch, Decision, GuardrailView, MetricSpec
from tidegate.views.explanation import ALPHA, decided, meaning
from tidegate.views.rollout_batches import batches_of
from tidegate.views.rollouts import POINTS, course, together


class Rate(msgspec.Struct, frozen=True):
    """One version's share of bad units so far, at each of the metric's times, and its bounds (95%); None without a unit."""

    value: list[float | None]
    low: list[float | None]
    high: list[float | None]


class MetricEvidence(msgspec.Struct, frozen=True):
    """One metric. `harm` and `safe` are ln E at `times` (unix seconds), empty where nothing is compared; the limits are ln of the
    lines. `canary` and `stable` are None for what has no rate. `most` is the share that may differ, 0 where none is set."""

    name: str
    meaning: str
    guardrail: bool
    method: str
    source: str
    harm_limit: float
    safe_limit: float
    times: list[float]
    harm: list[float]
    safe: list[float]
    canary: Rate | None
    stable: Rate | None
    now: GuardrailView | None = None
    most: float = 0.0


class DecisionMark(msgspec.Struct, frozen=True):
    """A decision on the axis of time."""

    number: int
    time: float
    event: str
    words: str


class EvidenceView(msgspec.Struct, frozen=True):
    """All metrics of one rollout from its start to its end (or to now), unix seconds."""

    id: int
    endpoint: str
    stable: str
    canary: str
    start: float
    end: float
    metrics: list[MetricEvidence]
    decisions: list[DecisionMark]


def evidence(layout: Layout, id: int, metric: str = "") -> EvidenceView:
    """Of every metric, or of one. Errors: NotFound, naming the metrics that are watched."""
    if not (layout.root / "state.db").exists():
        raise NotFound(f"there is no rollout {id}; `tidegate rollout history` lists them")
    with closing(RolloutStore(layout)) as store:
        state = store.get(id)
        if state is None:
            raise NotFound(f"there is no rollout {id}; `tidegate rollout history` lists them")
        batches = batches_of(layout, store, state)
        thresholds = store.thresholds(id)
        judgement = store.judgement(id)
        decisions = store.decisions(id)
    specs = [spec for spec in state.plan.metrics if metric in ("", spec.name)]
    if metric and not specs:
        known = ", ".join(spec.name for spec in state.plan.metrics)
        raise NotFound(f"rollout {id} doesn't watch {metric!r}; it watches {known}")
    views = {view.name: view for view in judgement.metrics} if judgement is not None else {}
    end = state.ended or time.time()
    return EvidenceView(
        id=id,
        endpoint=state.endpoint,
        stable=state.stable,
        canary=state.canary,
        start=state.created,
        end=max([end, *(decision.time for decision in decisions)]),
        metrics=[
            _of(spec, batches[spec.name], views.get(spec.name), state.plan.promote_alpha,
                thresholds.get(spec.name, 0.0))
            for spec in specs
        ],
        decisions=[_mark(decision) for decision in decisions],
    )  # fmt: skip


def _of(
    spec: MetricSpec, batches: Sequence[Batch], now: GuardrailView | None, promote_alpha: float, threshold: float
) -> MetricEvidence:
    found = course(spec, batches)
    few = list(together(batches, max(1, math.ceil(len(batches) / POINTS))))
    canary, stable = _rates(spec, few)
    return MetricEvidence(
        name=spec.name,
        meaning=meaning(spec, threshold),
        guardrail=spec.guardrail,
        method=spec.method,
        source=spec.source,
        harm_limit=math.log(1 / spec.alpha),
        safe_limit=math.log(1 / promote_alpha),
        times=[batch.time for batch in few],
        harm=found.harm,
        safe=found.safe,
        canary=canary,
        stable=stable,
        now=now,
        most=spec.max or 0.0,
    )


def _rates(spec: MetricSpec, batches: Sequence[Batch]) -> tuple[Rate | None, Rate | None]:
    """(of the canary, of the stable version), over all units up to each batch; None for a score or a class."""
    if spec.method in ("score", "categorical"):
        return None, None
    canary, stable = Rate([], [], []), Rate([], [], [])
    totals = [0, 0, 0, 0]
    for batch in batches:
        for place, count in enumerate(_counts(spec, batch)):
            totals[place] += count
        _put(canary, totals[0], totals[1])
        _put(stable, totals[2], totals[3])
    return canary, None if spec.measure == "disagreement" else stable


def _counts(spec: MetricSpec, batch: Batch) -> tuple[int, int, int, int]:
    """Bad units and all units of the canary, then of the stable version."""
    if spec.method == "paired":
        neither, ours, theirs, both = pairs(batch.canary)
        units = neither + ours + theirs + both
        return ours + both, units, theirs + both, units
    return _bad(batch.canary), sum(batch.canary), _bad(batch.stable), sum(batch.stable)


def _bad(counts: tuple[int, ...]) -> int:
    return counts[1] if len(counts) > 1 else 0


@lru_cache(16_384)
def _bounds(bad: int, units: int) -> tuple[float, float]:
    """Remembered: all but the newest points of a course are asked for again and again."""
    return rate_bounds(bad, units, ALPHA)


def _put(rate: Rate, bad: int, units: int) -> None:
    low, high = _bounds(bad, units) if units else (None, None)
    rate.value.append(bad / units if units else None)
    rate.low.append(low)
    rate.high.append(high)


def _mark(decision: Decision) -> DecisionMark:
    return DecisionMark(decision.number, decision.time, decision.event, decided(decision))
