"""A project's own past, as suggest, usefulness and adapt ask for it.

profiles (windows of an hour), reference, real incidents --> suggestions(endpoint)
monitors, alarms with verdicts, series of values ----------> records(), adaptations()
rows of the log -------------------------------------------> proofs()

Reads only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tidegate.errors import StateError
from tidegate.metrics import registry
from tidegate.monitoring.adapt import Adaptation, adapt
from tidegate.monitoring.budget import FEWEST_ROWS, MONTH, budget
from tidegate.monitoring.ids import built_in
from tidegate.monitoring.options import BudgetOptions
from tidegate.monitoring.suggest import Span, Suggestion, suggest
from tidegate.monitoring.usefulness import Record
from tidegate.profiles.profile import Profile
from tidegate.profiles.reference import Reference
from tidegate.profiles.settings import read_settings
from tidegate.storage.layout import Layout
from tidegate.storage.log.recent import snapshot
from tidegate.storage.monitor_report import load_report
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.profiles import ProfileStore
from tidegate.types.monitoring import Alarm, Incident, Monitor, StreamView, Value

if TYPE_CHECKING:
    from tidegate.monitoring.prove import Proof

HOUR = 3600.0
FEWEST = 24
"""Windows that a past should have; of a younger one they are minutes."""


def suggestions(layout: Layout, endpoint: str, *, window: float = MONTH, now: float | None = None) -> list[Suggestion]:
    """What could go wrong at an endpoint, with thresholds from its last `window` seconds: of hours, of minutes where it is
    younger than a day."""
    end = (time.time() if now is None else now) // 60 * 60
    with closing(ProfileStore(layout)) as profiles, closing(MonitoringStore(layout)) as store:
        step = HOUR
        series = _lived(profiles.series(endpoint, (end - window) // HOUR * HOUR, end // HOUR * HOUR, HOUR))
        if len(series) < FEWEST:
            step = 60.0
            series = _lived(profiles.series(endpoint, end - FEWEST * HOUR, end, step))
        monitors = {one.id: one for one in store.monitors(endpoint)}
        real = [_span(one, end) for one in store.incidents(endpoint=endpoint, limit=1000) if one.verdict == "real"]
        return suggest(endpoint, series, reference=profiles.reference(endpoint), present=monitors, real=real)


def records(
    layout: Layout, endpoint: str | None = None, *, window: float = MONTH, now: float | None = None
) -> list[Record]:
    """The record of every monitor in force, over the last `window` seconds."""
    end = time.time() if now is None else now
    with closing(ProfileStore(layout)) as profiles, closing(MonitoringStore(layout)) as store:
        alarms = store.alarms(endpoint=endpoint, limit=100_000, since=end - window)
        streams = {
            (view.endpoint, f"{view.side}.drift.{view.column}", view.version): view
            for view in profiles.streams(endpoint)
        }
        past = _Past(profiles, end, window)
        monitors = [one for one in store.monitors(endpoint) if one.state != "retired" and not built_in(one.metric)]
        weights = sum(one.weight for one in monitors if one.rule is None)
        found = []
        for monitor in monitors:
            born = store.history(monitor.id)[0].time
            mine = [alarm for alarm in alarms if alarm.monitor == monitor.id]
            others = [alarm for alarm in alarms if alarm.endpoint == monitor.endpoint]
            days = max(min(end - born, window), 0.0) / 86400.0
            stream = streams.get((monitor.endpoint, monitor.metric, monitor.version))
            share = monitor.weight / weights if monitor.rule is None and weights else 0.0
            closeness, moved = past.closeness(monitor, stream, mine)
            found.append(Record(monitor, mine, days, closeness, moved, others, share))
        return found


def adaptations(
    layout: Layout, endpoint: str | None = None, *, window: float = 3 * MONTH, now: float | None = None
) -> list[Adaptation]:
    """What the verdicts speak for, monitor by monitor."""
    end = time.time() if now is None else now
    with closing(ProfileStore(layout)) as profiles, closing(MonitoringStore(layout)) as store:
        alarms = store.alarms(endpoint=endpoint, limit=100_000, since=end - window)
        incidents = store.incidents(endpoint=endpoint, limit=10_000)
        past = _Past(profiles, end, window)
        found = []
        for monitor in store.monitors(endpoint):
            if built_in(monitor.metric):
                continue
            mine = [alarm for alarm in alarms if alarm.monitor == monitor.id]
            real = [one for one in incidents if one.verdict == "real" and one.endpoint == monitor.endpoint]
            missed, quiet = (
                past.missed(monitor, mine, real, incidents) if real and monitor.rule is not None else ([], [])
            )
            made = adapt(monitor, mine, missed=missed, quiet=quiet)
            if made is not None:
                found.append(made)
        return found


def proofs(
    layout: Layout,
    endpoint: str | None = None,
    *,
    runs: int = 5,
    rows: int = 100_000,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda name, done, of: None,
) -> Iterator[Proof]:
    """The A/A of one endpoint, or of each that has profiles. Errors: NotFound, StateError with too few rows of the one named."""
    from tidegate.monitoring.prove import prove, read_rows

    settings = read_settings(layout.run / "monitoring.json")
    report = load_report(layout)
    with closing(ProfileStore(layout)) as profiles, closing(MonitoringStore(layout)) as store:
        names = [endpoint] if endpoint else profiles.endpoints()
        monitors = store.monitors()
        streams = profiles.streams()
        sides = {name: profiles.columns(name) for name in names}
    limit, allowed = (
        (report.limit, report.allowed) if report is not None and report.limit else _limit(streams, monitors)
    )
    for name in names:
        own = settings.endpoints.get(name)
        found = read_rows(snapshot(layout, name).predictions, sides[name], rows)
        try:
            yield prove(
                name, found, sides[name], limit=limit, allowed=allowed,
                monitors=[one for one in monitors if one.endpoint == name], runs=runs, seed=seed,
                effect=own.minimum_effect if own else 0.03, ignore=own.ignore if own else (),
                season=own is not None and own.season != "none", progress=partial(progress, name),
            )  # fmt: skip
        except ValueError as exc:
            if endpoint:
                raise StateError(str(exc)) from exc


def _limit(streams: Iterable[StreamView], monitors: Iterable[Monitor]) -> tuple[float, float]:
    """ln A of the default budget, where the monitor process never said it."""
    weights = {one.id: one.weight for one in monitors}
    made = budget(BudgetOptions().a_month, [(view, FEWEST_ROWS) for view in streams], (), weights)
    return made.limit, made.allowed


class _Past:
    """Series of values of one look back; profiles are read once an endpoint, version and segment."""

    def __init__(self, profiles: ProfileStore, end: float, window: float) -> None:
        self._profiles = profiles
        self._end = end // HOUR * HOUR
        self._start = (end - window) // HOUR * HOUR
        self._series: dict[tuple[str, str, str], list[Profile]] = {}
        self._references: dict[tuple[str, str], Reference | None] = {}

    def closeness(
        self, monitor: Monitor, stream: StreamView | None, alarms: Sequence[Alarm]
    ) -> tuple[float | None, bool]:
        """How much of the way to its limit the value went at most, without an alarm, and whether it moved at all; of a stream
        by its distance from the reference."""
        if any(alarm.fired for alarm in alarms):
            return None, True
        if monitor.rule is None:
            return None, stream is None or not stream.rows or stream.effect > 0.0
        values = [value.value for _, value in self.values(monitor)]
        if not values or monitor.rule.relative_to:
            return None, True
        usual = float(np.median(values))
        ways = [
            (value - usual) / (limit - usual)
            for limit in (monitor.rule.max, monitor.rule.min)
            if limit is not None and limit != usual
            for value in values
        ]
        return min(max([0.0, *ways]), 1.0), max(values) - min(values) > 0.01 * abs(usual)

    def values(self, monitor: Monitor) -> list[tuple[Profile, Value]]:
        """The values of whole hours that rest on enough rows."""
        key = (monitor.endpoint, monitor.version, monitor.segment)
        if key not in self._series:
            self._series[key] = self._profiles.series(
                monitor.endpoint, self._start, self._end, HOUR, version=monitor.version or None, segment=monitor.segment
            )
            self._references[key[:2]] = self._profiles.reference(monitor.endpoint, monitor.version)
        if registry.parse(monitor.metric).group in ("quality", "behaviour"):
            return []
        found = []
        least = monitor.rule.min_rows if monitor.rule is not None else 30
        for profile in self._series[key]:
            value = registry.metric_value(monitor.metric, profile, self._references[key[:2]])
            if profile.rows and value is not None and value.n >= least:
                found.append((profile, value))
        return found

    def missed(
        self, monitor: Monitor, alarms: Sequence[Alarm], real: Sequence[Incident], incidents: Iterable[Incident]
    ) -> tuple[list[float], list[float]]:
        """The farthest value in each real incident that it didn't tell of, and the values of quiet times."""
        rule = monitor.rule
        assert rule is not None
        values = self.values(monitor)
        spans = [_span(one, self._end) for one in incidents if one.verdict != "false"]
        quiet = [
            value.value
            for profile, value in values
            if not any(s.start < profile.start + HOUR and profile.start < s.end + HOUR for s in spans)
        ]
        missed = []
        for incident in real:
            span = _span(incident, self._end)
            if any(alarm.fired and span.start - HOUR <= alarm.fired <= span.end for alarm in alarms):
                continue
            there = [v.value for p, v in values if span.start - HOUR < p.start + HOUR and p.start < span.end]
            if there and (rule.max is None) != (rule.min is None):
                missed.append(max(there) if rule.max is not None else min(there))
        return missed, quiet


def _lived(series: list[Profile]) -> list[Profile]:
    """From the first window with traffic on."""
    first = next((number for number, profile in enumerate(series) if profile.requests), len(series))
    return series[first:]


def _span(incident: Incident, now: float) -> Span:
    return Span(incident.opened, incident.ended or now)
