"""A rollout as people ask for it: where it stands, why, on which evidence, and when it may move on. Read-only.

    state.db (state, decisions, batches, examples, freezes) --read--> RolloutView
        batches --stats, once more from the first--> Course: evidence over time, for sparklines and charts
        step, judgement, counts ---------------------> Waiting: what it waits for, and an estimate of how long

The judgement shown is the controller's own, never one made here; only its course over time is worked out again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing

import msgspec

from tidegate.errors import NotFound
from tidegate.plugins import nearest
from tidegate.stats import methods
from tidegate.stats.sequences import against
from tidegate.storage.layout import Layout
from tidegate.storage.rollouts import RolloutStore
from tidegate.types.rollouts import Batch, Decision, Example, Freeze, Judgement, MetricSpec, RolloutState, StepSpec
from tidegate.views.rollout_batches import batches_of

POINTS = 160
"""Points of a course: about as many as a terminal has columns."""

ALL_UNITS = "srm"
"""The metric whose batches count every unit of each arm, whatever became of it."""

RECENT = 120.0
"""Seconds over which the units a second are told."""


NEEDS_A_PERSON = frozenset({"person", "srm", "labels", "inconclusive"})
"""Reasons of a pause that only somebody ends; every other ends with its cause."""


class Course(msgspec.Struct, frozen=True):
    """One metric's evidence over time. `harm` and `safe` are ln E after the batch closed at the same index of `times`."""

    name: str
    times: list[float]
    harm: list[float]
    safe: list[float]


class StepView(msgspec.Struct, frozen=True):
    """One step of the track."""

    number: int
    text: str
    state: str
    """done, now, next, failed"""


class Waiting(msgspec.Struct, frozen=True):
    """What it waits for. `seconds` until it may move on if all stays as it is; -1 where nobody can tell."""

    what: str
    seconds: float = -1.0
    person: bool = False


class RolloutView(msgspec.Struct, frozen=True):
    """All that `tidegate rollout status` and `explain` show. `units_per_second` is of canary units (pairs, for a mirror)."""

    time: float
    state: RolloutState
    steps: list[StepView]
    judgement: Judgement | None
    waiting: Waiting
    units: int
    """Canary units (pairs) in this step."""
    units_per_second: float
    decisions: list[Decision]
    courses: list[Course]
    examples: list[Example]
    thresholds: dict[str, float]
    """By metric: the limit frozen from the stable version (of latency in microseconds); absent until then."""
    freeze: Freeze | None = None
    newest: int = 0
    """Id of the endpoint's rollout that commands are about: this one's, unless another has begun since."""


def read(layout: Layout, endpoint: str, *, id: int | None = None, courses: bool = True) -> RolloutView:
    """The endpoint's newest rollout, or the one with that id. Errors: NotFound, saying how to start one."""
    if not (layout.root / "state.db").exists():
        raise NotFound(f"there is no state in {layout.root}; `tidegate up` starts the project")
    with closing(RolloutStore(layout)) as store:
        state = store.get(id) if id is not None else store.current(endpoint)
        if state is None or state.endpoint != endpoint:
            raise NotFound(_missing(store, endpoint, id))
        batches = batches_of(layout, store, state)
        now = time.time()
        current = store.current(endpoint)
        judgement = store.judgement(state.id)
        units, speed = pace(state, batches, now)
        return RolloutView(
            time=now,
            state=state,
            steps=track(state),
            judgement=judgement,
            waiting=waiting(state, judgement, units, speed),
            units=units,
            units_per_second=speed,
            decisions=store.decisions(state.id),
            courses=[course(spec, batches.get(spec.name, [])) for spec in state.plan.metrics] if courses else [],
            examples=store.examples(state.id),
            thresholds=store.thresholds(state.id),
            freeze=_freeze(store.freezes(now), endpoint),
            newest=current.id if current is not None else state.id,
        )


def read_one(layout: Layout, id: int, *, courses: bool = False) -> RolloutView:
    """A rollout by its id, whichever endpoint it is of. Errors: NotFound."""
    return read(layout, _endpoint_of(layout, id), id=id, courses=courses)


def decision_of(layout: Layout, id: int, number: int) -> Decision:
    """One decision by its number, which never changes. Errors: NotFound, saying how many there are."""
    found = decisions_of(layout, id)
    for decision in found:
        if decision.number == number:
            return decision
    raise NotFound(f"rollout {id} has no decision {number}; it has {len(found)}, from 1")


def history(layout: Layout, endpoint: str | None = None, limit: int = 50) -> list[RolloutState]:
    """Rollouts, newest first; of all endpoints by default."""
    if not (layout.root / "state.db").exists():
        return []
    with closing(RolloutStore(layout)) as store:
        return store.history(endpoint, limit)


def decisions_of(layout: Layout, id: int) -> list[Decision]:
    """Every decision of one rollout, oldest first. Errors: NotFound."""
    if (layout.root / "state.db").exists():
        with closing(RolloutStore(layout)) as store:
            if store.get(id) is not None:
                return store.decisions(id)
    raise NotFound(f"there is no rollout {id}; `tidegate rollout history` lists them")


def freezes(layout: Layout) -> list[Freeze]:
    """Freezes in force now."""
    if not (layout.root / "state.db").exists():
        return []
    with closing(RolloutStore(layout)) as store:
        return store.freezes(time.time())


def course(spec: MetricSpec, batches: Sequence[Batch]) -> Course:
    """The metric's evidence over time, at about POINTS moments, the last always among them.

    As the judge has it: a step is a fresh start of the evidence of harm beside the earlier ones, and that of safety is one.
    Disagreement is a rate without anything to compare it with; it has no course.
    """
    found = Course(spec.name, [], [], [])
    if spec.max is not None:
        return _held_against(spec.max, found, batches)
    if spec.measure == "disagreement":
        return found
    margin = 0.0 if spec.method in ("rate", "paired") else spec.margin
    harm = methods.harm(spec.method, ratio=spec.rollback_ratio, margin=margin)
    safe = methods.safety(spec.method, ratio=spec.promote_ratio, floor=spec.floor, margin=margin)
    step = batches[0].step if batches else 0
    for batch in together(batches, max(1, math.ceil(len(batches) / POINTS))):
        if batch.step != step:
            step = batch.step
            harm.restart()
        harm.update(batch)
        safe.update(batch)
        found.times.append(batch.time)
        found.harm.append(harm.log_e)
        found.safe.append(safe.log_e)
    return found


def _held_against(most: float, found: Course, batches: Sequence[Batch]) -> Course:
    """The same of a rate with a limit of its own."""
    bad = units = 0
    for batch in together(batches, max(1, math.ceil(len(batches) / POINTS))):
        bad += sum(batch.canary[1::2])
        units += sum(batch.canary)
        harm, safe = against(bad, units, most)
        found.times.append(batch.time)
        found.harm.append(harm)
        found.safe.append(safe)
    return found


def together(batches: Sequence[Batch], most: int) -> Iterator[Batch]:
    """Up to `most` neighbours of the same step and share as one batch: for rates the evidence after them is the same.

    >>> one, two = Batch(1, 0.5, (9, 1), (8, 2), 1.0), Batch(1, 0.5, (5, 0), (5, 0), 2.0)
    >>> [(batch.canary, batch.time) for batch in together([one, two, Batch(2, 0.5, (1, 0), (1, 0))], 2)]
    [((14, 1), 2.0), ((1, 0), 0.0)]
    """
    held: list[Batch] = []
    for batch in batches:
        if held and (len(held) == most or (held[0].step, held[0].share) != (batch.step, batch.share)):
            yield _sum(held)
            held = []
        held.append(batch)
    if held:
        yield _sum(held)


def _sum(held: list[Batch]) -> Batch:
    if len(held) == 1:
        return held[0]
    canary = tuple(map(sum, zip(*(batch.canary for batch in held), strict=True)))
    stable = tuple(map(sum, zip(*(batch.stable for batch in held), strict=True)))
    return Batch(held[0].step, held[0].share, canary, stable, held[-1].time)


def track(state: RolloutState) -> list[StepView]:
    """The plan's steps, each with where it is."""
    ended = not state.active and state.phase == "Degraded"
    found = []
    for number, step in enumerate(state.plan.steps):
        if number < state.step or state.phase == "Healthy":
            place = "done"
        elif number == state.step:
            place = "failed" if ended else "now"
        else:
            place = "next"
        found.append(StepView(number, describe(step), place))
    return found


def describe(step: StepSpec) -> str:
    """A step in a few words.

    >>> describe(StepSpec("setWeight", weight=5)), describe(StepSpec("pause", duration=600, min_units=200))
    ('5%', 'pause 10m, 200 units')
    >>> describe(StepSpec("pause", until_promoted=True)), describe(StepSpec("setMirrorRoute", percentage=100))
    ('a person', 'mirror 100%')
    >>> describe(StepSpec("analysis", proof=True, min_units=500))
    'proof, 500 units'
    """
    if step.kind == "setWeight":
        return f"{step.weight:g}%"
    if step.kind == "setMirrorRoute":
        return f"mirror {step.percentage:g}%" if step.percentage else "mirror off"
    if step.until_promoted:
        return "a person"
    words = ["proof" if step.proof else str(step.kind)]
    if step.kind == "pause" and step.duration:
        words[0] += f" {short(step.duration)}"
    if step.min_units:
        words.append(f"{step.min_units:,} units")
    return ", ".join(words)


def short(seconds: float) -> str:
    """A duration as the project file has it.

    >>> short(600), short(5400), short(0.5), short(86400), short(45)
    ('10m', '1.5h', '0.5s', '1d', '45s')
    """
    for size, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "m")):
        if seconds >= size:
            return f"{seconds / size:.3g}{name}"
    return f"{seconds:.3g}s"


def pace(state: RolloutState, batches: dict[str, list[Batch]], now: float) -> tuple[int, float]:
    """(units of the canary in this step, units of it a second lately); pairs while it is only mirrored."""
    if state.weight > 0:
        counted = [batches.get(ALL_UNITS, [])]
    else:
        counted = [batches.get(spec.name, []) for spec in state.plan.metrics if spec.source == "paired"]
    units, speed = 0, 0.0
    for found in counted:
        mine = [batch for batch in found if batch.step == state.step]
        units = max(units, sum(sum(batch.canary) for batch in mine))
        recent = [batch for batch in mine if batch.time >= now - RECENT]
        span = max(1.0, min(RECENT, state.in_step))
        speed = max(speed, sum(sum(batch.canary) for batch in recent) / span)
    return units, speed


def waiting(state: RolloutState, judgement: Judgement | None, units: int, speed: float) -> Waiting:
    """What the rollout waits for now, and for how long, at the present pace."""
    if not state.active:
        return Waiting("nothing: it is over", 0.0)
    if state.phase == "Paused" and state.reason in NEEDS_A_PERSON:
        return Waiting("a person: `tidegate rollout resume` or `abort`", person=True)
    if state.phase == "Paused" and state.reason not in ("", "pause"):
        return Waiting(f"the end of what keeps it ({state.reason})")
    if state.phase == "Pending":
        return Waiting(state.message or f"version {state.canary} to be ready")
    if state.step >= len(state.plan.steps):
        return Waiting("the end of the last step", 0.0)
    step = state.plan.steps[state.step]
    if step.until_promoted:
        return Waiting("a person: `tidegate rollout promote`", person=True)
    return _together(_needs(state, step, judgement, units, speed))


def _needs(
    state: RolloutState, step: StepSpec, judgement: Judgement | None, units: int, speed: float
) -> Iterable[Waiting]:
    """Each thing that this step still lacks."""

    def counted(missing: int) -> float:
        return missing / speed if speed > 0 else -1.0

    if step.kind == "pause" and state.in_step < step.duration:
        yield Waiting("time", step.duration - state.in_step)
    if units < step.min_units:
        missing = step.min_units - units
        yield Waiting(f"{missing:,} more units", counted(missing))
    if step.proof and judgement is not None:
        paired = {spec.name for spec in state.plan.metrics if spec.source == "paired"}
        lacking = [
            metric
            for metric in judgement.metrics
            if metric.guardrail and metric.outcome != "Successful" and (metric.name in paired) == (state.weight == 0)
        ]
        if lacking:
            names = ", ".join(metric.name for metric in lacking)
            if any(metric.units_needed <= 0 for metric in lacking):
                yield Waiting(f"proof of {names}")
                return
            most = max(max(metric.units_needed - metric.canary_units, 1) for metric in lacking)
            yield Waiting(f"proof of {names} (about {most:,} more units)", counted(most))


def _together(needs: Iterable[Waiting]) -> Waiting:
    found = list(needs)
    if not found:
        return Waiting("the controller's next look", 0.0)
    longest = -1.0 if any(need.seconds < 0 for need in found) else max(need.seconds for need in found)
    return Waiting(" and ".join(need.what for need in found), longest)


def _freeze(found: Iterable[Freeze], endpoint: str) -> Freeze | None:
    mine = [freeze for freeze in found if freeze.endpoint in (endpoint, "*")]
    return max(mine, key=lambda freeze: freeze.until) if mine else None


def _endpoint_of(layout: Layout, id: int) -> str:
    if (layout.root / "state.db").exists():
        with closing(RolloutStore(layout)) as store:
            state = store.get(id)
        if state is not None:
            return state.endpoint
    raise NotFound(f"there is no rollout {id}; `tidegate rollout history` lists them")


def _missing(store: RolloutStore, endpoint: str, id: int | None) -> str:
    if id is not None:
        return f"{endpoint} has no rollout {id}; `tidegate rollout history {endpoint}` lists them"
    known = sorted({state.endpoint for state in store.history(None, 1000)})
    return (
        f"{endpoint} has had no rollout.{nearest(endpoint, known)} "
        f"`tidegate rollout start {endpoint} --to VERSION` starts one"
    )
