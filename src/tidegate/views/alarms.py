"""Incidents as people ask for them: what is wrong, since when, how sure, what moved, what to do next. Read-only.

state.db (incidents, alarms, silences), run/monitor.json --read--> AlarmsView, IncidentView
alarms, findings --advice--> commands that a person would try next
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import closing

import msgspec

from tidegate.errors import NotFound
from tidegate.storage.layout import Layout
from tidegate.storage.monitor_report import MonitorReport, load_report
from tidegate.storage.monitoring import MonitoringStore
from tidegate.types.monitoring import Alarm, Incident, Silence
from tidegate.types.silences import matches, quiet

LATE = 30.0
"""Seconds after which the monitor process counts as not looking."""


class Step(msgspec.Struct, frozen=True):
    """What to do next: why, and the command."""

    why: str
    command: str


class IncidentView(msgspec.Struct, frozen=True):
    """One incident with its alarms. `sure` says how sure it is, in words; `silenced` what keeps it quiet, if anything."""

    incident: Incident
    alarms: list[Alarm]
    sure: str
    silenced: Silence | None = None
    next: list[Step] = []


class Watching(msgspec.Struct, frozen=True):
    """How the monitor process does. `looked` is the age of its newest look in seconds, -1 where it never looked."""

    looked: float
    late: bool
    monitors: int = 0
    streams: int = 0
    allowed: float = 0.0
    raised: int = 0
    false: int = 0
    error: str = ""


class AlarmsView(msgspec.Struct, frozen=True):
    """All that `tidegate alarms list` shows: newest incidents first, alarms that are only pending, silences in force."""

    time: float
    incidents: list[IncidentView]
    pending: list[Alarm]
    silences: list[Silence]
    watching: Watching

    @property
    def waiting(self) -> int:
        """Incidents that fire, that nobody has taken on, and that nothing silences."""
        return sum(1 for one in self.incidents if one.incident.state == "firing" and one.silenced is None)


def alarms(layout: Layout, *, open_only: bool = True, endpoint: str | None = None, limit: int = 50) -> AlarmsView:
    """Incidents now. Errors: StateError where the database can't be used."""
    now = time.time()
    if not (layout.root / "state.db").exists():
        return AlarmsView(now, [], [], [], watching(layout, now))
    with closing(MonitoringStore(layout)) as store:
        found = store.incidents(open_only=open_only, endpoint=endpoint, limit=limit)
        members = {one.id: one for one in store.alarms_of({id for incident in found for id in incident.alarms})}
        silences = store.silences(now)
        pending = [one for one in store.alarms(open_only=True, endpoint=endpoint) if one.state == "pending"]
    views = [_view(one, [members[id] for id in one.alarms if id in members], silences, now) for one in found]
    return AlarmsView(now, views, pending, silences, watching(layout, now))


def incident(layout: Layout, id: int) -> IncidentView:
    """One incident. Errors: NotFound."""
    now = time.time()
    if (layout.root / "state.db").exists():
        with closing(MonitoringStore(layout)) as store:
            found = store.incident(id)
            if found is not None:
                return _view(found, store.alarms_of(found.alarms), store.silences(now), now)
    raise NotFound(f"there is no incident {id}; `tidegate alarms list --all` shows those there were")


def silences(layout: Layout) -> list[Silence]:
    """Those in force."""
    if not (layout.root / "state.db").exists():
        return []
    with closing(MonitoringStore(layout)) as store:
        return store.silences(time.time())


def watching(layout: Layout, now: float) -> Watching:
    """How the monitor process does."""
    report: MonitorReport | None = load_report(layout)
    if report is None:
        return Watching(-1.0, True)
    age = max(0.0, now - report.time)  # it may have looked a moment after `now` was read
    return Watching(
        age, age > LATE, report.monitors, report.streams, report.allowed, report.raised, report.false, report.error
    )


def _view(found: Incident, members: list[Alarm], in_force: Sequence[Silence], now: float) -> IncidentView:
    keeps = [one for one in in_force if any(matches(alarm.monitor, one.match) for alarm in members)]
    by = max(keeps, key=lambda one: one.until) if keeps and quiet(members, in_force, now) else None
    return IncidentView(found, members, sure(found, members), by, advice(found, members))


def sure(found: Incident, members: Sequence[Alarm]) -> str:
    """How sure it is that something is wrong, in words."""
    kinds = {alarm.kind for alarm in members}
    said = []
    if "dead" in kinds:
        said.append("seen: nothing comes, or nothing answers")
    if "burn" in kinds:
        said.append("counted: both windows of an objective burn faster than it allows")
    if "threshold" in kinds:
        count = sum(1 for alarm in members if alarm.kind == "threshold")
        said.append("measured against a threshold" if count == 1 else f"measured against {count} thresholds")
    strongest = max(found.findings, key=lambda one: one.log_e, default=None)
    if "budget" in kinds:
        odds = (
            f", {_odds(strongest.log_e)} for {strongest.column}"
            if strongest is not None and strongest.log_e > 1
            else ""
        )
        said.append(f"found within the budget of false alarms{odds}")
    return "; ".join(said)


def _odds(log_e: float) -> str:
    """Evidence as odds.

    >>> _odds(math.log(324)), _odds(61.0), _odds(1000.0)
    ('324 to 1', '3e26 to 1', '1e434 to 1')
    """
    if log_e < math.log(1e6):
        return f"{math.exp(log_e):,.0f} to 1"
    shown = f"{math.exp(log_e):.0e}" if log_e < 700 else f"1e{log_e / math.log(10):.0f}"
    return shown.replace("e+", "e") + " to 1"


def advice(found: Incident, members: Sequence[Alarm]) -> list[Step]:
    """What to do next, the most telling first; at the end how to take it on and how to end it."""
    name, id = found.endpoint, found.id
    kinds, metrics = {alarm.kind for alarm in members}, {alarm.metric for alarm in members}
    sides = {one.side for one in found.findings}
    versions = sorted({one.version for one in found.findings if one.version and one.side == "output"})
    steps = []
    if "dead" in kinds:
        steps.append(Step("see which processes run", "tidegate status"))
    if "burn" in kinds or any(metric.startswith("software.") for metric in metrics):
        steps.append(
            Step(
                "see what fails, by version",
                f'tidegate log query "select version, status, count(*), max(error) from \\"{name}\\" group by 1, 2"',
            )
        )
    if sides & {"input", "output"} and name != "*":
        steps.append(Step("see what moved, and whether it does harm", f"tidegate drift {name} --window 1d"))
    if "output" in sides and "input" not in sides and versions:
        steps.append(Step(f"go back from version {versions[0]}", f"tidegate rollout undo {name}"))
    if any(metric.startswith("quality.") for metric in metrics) or "input" in sides:
        steps.append(Step("see how good the answers are", f"tidegate quality {name} --by version,slice"))
    if found.state != "resolved":
        if found.state == "firing":
            steps.append(Step("take it on", f"tidegate alarms ack {id}"))
        steps.append(Step("end it, and say what it was", f"tidegate alarms resolve {id} --real"))
    elif not found.verdict:
        steps.append(Step("say what it was: monitors learn from it", f"tidegate alarms resolve {id} --real"))
    return steps
