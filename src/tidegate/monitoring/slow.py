"""Values that take long, in a thread of their own: quality and behaviour from the log and what became known of it.

    monitors on quality.*, behaviour.* --each minute, one window read once--> values, baselines by monitor
    open incidents --harm.py-----------------------------------------------> harmful, harmless or unknown, and by what
    every version, now and then ----------------------------------------> estimates of the last day, kept to be held against labels

Quality is that of predictions old enough to have their labels (`labels: {maturation}`), so its window ends that long ago.
A look never waits: it takes what is there, and what is older than ten looks of this kind is no evidence. At most a
twentieth of the time is spent here, however long the log is.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec

from tidegate.monitoring.harm import Harm
from tidegate.monitoring.options import LabelOptions
from tidegate.monitoring.settings import Settings, Watched
from tidegate.storage.layout import Layout
from tidegate.types.monitoring import Incident, Monitor, Value

EVERY = 60.0
SHARE_OF_TIME = 20.0
STALE = 10.0
"""Looks of this kind after which a value is no evidence any more."""
WEEK = 7 * 86400.0
ESTIMATES_AFTER, ESTIMATES_EVERY = 600.0, 6 * 3600.0
"""Seconds from the start to the first estimates without labels, and from then on; a chunk of them is a day."""

Values = dict[str, Value]


class Found(msgspec.Struct):
    """What one round found. Times of a steady clock."""

    values: Values = {}
    baselines: dict[str, float] = {}
    harm: dict[int, Harm] = {}
    at: float = -math.inf


class SlowValues:
    """Keeps one thread, made when there is something to read."""

    def __init__(self, layout: Layout, every: float = EVERY) -> None:
        self._layout = layout
        self._every = every
        self._pool: ThreadPoolExecutor | None = None
        self._estimates_due = time.monotonic() + ESTIMATES_AFTER
        self._running: Future[Found] | None = None
        self._found = Found()
        self._due = -math.inf
        self._monitors: list[Monitor] = []
        self._incidents: list[Incident] = []

    def close(self) -> None:
        """Let the thread end with what it is at."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def values(self, settings: Settings, monitors: Iterable[Monitor], now: float) -> Mapping[str, Value]:
        """The newest values by monitor; new ones are read when it is time."""
        self._monitors = list(monitors)
        self._look(settings, now)
        fresh = time.monotonic() - self._found.at <= STALE * self._every
        return self._found.values if fresh else {}

    def baseline(self, monitor: Monitor) -> float | None:
        """What a relative rule is held against."""
        return self._found.baselines.get(monitor.id)

    def harm(self, settings: Settings, incidents: list[Incident], now: float) -> Mapping[int, Harm]:
        """Of open incidents by id, as far as it is known."""
        self._incidents = [one for one in incidents if one.state != "resolved" and one.endpoint in settings.endpoints]
        if self._incidents or time.monotonic() >= self._estimates_due:
            self._look(settings, now)
        return self._found.harm

    def _look(self, settings: Settings, now: float) -> None:
        steady = time.monotonic()
        if self._running is not None and self._running.done():
            if self._running.exception() is None:
                self._found = self._running.result()
            else:
                sys.stderr.write(f"monitor: quality: {self._running.exception()}\n")
            self._running = None
        if self._running is not None or steady < self._due:
            return
        self._due = steady + self._every
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="quality")
        self._running = self._pool.submit(self._round, settings, self._monitors, self._incidents, now)

    def _round(self, settings: Settings, monitors: list[Monitor], incidents: list[Incident], now: float) -> Found:
        began = time.monotonic()
        found = Found()
        windows = _Read(self._layout)
        for monitor in monitors:
            rule, watched = monitor.rule, settings.endpoints.get(monitor.endpoint)
            if rule is None or watched is None:
                continue
            labels = watched.monitoring.labels
            end = now - (labels.maturation if monitor.metric.startswith("quality.") else 0.0)
            of = (monitor.endpoint, end - rule.over, end, monitor.version, monitor.segment)
            value = windows.values(*of, labels).get(monitor.metric)
            if value is not None:
                found.values[monitor.id] = value
            before: Value | None = None
            if rule.relative_to == "week":
                earlier = (monitor.endpoint, of[1] - WEEK, end - WEEK, monitor.version, monitor.segment)
                before = windows.values(*earlier, labels).get(monitor.metric)
            elif rule.relative_to == "stable" and monitor.version != watched.stable:
                stable = (monitor.endpoint, of[1], end, watched.stable, monitor.segment)
                before = windows.values(*stable, labels).get(monitor.metric)
            if before is not None and before.n >= rule.min_rows:
                found.baselines[monitor.id] = before.value
        for incident in incidents:
            told = self._harm(settings.endpoints[incident.endpoint], incident, now)
            if told is not None:
                found.harm[incident.id] = told
        if began >= self._estimates_due:
            self._estimates_due = began + ESTIMATES_EVERY
            self._estimate(settings, now)
        found.at = time.monotonic()
        self._due = max(self._due, found.at + SHARE_OF_TIME * (found.at - began))
        return found

    def _harm(self, watched: Watched, incident: Incident, now: float) -> Harm | None:
        from tidegate.monitoring.harm import judge

        try:
            return judge(
                self._layout, incident.endpoint, incident.opened, now, version=watched.stable,
                rules=watched.monitoring.labels,
            )  # fmt: skip
        except Exception as exc:  # as with windows: the next round tries again
            sys.stderr.write(f"monitor: harm of incident {incident.id}: {type(exc).__name__}: {exc}\n")
            return None

    def _estimate(self, settings: Settings, now: float) -> None:
        """Keep what quality is thought to be before labels come, and compare earlier estimates with labels that have."""
        from tidegate.metrics.quality.estimates import record

        for endpoint, watched in settings.endpoints.items():
            try:
                record(self._layout, endpoint, watched.versions, now, rules=watched.monitoring.labels)
            except Exception as exc:  # as with windows: the next time tries again
                sys.stderr.write(f"monitor: estimates of {endpoint}: {type(exc).__name__}: {exc}\n")


class _Read:
    """Windows of one round, each read once; one that can't be read has no values."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._kept: dict[tuple[str, float, float, str, str], Values] = {}

    def values(
        self, endpoint: str, start: float, end: float, version: str, segment: str, labels: LabelOptions
    ) -> Values:
        from tidegate.metrics.quality.window import values

        key = (endpoint, start, end, version, segment)
        if key not in self._kept:
            try:
                self._kept[key] = values(self._layout, endpoint, start, end, version, rules=labels, segment=segment)
            except (
                Exception
            ) as exc:  # a third party's metric, a log that is being rewritten: the next round tries again
                sys.stderr.write(f"monitor: quality of {endpoint}: {type(exc).__name__}: {exc}\n")
                self._kept[key] = {}
        return self._kept[key]
