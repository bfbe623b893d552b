"""What happened around an incident, in order: its alarms, what people did, and what was changed just before it. Read-only.

incident, its alarms -----> began, fired, ended, told
audit, rollout decisions -> who did what, from an hour before
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, Literal

import msgspec

from tidegate.storage.layout import Layout
from tidegate.storage.rollouts import RolloutStore
from tidegate.storage.state import AuditEntry, StateStore
from tidegate.types.monitoring import Alarm, Incident

BEFORE = 3600.0
"""Seconds before an incident opened in which a change may have caused it."""
AFTER = 600.0
MOST = 200
MOST_AUDIT = 5000

Kind = Literal["incident", "alarm", "person", "change", "rollout", "told"]
_ACTS = {
    "acknowledge": "took it on",
    "resolve real": "called it real",
    "resolve false": "called it false",
    "resolve": "ended it",
}
_ITSELF = {"monitor", "controller", "ingest"}
"""Actors whose changes are bookkeeping: monitors made for new columns, splits that a rollout's decisions tell of already."""
_CHANGES = {"apply", "split", "load", "unload", "undo", "monitor", "silence", "unsilence", "freeze", "unfreeze"}


_ROUTINE = {"step", "tick", "wait"}


class Moment(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that happened; `time` in unix seconds. `alarm`, `rollout`, `decision` and `monitor` name what it was of."""

    time: float
    kind: Kind
    words: str
    actor: str = ""
    note: str = ""
    alarm: int = 0
    monitor: str = ""
    rollout: int = 0
    decision: int = 0


def timeline(layout: Layout, incident: Incident, alarms: Iterable[Alarm], *, now: float | None = None) -> list[Moment]:
    """Oldest first, at most 200."""
    now = time.time() if now is None else now
    start, end = incident.opened - BEFORE, (incident.ended or now) + AFTER
    members = list(alarms)
    found = [*_of_incident(incident), *(moment for alarm in members for moment in _of_alarm(alarm))]
    if (layout.root / "state.db").exists():
        with closing(StateStore(layout)) as store:
            audit = [
                one
                for one in store.audit(MOST_AUDIT, start)
                if one.time <= end or one.target == f"incident {incident.id}"
            ]
        found += _of_audit(audit, incident, {alarm.monitor for alarm in members})
        with closing(RolloutStore(layout)) as rollouts:
            found += _of_rollouts(rollouts, incident.endpoint, start, end)
    return sorted(found, key=lambda moment: moment.time)[-MOST:]


def _of_incident(incident: Incident) -> Iterator[Moment]:
    yield Moment(incident.opened, "incident", "the incident opened", note=incident.cause)
    if incident.notified:
        yield Moment(incident.notified, "told", f"people were told ({incident.severity})")
    if incident.ended:
        yield Moment(incident.ended, "incident", "the incident ended")


def _of_alarm(alarm: Alarm) -> Iterator[Moment]:
    def moment(at: float, words: str, note: str = "") -> Moment:
        name = alarm.monitor.removeprefix(f"{alarm.endpoint}/")
        return Moment(at, "alarm", f"{name} {words}", note=note, alarm=alarm.id, monitor=alarm.monitor)

    if alarm.since and alarm.since != alarm.fired:
        yield moment(alarm.since, "went over its limit" if alarm.kind == "threshold" else "began to move")
    if alarm.fired:
        yield moment(alarm.fired, "fired")
    if alarm.ended and alarm.fired:
        yield moment(alarm.ended, "ended")


def _of_audit(audit: Iterable[AuditEntry], incident: Incident, monitors: set[str]) -> Iterator[Moment]:
    for entry in audit:
        if entry.target == f"incident {incident.id}":
            after = entry.after if isinstance(entry.after, dict) else {}
            words = _ACTS.get(entry.action, entry.action)
            yield Moment(entry.time, "person", words, entry.actor, str(after.get("note") or ""))
        elif entry.action in _CHANGES and entry.actor not in _ITSELF and _concerns(entry, incident.endpoint, monitors):
            yield Moment(entry.time, "change", f"{entry.action}: {entry.target}", entry.actor, _reason(entry.after))


def _concerns(entry: AuditEntry, endpoint: str, monitors: set[str]) -> bool:
    """Whether a change may have to do with the endpoint; a monitor's only where it is one of the incident's."""
    if entry.action == "monitor":
        return entry.target in monitors
    if entry.target.startswith("revision "):
        return bool(_part(entry.before, endpoint) != _part(entry.after, endpoint))
    return True


def _part(project: Any, endpoint: str) -> Any:
    """What a project says of an endpoint and its models."""
    if not isinstance(project, dict):
        return None
    return project.get("endpoints", {}).get(endpoint), project.get("models")


def _reason(after: Any) -> str:
    return str(after.get("reason") or "") if isinstance(after, dict) else ""


def _of_rollouts(store: RolloutStore, endpoint: str, start: float, end: float) -> Iterator[Moment]:
    for state in store.history(endpoint, limit=20):
        if state.created > end or (state.ended and state.ended < start):
            continue
        told: set[str] = set()
        for one in store.decisions(state.id):
            if start <= one.time <= end and one.event not in _ROUTINE and one.event not in told:
                told.add(one.event)
                words = f"rollout {state.id} ({state.stable} to {state.canary}): {one.event}"
                yield Moment(one.time, "rollout", words, one.actor, one.message, rollout=state.id, decision=one.number)
