"""What happened to an endpoint in a window, as marks on a chart's time axis. Read-only.

incidents -----> alarm       began, who took it on, how it ended
decisions -----> rollout     start and end; decision: each step between
revisions -----> deployment  the split that was in force from then on, where no rollout made it
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Literal

import msgspec

from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.rollouts import RolloutStore
from tidegate.storage.state import StateStore
from tidegate.types.monitoring import Incident
from tidegate.types.rollouts import Decision, RolloutState
from tidegate.views.rollouts import describe

Kind = Literal["alarm", "rollout", "decision", "deployment"]
Level = Literal["", "ok", "warning", "firing"]
MOST = 200
ENDED = ("Healthy", "Degraded")


class Mark(msgspec.Struct, omit_defaults=True):
    """One moment (unix seconds) and what happened, in words. `until` is when it was over, 0 where it has no length or goes on.
    `link` is the dashboard's page about it; `id` the incident's, rollout's or revision's number."""

    time: float
    kind: Kind
    words: str
    id: int
    link: str = ""
    level: Level = ""
    until: float = 0.0


class MarksView(msgspec.Struct):
    """Oldest first; of more than 200 the newest."""

    endpoint: str
    start: float
    end: float
    marks: list[Mark]


def marks(layout: Layout, endpoint: str, *, start: float, end: float | None = None) -> MarksView:
    """All that happened in [start, end] (unix seconds). Errors: StateError where the database can't be used."""
    until = time.time() if end is None else end
    if not (layout.root / "state.db").exists():
        return MarksView(endpoint, start, until, [])
    found: list[Mark] = []
    with closing(MonitoringStore(layout)) as store:
        for incident in store.incidents(endpoint=endpoint, limit=MOST):
            found += _incident(incident)
    with closing(RolloutStore(layout)) as rollouts:
        for state in rollouts.history(endpoint, MOST):
            if state.created <= until and (state.active or not state.ended or state.ended >= start):
                found += _rollout(state, rollouts.decisions(state.id))
    with closing(StateStore(layout)) as states:
        found += _deployments(states, endpoint, start, until)
    inside = sorted((mark for mark in found if start <= mark.time <= until), key=lambda mark: mark.time)
    return MarksView(endpoint, start, until, inside[-MOST:])


def _incident(one: Incident) -> Iterator[Mark]:
    level: Level = "firing" if one.severity == "page" else "warning"
    yield Mark(one.opened, "alarm", f"Incident {one.id}: {one.cause}", one.id, f"/alarms/{one.id}", level, one.ended)
    if one.ended:
        said = {"real": ", real", "false": ", a false alarm"}.get(one.verdict, "")
        yield Mark(one.ended, "alarm", f"Incident {one.id} ended{said}", one.id, f"/alarms/{one.id}", "ok")


def _rollout(state: RolloutState, decisions: list[Decision]) -> Iterator[Mark]:
    link = f"/rollouts/{state.id}"
    for decision in decisions:
        first = decision.number == 1
        ends = decision.phase in ENDED and decision.phase_before != decision.phase
        if not (first or ends or decision.step != decision.step_before or decision.phase != decision.phase_before):
            continue
        if decision.number == 2 and decision.event == "start":
            continue  # the moment after the first: nothing that a person would tell apart
        if first:
            words = f"Rollout {state.id} began: version {state.canary} beside {state.stable}"
        elif ends:
            words = f"Rollout {state.id} ended: {decision.message or decision.reason or decision.event}"
        else:
            words = f"Rollout {state.id}: {_moved(state, decision)}"
        kind: Kind = "rollout" if first or ends else "decision"
        level: Level = "" if not ends else "ok" if decision.phase == "Healthy" else "firing"
        yield Mark(
            decision.time, kind, words, state.id, link if kind == "rollout" else f"{link}#decision-{decision.number}",
            level, state.ended if first else 0.0,
        )  # fmt: skip


def _moved(state: RolloutState, decision: Decision) -> str:
    if decision.step != decision.step_before and decision.step < len(state.plan.steps):
        return f"step {decision.step + 1} of {len(state.plan.steps)}, {describe(state.plan.steps[decision.step])}"
    return f"{decision.phase.lower()}, {decision.message or decision.reason or decision.event}"


def _deployments(states: StateStore, endpoint: str, start: float, end: float) -> Iterator[Mark]:
    """Splits that people set; those that a rollout set are its decisions already."""
    before: Mapping[str, Any] | None = None
    newest = [one for one in states.revision_history(MOST) if one.time <= end]
    older = next((one for one in newest if one.time < start), None)
    wanted = [one for one in newest if one.time >= start] + ([older] if older is not None else [])
    for revision in reversed(wanted):
        split = _split(states.project_at(revision.revision).project, endpoint)
        if split is None:
            before = None
            continue
        if split != before and not revision.action.startswith("rollout") and revision.time >= start:
            words = ", ".join(f"{version} {weight:g}%" for version, weight in split.items() if weight)
            yield Mark(
                revision.time, "deployment", f"{revision.action} by {revision.actor}: {words}", revision.revision,
                f"/settings?tab=audit#revision-{revision.revision}",
            )  # fmt: skip
        before = split


def _split(project: str, endpoint: str) -> dict[str, float] | None:
    try:
        known = msgspec.json.decode(project)["endpoints"][endpoint]["split"]
    except (msgspec.MsgspecError, KeyError, TypeError):
        return None
    return known if isinstance(known, dict) else None
