"""One look at everything that is watched: each monitor with what it says now.

    monitors with a rule ----profiles of their windows, baselines--> Reading
    streams on the budget --- log_m against ln A -------------------> Reading
    objectives -------------- burn rates ---------------------------> Reading
    endpoints, processes ---- is anybody there ---------------------> Reading
    quality, behaviour ------ a slower look in a thread of its own --> Reading

Streams are read at every look; profiles every few seconds, less often where reading them takes long (at most a twentieth
of the time); in between the last reading stands. Reads only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Protocol

import msgspec

from tidegate.errors import TidegateError
from tidegate.metrics import registry
from tidegate.metrics.software import host
from tidegate.monitoring import alarm as rules
from tidegate.monitoring import budget, burn, dead, words
from tidegate.monitoring.alarm import Reading
from tidegate.monitoring.ids import monitor_id
from tidegate.monitoring.incidents import PROCESSES
from tidegate.monitoring.settings import Settings
from tidegate.profiles.profile import Profile
from tidegate.profiles.reference import Reference
from tidegate.storage.layout import Layout
from tidegate.storage.log.status import load_status
from tidegate.storage.monitor_report import Figure
from tidegate.storage.profiles import ProfileStore
from tidegate.types.monitoring import Alarm, AlarmKind, Monitor, Rule, StreamView, Value
from tidegate.types.processes import Processes

PROFILES_EVERY = 5.0
BURN_EVERY = 20.0
DEAD_EVERY = 5.0
RATES_EVERY = 600.0
SHARE_OF_TIME = 20.0
FED_FOR = 60.0
"""Seconds for which a detector's state is evidence after its newest row."""
HOUR, DAY = 3600, 86400
WEEK = 7.0 * DAY
FAST_RULE = Rule(clear=300.0, min_rows=0)
SLOW_RULE = Rule(clear=1800.0, min_rows=0)


class Slow(Protocol):
    """Values that take long: of quality and behaviour, by monitor id. Answers at once with the newest that it has."""

    def values(self, settings: Settings, monitors: Iterable[Monitor], now: float) -> Mapping[str, Value]:
        """The newest values; asks for new ones where they are old."""
        ...

    def baseline(self, monitor: Monitor) -> float | None:
        """What a relative rule is held against."""
        ...


class Look(msgspec.Struct):
    """What one monitor says now. `reading` is None where there is no evidence."""

    monitor: Monitor
    reading: Reading | None
    kind: AlarmKind = "threshold"


class Looks:
    """Keeps what was read between two looks. `now` is unix seconds, `steady` seconds of a steady clock."""

    def __init__(self, layout: Layout, profiles: ProfileStore, slow: Slow | None = None) -> None:
        self._layout = layout
        self._profiles = profiles
        self._slow = slow
        self._host = host.Host(layout)
        self._due: dict[str, float] = {}
        self._kept: dict[str, list[Look]] = {}
        self._references: dict[tuple[str, str], tuple[float, Reference | None]] = {}
        self._rates: dict[tuple[str, str], float] = {}
        self._hours: dict[tuple[str, int], int] = {}
        self._oldest: dict[str, float] = {}
        self._fed: dict[str, tuple[int, float]] = {}
        self._since = 0.0
        self._last = 0.0
        self.peaks: dict[str, float] = {}
        self.budget = budget.Budget(0.0, 0, 0.0, 0.0)
        self.streams: list[StreamView] = []
        self.figures: list[Figure] = []
        self.errors: list[str] = []
        self.blind = False
        """Whether a part could not be read and never was before: who is not among the looks then is not gone."""

    def look(
        self,
        settings: Settings,
        monitors: Mapping[str, Monitor],
        newest: Mapping[str, Alarm],
        recent: Iterable[Alarm],
        now: float,
        steady: float,
    ) -> list[Look]:
        """Every monitor in force. `newest` is each monitor's newest alarm, `recent` those of the last 30 days."""
        self._since += min(max(steady - self._last, 0.0), rules.LONGEST_LOOK) if self._last else 0.0
        self._last = steady
        self.errors, self.blind = [], False
        live = {
            id: one for id, one in monitors.items() if one.endpoint in settings.endpoints and one.state != "retired"
        }
        found = self._streams(settings, monitors, newest, recent, now)
        ruled = [one for one in live.values() if one.rule is not None]
        found += self._now_and_then("profiles", PROFILES_EVERY, steady, lambda: self._thresholds(settings, ruled, now))
        found += self._now_and_then("burn", BURN_EVERY, steady, lambda: self._burns(settings, monitors, now))
        found += self._now_and_then("dead", DEAD_EVERY, steady, lambda: self._dead(settings, monitors, now))
        return found

    def forget(self) -> None:
        """Something else is wanted from now on: read all anew."""
        self._due.clear()
        self._references.clear()

    def _now_and_then(self, name: str, every: float, steady: float, make: Callable[[], list[Look]]) -> list[Look]:
        if steady >= self._due.get(name, -math.inf):
            began = time.monotonic()
            try:
                self._kept[name] = make()
            except TidegateError as exc:
                self.errors.append(f"{name}: {exc}")
                if name in self._kept:
                    self._kept[name] = [msgspec.structs.replace(one, reading=None) for one in self._kept[name]]
            self._due[name] = steady + max(every, SHARE_OF_TIME * (time.monotonic() - began))
        self.blind = self.blind or name not in self._kept
        return self._kept.get(name, [])

    # -- streams on the budget ----------------------------------------------------------------------------------------

    def _streams(
        self,
        settings: Settings,
        monitors: Mapping[str, Monitor],
        newest: Mapping[str, Alarm],
        recent: Iterable[Alarm],
        now: float,
    ) -> list[Look]:
        self.streams = [view for view in self._profiles.streams() if view.endpoint in settings.endpoints]
        mine = budget.on_budget(self.streams, monitors)
        if self._last >= self._due.get("rates", -math.inf) or any(
            (v.endpoint, v.version) not in self._rates for v, _ in mine
        ):
            self._due["rates"] = self._last + RATES_EVERY
            for key in {(view.endpoint, view.version) for view, _ in mine}:
                self._rates[key] = self._rows_a_month(*key, now)
        counted = [(view, self._rates[view.endpoint, view.version]) for view, one in mine if budget.speaks(one, now)]
        weights = {monitor.id: monitor.weight for _, monitor in mine}
        self.budget = budget.budget(settings.options.budget.a_month, counted, recent, weights)
        found = []
        for view, monitor in mine:
            seen = self.peaks.get(monitor.id)
            if seen is None:
                last = newest.get(monitor.id)
                seen = view.peak if last is not None and not last.open else -math.inf
            if view.peak < seen:  # a new minute, or a new reference
                seen = -math.inf
            rows, at = self._fed.get(monitor.id, (-1, 0.0))
            if view.rows != rows:
                self._fed[monitor.id] = (view.rows, at := self._last)
            reading = None
            if self._last - at <= FED_FOR:  # where no rows come, nothing begins and nothing ends
                limit = self.budget.limit - math.log(monitor.weight)
                reading = budget.reading(view, limit, seen, words.of_stream(view, monitor))
            self.peaks[monitor.id] = max(view.peak, seen)
            found.append(Look(monitor, reading, "budget"))
        self.peaks = {id: peak for id, peak in self.peaks.items() if math.isfinite(peak)}
        return found

    def _rows_a_month(self, endpoint: str, version: str, now: float) -> float:
        start = (now - budget.MONTH) // DAY * DAY
        days = self._profiles.series(endpoint, start, now, DAY, version=version or None)
        used = [day for day in days if day.rows]
        if not used:
            return budget.FEWEST_ROWS
        return budget.a_month(sum(day.rows for day in used), now - used[0].start)

    # -- thresholds ---------------------------------------------------------------------------------------------------

    def _thresholds(self, settings: Settings, monitors: list[Monitor], now: float) -> list[Look]:
        window = _Windows(self._profiles, now)
        slow = [one for one in monitors if one.metric.startswith(("quality.", "behaviour."))]
        values = self._slow.values(settings, slow, now) if self._slow is not None and slow else {}
        found, self.figures = [], []
        for monitor in monitors:
            assert monitor.rule is not None
            value: Value | None = None
            baseline: float | None = None
            try:
                if monitor in slow:
                    value = values.get(monitor.id)
                    if monitor.rule.relative_to and self._slow is not None:
                        baseline = self._slow.baseline(monitor)
                else:
                    value = self._value(monitor, window, settings)
                    baseline = self._baseline(monitor, window, settings)
            except TidegateError as exc:
                self.errors.append(f"{monitor.id}: {exc}")
            reading = rules.read(monitor.rule, value, baseline)
            if reading is not None and reading.where == "outside":
                reading = msgspec.structs.replace(reading, message=words.of_value(monitor, reading))
            if value is not None and math.isfinite(value.value):
                limit = reading.limit if reading is not None and math.isfinite(reading.limit) else None
                self.figures.append(
                    Figure(
                        monitor.endpoint, monitor.metric, value.value, value.n, monitor.version, monitor.segment, limit
                    )
                )
            found.append(Look(monitor, reading))
        return found

    def _value(self, monitor: Monitor, window: _Windows, settings: Settings) -> Value | None:
        assert monitor.rule is not None
        if monitor.metric in host.GAUGES:  # of the machine, now: no rows stand behind it, and none are asked for
            gauge = self._host.sample().get(monitor.metric)
            return msgspec.structs.replace(gauge, n=max(gauge.n, monitor.rule.min_rows)) if gauge is not None else None
        role = "canary" if monitor.rule.relative_to == "stable" and not monitor.version else None
        profile = window.of(
            monitor.endpoint, monitor.rule.over, version=monitor.version, role=role, segment=monitor.segment
        )
        return registry.metric_value(monitor.metric, profile, self._reference(monitor))

    def _baseline(self, monitor: Monitor, window: _Windows, settings: Settings) -> float | None:
        rule = monitor.rule
        if rule is None or not rule.relative_to:
            return None
        usual = self._reference(monitor)
        if rule.relative_to == "reference":
            if usual is None:
                return None
            profile = Profile(rows=usual.rows, requests=usual.rows, columns=usual.columns)
        elif rule.relative_to == "week":
            profile = window.of(
                monitor.endpoint, rule.over, version=monitor.version, segment=monitor.segment, back=WEEK
            )
        else:
            stable = settings.endpoints[monitor.endpoint].stable
            profile = window.of(monitor.endpoint, rule.over, version=stable, role="stable", segment=monitor.segment)
        value = registry.metric_value(monitor.metric, profile, usual)
        return value.value if value is not None and value.n >= rule.min_rows else None

    def _reference(self, monitor: Monitor) -> Reference | None:
        return self.reference(monitor.endpoint, monitor.version)

    def reference(self, endpoint: str, version: str = "") -> Reference | None:
        """What is in force; looked up again every minute."""
        at, found = self._references.get((endpoint, version), (-math.inf, None))
        if self._last - at >= 60.0:
            found = self._profiles.reference(endpoint, version)
            self._references[endpoint, version] = (self._last, found)
        return found

    # -- objectives ---------------------------------------------------------------------------------------------------

    def _burns(self, settings: Settings, monitors: Mapping[str, Monitor], now: float) -> list[Look]:
        window = _Windows(self._profiles, now)
        found = []
        for endpoint in settings.endpoints:
            for objective in burn.objectives(settings.slo(endpoint)):
                for part, rows, rule in (("fast", burn.FAST, FAST_RULE), ("slow", burn.SLOW, SLOW_RULE)):
                    metric = f"{objective.name}.{part}"
                    monitor = Monitor(monitor_id(endpoint, metric), endpoint, metric, rule, severity=rows[0].severity)
                    if _retired(monitors, monitor):
                        continue
                    burns = burn.look(objective, rows, partial(window.of, endpoint))
                    found.append(Look(monitor, burn.reading(objective, burns), "burn"))
        return found

    # -- is anybody there ---------------------------------------------------------------------------------------------

    def _dead(self, settings: Settings, monitors: Mapping[str, Monitor], now: float) -> list[Look]:
        found = []
        status = load_status(self._layout)
        behind = dead.ingest(status, now)
        looks = {"dead.ingest": behind, "dead.gateway": dead.gateway(_processes(self._layout))}
        for metric, reading in looks.items():
            monitor = Monitor(monitor_id(PROCESSES, metric), PROCESSES, metric, dead.PROCESS_RULE, severity="page")
            if not _retired(monitors, monitor):
                found.append(Look(monitor, reading, "dead"))
        blind = behind is not None and behind.where != "inside"
        window = settings.options.dead_man
        for endpoint in settings.endpoints:
            monitor = Monitor(
                monitor_id(endpoint, "dead.traffic"), endpoint, "dead.traffic", dead.RULE, severity="page"
            )
            if _retired(monitors, monitor):
                continue
            # A monitor that wasn't there can't say that nothing came; one whose profiles stand still neither.
            reading = None if blind or self._since < window else dead.silent(self._traffic(endpoint, window, now))
            found.append(Look(monitor, reading, "dead"))
        return found

    def _traffic(self, endpoint: str, window: float, now: float) -> dead.Traffic:
        count = self._profiles.read(endpoint, now - window, now + 60.0).requests
        if count:
            return dead.Traffic(window, count, 0)
        hour = self._profiles.read(endpoint, now - window - HOUR, now - window).requests
        oldest = self._first_day(endpoint, now)
        earlier = [
            round(self._of_hour(endpoint, now - days * DAY) * window / HOUR)
            for days in dead.DAYS
            if now - days * DAY >= oldest
        ]
        return dead.Traffic(window, 0, hour, earlier)

    def _of_hour(self, endpoint: str, moment: float) -> int:
        start = int(moment // HOUR * HOUR)
        if (endpoint, start) not in self._hours:
            if len(self._hours) > 10_000:
                self._hours.clear()
            self._hours[endpoint, start] = self._profiles.read(endpoint, start, start + HOUR).requests
        return self._hours[endpoint, start]

    def _first_day(self, endpoint: str, now: float) -> float:
        if endpoint not in self._oldest:
            days = self._profiles.series(endpoint, (now // DAY - 22) * DAY, now, DAY)
            self._oldest[endpoint] = next((day.start + DAY for day in days if day.requests), math.inf)
            if math.isinf(self._oldest[endpoint]):
                return self._oldest.pop(endpoint)
        return self._oldest[endpoint]


class _Windows:
    """Profiles of one look, each read once."""

    def __init__(self, profiles: ProfileStore, now: float) -> None:
        self._profiles = profiles
        self._now = now
        self._read: dict[tuple[object, ...], Profile] = {}

    def of(
        self,
        endpoint: str,
        over: float,
        *,
        version: str = "",
        role: str | None = None,
        segment: str = "",
        back: float = 0.0,
    ) -> Profile:
        key = (endpoint, over, version, role, segment, back)
        if key not in self._read:
            end = self._now - back
            self._read[key] = self._profiles.read(
                endpoint, end - over, end, version=version or None, role=role, segment=segment
            )
        return self._read[key]


def _retired(monitors: Mapping[str, Monitor], monitor: Monitor) -> bool:
    said = monitors.get(monitor.id)
    return said is not None and said.state == "retired"


def _processes(layout: Layout) -> Processes | None:
    try:
        return msgspec.json.decode(layout.processes.read_bytes(), type=Processes)
    except (OSError, msgspec.MsgspecError):
        return None
