"""Every endpoint in one row, what needs a person first: what a wall display shows. Read-only, cheap enough to ask every 2 s.

    run/*.json (split, versions, rates) --+
    profiles of the last hour ------------+--> EndpointRow: level, words, what needs a person, figures with their course
    incidents, rollouts, streams, limits -+        --sorted--> Overview

A figure of now is over the last ten minutes of traffic; its course is a value a minute, over an hour.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, Literal

import msgspec

from tidegate.metrics.software.host import Host
from tidegate.storage.layout import Layout
from tidegate.storage.monitor_report import Figure as Seen
from tidegate.storage.monitor_report import load_report
from tidegate.storage.monitoring import Estimate, MonitoringStore
from tidegate.storage.profiles import ProfileStore
from tidegate.storage.rollouts import RolloutStore
from tidegate.types.monitoring import StreamView, Value
from tidegate.types.rollouts import RolloutState
from tidegate.views.alarms import AlarmsView, IncidentView, Watching, alarms, watching
from tidegate.views.last_hour import Figures, Hour, drift_course, last_hour
from tidegate.views.limits import Limit, limits
from tidegate.views.rollouts import NEEDS_A_PERSON, track
from tidegate.views.series import project_of
from tidegate.views.status import EndpointView, StatusView, gather

Level = Literal["ok", "warning", "firing", "muted"]
RANK: Mapping[str, int] = {"firing": 0, "warning": 1, "ok": 2, "muted": 3}
SILENT = 180.0
"""Seconds without a request after which a row says so."""
HEADLINES = ("quality.auc", "quality.accuracy", "quality.mae", "quality.wer", "quality.ndcg")
WEEK = 7 * 86400.0


class Trend(msgspec.Struct, omit_defaults=True):
    """One figure: now, over the last hour, and what it is held against. `detail` says of what, where it is of one of many."""

    value: float | None = None
    series: list[float | None] = []
    limit: float | None = None
    bound: Literal["max", "min"] = "max"
    level: Level = "ok"
    detail: str = ""


class ArmRow(msgspec.Struct):
    """A version's part: `weight` in percent (of a shadow: of copies)."""

    version: str
    role: str
    weight: float
    state: str


class Need(msgspec.Struct):
    """Something that waits for a person: what, since when (unix seconds, 0 unknown), and the dashboard's page to act on."""

    words: str
    link: str
    level: Level
    since: float = 0.0


class QualityNow(msgspec.Struct, omit_defaults=True):
    """The newest that is known of a metric of quality. `realised` is from labels (`labels` of them), `estimated` from before they
    came; `series` is by day."""

    metric: str
    realised: float | None = None
    estimated: float | None = None
    labels: int = 0
    limit: Limit | None = None
    level: Level = "ok"
    series: list[float | None] = []


class RolloutNow(msgspec.Struct):
    """A rollout in progress: the step it is at, in words, and how many of all are done."""

    id: int
    canary: str
    phase: str
    step: int
    steps: int
    words: str
    weight: float
    person: bool


class EndpointRow(msgspec.Struct, omit_defaults=True):
    """One endpoint. Shares are of 1, times in seconds. `load` is of the machine: the same in every row."""

    name: str
    model: str
    level: Level
    words: str
    needs: list[Need]
    arms: list[ArmRow]
    rate: Trend
    p99: Trend
    errors: Trend
    drift: Trend
    answered: Trend
    missing: Trend
    load: Trend
    quality: QualityNow | None = None
    incidents: int = 0
    rollout: RolloutNow | None = None


class Overview(msgspec.Struct, omit_defaults=True):
    """All endpoints, those that need a person first. `running` is whether the project's processes live."""

    time: float
    project: str
    running: bool
    needs: int
    endpoints: list[EndpointRow]
    watching: Watching
    problems: list[Need] = []
    """What concerns no single endpoint: processes, the log, the monitor itself."""


_hosts: dict[str, Host] = {}


def overview(layout: Layout) -> Overview:
    """The project now. Some milliseconds. Errors: StateError where the database can't be used."""
    now = time.time()
    status = gather(layout)
    if not (layout.root / "state.db").exists():
        return Overview(now, status.project, status.running, 0, [], watching(layout, now))
    found = alarms(layout, limit=500)
    project = project_of(layout)
    report = load_report(layout)
    gauges = _gauges(layout)
    with (
        closing(ProfileStore(layout)) as profiles,
        closing(MonitoringStore(layout)) as store,
        closing(RolloutStore(layout)) as rollouts,
    ):
        monitors = store.monitors()
        streams = profiles.streams()
        active = {state.endpoint: state for id in rollouts.live() if (state := rollouts.get(id)) is not None}
        rows = []
        for endpoint in _endpoints(status, project, profiles):
            name = endpoint.name
            mine = [one for one in monitors if one.endpoint == name]
            figures = report.figures if report is not None else []
            rows.append(
                _row(
                    endpoint, status, last_hour(profiles, str(layout.root), name, now),
                    limits((one for one in mine if not one.segment and not one.version), figures, project, name),
                    [one for one in found.incidents if one.incident.endpoint == name],
                    _drift(profiles, str(layout.root), name, streams, found, now),
                    _quality(store.estimates(name, since=now - 4 * WEEK), figures, name), active.get(name), gauges, now,
                )
            )  # fmt: skip
    problems = _problems(status, found)
    rows.sort(key=lambda row: (not row.needs, RANK[row.level], row.name))
    total = len(problems) + sum(len(row.needs) for row in rows)
    name = status.project or str(project.get("project", ""))
    return Overview(now, name, status.running, total, rows, found.watching, problems)


def _endpoints(status: StatusView, project: Mapping[str, Any], profiles: ProfileStore) -> list[EndpointView]:
    """Those that run; of a project that is down, those it would have, with the split it asks for."""
    if status.endpoints:
        return status.endpoints
    from tidegate.views.status import ArmView, Traffic

    return [
        EndpointView(
            name, str(said.get("model", "")), Traffic(),
            [
                ArmView(version, "stable", float(weight), "", Traffic())
                for version, weight in (said.get("split") or {}).items()
                if weight
            ],
        )
        for name, said in (project.get("endpoints") or {}).items()
    ]  # fmt: skip


def _row(
    endpoint: EndpointView, status: StatusView, hour: Hour, bounds: Mapping[str, list[Limit]],
    incidents: Sequence[IncidentView], drift: Trend, quality: QualityNow | None, state: RolloutState | None,
    gauges: Mapping[str, Value], now: float,
) -> EndpointRow:  # fmt: skip
    lately = hour.lately

    def trend(value: float | None, field: str, metric: str, detail: str = "") -> Trend:
        return _held(
            Trend(value, [getattr(minute, field) for minute in hour.minutes], detail=detail), bounds.get(metric, ())
        )

    rate = endpoint.traffic.rps if status.running else lately.rate
    load = gauges.get("software.load")
    answered = trend(lately.answered, "answered", "")
    most = next((one for one in bounds.get("output.null", ()) if one.bound == "max"), None)
    if most is not None:
        answered = _held(answered, [msgspec.structs.replace(most, value=1.0 - most.value, bound="min")])
    row = EndpointRow(
        endpoint.name, endpoint.model, "ok", "", [],
        [ArmRow(arm.version, arm.role, arm.weight, arm.state) for arm in endpoint.arms],
        trend(rate, "rate", "software.throughput"), trend(lately.p99, "p99", "software.latency.p99"),
        trend(lately.errors, "errors", "software.errors"), drift, answered, _missing(hour, bounds),
        _held(Trend(load.value if load is not None else None), bounds.get("software.load", ())),
        _judged(quality, bounds), sum(one.incident.state != "resolved" for one in incidents), _progress(state),
    )  # fmt: skip
    row.needs = list(_needs(row, endpoint, incidents, status))
    row.level, row.words = _said(row, hour, status, now)
    return row


def _missing(hour: Hour, bounds: Mapping[str, Sequence[Limit]]) -> Trend:
    """Of all inputs' values; held against the limit of the column of which most is missing."""
    lately = hour.lately
    detail = f"{lately.worst} {100 * lately.worst_missing:.3g}%" if lately.worst_missing else ""
    found = Trend(lately.missing, [minute.missing for minute in hour.minutes], detail=detail)
    for limit in bounds.get(f"input.missing.{lately.worst}", ()):
        found = msgspec.structs.replace(
            found, limit=limit.value, level="warning" if lately.worst_missing > limit.value else "ok"
        )
    return found


def _held(trend: Trend, bounds: Iterable[Limit]) -> Trend:
    """Against the strictest limit; of an objective, a share of it in ten minutes is no incident yet, so it only warns."""
    for limit in bounds:
        if trend.value is None:
            return msgspec.structs.replace(trend, limit=limit.value, bound=limit.bound)
        outside = trend.value > limit.value if limit.bound == "max" else trend.value < limit.value
        if trend.limit is None or outside:
            trend = msgspec.structs.replace(
                trend, limit=limit.value, bound=limit.bound, level="warning" if outside else trend.level
            )
    return trend


def _drift(
    profiles: ProfileStore, project: str, endpoint: str, streams: Iterable[StreamView], found: AlarmsView, now: float
) -> Trend:
    """The column for which most speaks, how far it is from the reference, and its last hour."""
    mine = [view for view in streams if view.endpoint == endpoint and view.side in ("input", "output") and view.rows]
    if not mine:
        return Trend()
    alarmed = {
        (alarm.metric, alarm.version): one.incident.severity
        for one in found.incidents
        for alarm in one.alarms
        if alarm.endpoint == endpoint and alarm.open
    }
    worst = max(mine, key=lambda view: (_metric(view) in {metric for metric, _ in alarmed}, view.log_m))
    severity = alarmed.get((_metric(worst), worst.version))
    level: Level = "ok" if severity is None else "firing" if severity == "page" else "warning"
    return Trend(worst.effect, _drift_series(profiles, project, worst, now), level=level, detail=worst.column)


_courses: dict[tuple[str, str, str], tuple[float, list[float | None]]] = {}


def _drift_series(profiles: ProfileStore, project: str, view: StreamView, now: float) -> list[float | None]:
    """Read once a minute: sketches are opened for it."""
    key = (project, view.endpoint, _metric(view))
    at, course = _courses.get(key, (0.0, []))
    if not 0.0 <= now - at < 60.0:
        usual = profiles.reference(view.endpoint, view.version)
        course = drift_course(profiles, view.endpoint, _metric(view), usual, now)
        _courses[key] = (now, course)
    return course


def _metric(view: StreamView) -> str:
    return f"{view.side}.drift.{view.column}"


def _quality(estimates: Sequence[Estimate], figures: Iterable[Seen], endpoint: str) -> QualityNow | None:
    """From what is kept: the newest look at labels, else the newest day of estimates."""
    seen = {one.metric: one for one in figures if one.endpoint == endpoint and not one.version and not one.segment}
    kept: dict[str, list[Estimate]] = {}
    for one in estimates:
        kept.setdefault(one.metric, []).append(one)
    for metric in HEADLINES:
        if metric not in seen and metric not in kept:
            continue
        chunks = kept.get(metric, [])
        known = [one for one in chunks if one.realised is not None]
        made = QualityNow(metric, series=[one.realised if one.realised is not None else one.value for one in chunks])
        if chunks:
            made.estimated = chunks[-1].value
        if metric in seen:
            made.realised, made.labels = seen[metric].value, seen[metric].n
        elif known:
            made.realised, made.labels = known[-1].realised, known[-1].labels
        return made
    return None


def _judged(quality: QualityNow | None, bounds: Mapping[str, Sequence[Limit]]) -> QualityNow | None:
    if quality is None:
        return None
    for limit in bounds.get(quality.metric, ()):
        quality.limit = limit
        value = quality.realised
        if value is not None and (value > limit.value if limit.bound == "max" else value < limit.value):
            quality.level = "warning"
    return quality


def _progress(state: RolloutState | None) -> RolloutNow | None:
    if state is None or not state.active:
        return None
    steps = track(state)
    now = steps[state.step].text if state.step < len(steps) else "the end"
    person = state.phase == "Paused" and state.reason in NEEDS_A_PERSON
    if state.step < len(steps) and state.phase == "Progressing":
        person = state.plan.steps[state.step].until_promoted
    words = f"waits for a person: {now}" if person else f"{state.phase.lower()}, {now}"
    return RolloutNow(state.id, state.canary, state.phase, state.step, len(steps), words, state.weight, person)


def _needs(
    row: EndpointRow, endpoint: EndpointView, incidents: Iterable[IncidentView], status: StatusView
) -> Iterable[Need]:
    for one in incidents:
        if one.incident.state == "firing" and one.silenced is None:
            level: Level = "firing" if one.incident.severity == "page" else "warning"
            yield Need(one.incident.cause, f"/alarms/{one.incident.id}", level, one.incident.opened)
    if row.rollout is not None and row.rollout.person:
        words = f"Rollout of version {row.rollout.canary} waits for you at step {row.rollout.step + 1} of {row.rollout.steps}"
        yield Need(words, f"/rollouts/{row.rollout.id}", "warning")
    broken = {(one.model, one.version): one.reason for one in status.versions if one.state == "UNAVAILABLE"}
    for arm in endpoint.arms:
        if (endpoint.model, arm.version) in broken and arm.weight > 0:
            reason = broken[endpoint.model, arm.version]
            yield Need(f"Version {arm.version} doesn't answer: {reason or 'no runner is ready'}", "/models", "firing")


def _said(row: EndpointRow, hour: Hour, status: StatusView, now: float) -> tuple[Level, str]:
    """The row's level, and one line of it."""
    if row.needs:
        first = min(row.needs, key=lambda need: RANK[need.level])
        more = f", and {len(row.needs) - 1} more" if len(row.needs) > 1 else ""
        return first.level, first.words + more
    if not status.running:
        return "muted", "The project doesn't run"
    held = [
        words
        for trend, words in (
            (row.errors, "errors above their limit"), (row.p99, "slower than its limit"),
            (row.answered, "answers without a value"), (row.missing, f"inputs missing: {row.missing.detail}"),
            (row.rate, "traffic outside its limits"),
        )
        if trend.level == "warning"
    ]  # fmt: skip
    if row.quality is not None and row.quality.level == "warning":
        held.append("quality below its limit")
    if held:
        return "warning", "; ".join(held).capitalize()
    if row.incidents:
        return "warning", f"{row.incidents} open incident{'s' if row.incidents > 1 else ''}, taken on or silenced"
    if not hour.newest:
        return "muted", "No traffic in the last hour"
    if now - hour.newest > SILENT and not row.rate.value:
        return "muted", f"No traffic for {(now - hour.newest) / 60:.0f} min"
    if row.rollout is not None:
        return "ok", f"Rollout of version {row.rollout.canary}: {row.rollout.words}"
    return "ok", "All is well"


def _problems(status: StatusView, found: AlarmsView) -> list[Need]:
    problems = [
        Need(one.incident.cause, f"/alarms/{one.incident.id}", "firing", one.incident.opened)
        for one in found.incidents
        if one.incident.endpoint == "*" and one.incident.state == "firing" and one.silenced is None
    ]
    if status.running and found.watching.late:
        problems.append(Need("The monitor process doesn't look: no alarm would be raised", "/settings", "firing"))
    problems += [Need(f"The controller: {words}", "/models", "warning") for words in status.failed]
    return problems


def _gauges(layout: Layout) -> Mapping[str, Value]:
    """The machine's; CPU is a difference between two looks, so the sampler is kept."""
    key = str(layout.root)
    if key not in _hosts:
        _hosts[key] = Host(layout)
    return _hosts[key].sample()


__all__ = [
    "ArmRow",
    "EndpointRow",
    "Figures",
    "Level",
    "Need",
    "Overview",
    "QualityNow",
    "RolloutNow",
    "Trend",
    "overview",
]
