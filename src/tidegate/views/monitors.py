"""What is watched, as people ask for it: monitors with what they say now and what came of them. Read-only.

state.db (monitors, alarms) + run/monitor.json (newest values, built-in monitors) + profiles (series) --read--> MonitorView, MonitorDetail
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import closing

import msgspec

from tidegate.errors import NotFound
from tidegate.metrics import registry
from tidegate.plugins import nearest
from tidegate.storage.layout import Layout
from tidegate.storage.monitor_report import Figure, MonitorReport, load_report
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.profiles import ProfileStore
from tidegate.types.monitoring import Alarm, Monitor, Rule, StreamView

MONTH = 30 * 86400.0
POINTS = 120


BUILT_IN = {
    "slo.": {"fast": "its budget burns 6 or 14.4 times too fast", "slow": "its budget burns too fast"},
    "dead.": {
        "traffic": "no requests where some are usual", "ingest": "ingest is silent or behind", "gateway": "no gateway is ready",
    },
}  # fmt: skip
"""What objectives and dead man's switches are held against, by group and last part."""


class MonitorView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One monitor. `value` is what it said last (of a stream: the distance from the reference), None before that; `limit` what
    it is held against. Counts are of the last 30 days."""

    monitor: Monitor
    rule: str
    """In words: `above 5% for 10m`, or `on the budget`."""
    value: float | None = None
    shown: str = ""
    limit: float | None = None
    alarm: str = ""
    """The state of its open alarm."""
    alarms: int = 0
    real: int = 0
    false: int = 0


class Point(msgspec.Struct, frozen=True):
    """A value of the past; `time` is the window's start (unix seconds)."""

    time: float
    value: float
    n: int


class MonitorDetail(msgspec.Struct, frozen=True):
    """All that `tidegate monitors show` shows. `history` is of all its numbers, oldest first; `alarms` newest first."""

    view: MonitorView
    help: str
    history: list[Monitor]
    alarms: list[Alarm]
    points: list[Point]
    stream: StreamView | None = None


def overview(layout: Layout, endpoint: str | None = None, *, retired: bool = False) -> list[MonitorView]:
    """All monitors in force, objectives and dead man's switches too, those that fire first; with `retired` those as well."""
    now = time.time()
    report = load_report(layout) or MonitorReport(0, 0.0)
    with closing(MonitoringStore(layout)) as store, closing(ProfileStore(layout)) as profiles:
        kept = store.monitors(endpoint)
        known = {one.id for one in kept}
        kept += [
            one.monitor
            for one in report.built_in
            if one.monitor.id not in known and endpoint in (None, one.monitor.endpoint)
        ]
        monitors = [one for one in kept if retired or one.state != "retired"]
        alarms = store.alarms(endpoint=endpoint, limit=10_000, since=now - MONTH)
        open_ones = {alarm.monitor: alarm for alarm in store.alarms(True, endpoint, 10_000)}
        streams = _by_monitor(profiles.streams(endpoint))
    figures = _figures(report)
    by_monitor: dict[str, list[Alarm]] = {}
    for alarm in alarms:
        by_monitor.setdefault(alarm.monitor, []).append(alarm)
    found = [
        _view(monitor, figures, streams, by_monitor.get(monitor.id, []), open_ones.get(monitor.id))
        for monitor in monitors
    ]
    order = {"firing": 0, "acknowledged": 1, "pending": 2}
    return sorted(found, key=lambda view: (order.get(view.alarm, 3), view.monitor.rule is None, view.monitor.id))


def detail(layout: Layout, id: str, *, window: float = 86400.0) -> MonitorDetail:
    """One monitor, with its values over the last `window` seconds. Errors: NotFound with the nearest."""
    now = time.time()
    report = load_report(layout) or MonitorReport(0, 0.0)
    own = report.own(id)
    with closing(MonitoringStore(layout)) as store, closing(ProfileStore(layout)) as profiles:
        history = store.history(id) or ([own.monitor] if own is not None else [])
        if not history:
            known = [one.id for one in (*store.monitors(), *(one.monitor for one in report.built_in))]
            raise NotFound(
                f"there is no monitor {id!r}.{nearest(id, known)} `tidegate monitors list` shows those there are"
            )
        monitor = history[-1]
        alarms = store.alarms(monitor=id, limit=1000)
        streams = _by_monitor(profiles.streams(monitor.endpoint))
        points = _points(profiles, monitor, now, window)
    figures = _figures(report)
    month = [alarm for alarm in alarms if alarm.since >= now - MONTH]
    view = _view(monitor, figures, streams, month, next((alarm for alarm in alarms if alarm.open), None))
    about = registry.help_of(monitor.metric) if registry.exists(monitor.metric) else ""
    return MonitorDetail(view, about, history, alarms[:20], points, streams.get(id))


def rule_text(metric: str, rule: Rule | None) -> str:
    """A rule in words.

    >>> rule_text("output.null", Rule(max=0.01, hold=600))
    'above 1% for 10 min'
    >>> rule_text("output.null", None)
    'on the budget'
    """
    if rule is None:
        return BUILT_IN.get(metric.partition(".")[0] + ".", {}).get(metric.rpartition(".")[2], "on the budget")
    against = {
        "reference": " against the reference",
        "week": " against a week ago",
        "stable": " against the stable version",
    }

    def said(bound: float) -> str:
        return f"{100 * bound:+.4g}%" if rule.relative_to else registry.shown(metric, bound)

    parts = []
    if rule.max is not None:
        parts.append(f"above {said(rule.max)}")
    if rule.min is not None:
        parts.append(f"below {said(rule.min)}")
    text = " or ".join(parts) + against.get(rule.relative_to, "")
    return text + (
        f" for {rule.hold / 60:.3g} min" if rule.hold >= 60 else f" for {rule.hold:g} s" if rule.hold else ""
    )


def _points(profiles: ProfileStore, monitor: Monitor, now: float, window: float) -> list[Point]:
    if not registry.exists(monitor.metric) or registry.parse(monitor.metric).group in ("quality", "behaviour"):
        return []
    step = max(window / POINTS // 60 * 60, 60.0)
    usual = profiles.reference(monitor.endpoint, monitor.version)
    series = profiles.series(
        monitor.endpoint, (now - window) // 60 * 60, now, step, version=monitor.version or None, segment=monitor.segment
    )
    found = []
    for profile in series:
        value = registry.metric_value(monitor.metric, profile, usual) if profile.rows or profile.requests else None
        if value is not None:
            found.append(Point(profile.start, value.value, value.n))
    return found


def _view(
    monitor: Monitor, figures: dict[tuple[str, str, str, str], Figure], streams: dict[str, StreamView],
    alarms: Iterable[Alarm], alarm: Alarm | None,
) -> MonitorView:  # fmt: skip
    fired = [one for one in alarms if one.fired]
    figure = figures.get((monitor.endpoint, monitor.metric, monitor.version, monitor.segment))
    stream = streams.get(monitor.id)
    value = figure.value if figure is not None else stream.effect if stream is not None else None
    shown = ""
    if value is not None:
        shown = registry.shown(monitor.metric, value) if registry.exists(monitor.metric) else f"{value:.3g}"
    return MonitorView(
        monitor, rule_text(monitor.metric, monitor.rule), value, shown, figure.limit if figure is not None else None,
        alarm.state if alarm is not None else "", len(fired), sum(one.verdict == "real" for one in fired),
        sum(one.verdict == "false" for one in fired),
    )  # fmt: skip


def _by_monitor(streams: Iterable[StreamView]) -> dict[str, StreamView]:
    return {
        f"{view.endpoint}/{view.side}.drift.{view.column}" + (f"@{view.version}" if view.version else ""): view
        for view in streams
    }


def _figures(report: MonitorReport) -> dict[tuple[str, str, str, str], Figure]:
    found = {(one.endpoint, one.metric, one.version, one.segment): one for one in report.figures}
    for own in report.built_in:
        if own.value is not None:
            of = own.monitor
            found[of.endpoint, of.metric, "", ""] = Figure(of.endpoint, of.metric, own.value, limit=own.limit)
    return found
