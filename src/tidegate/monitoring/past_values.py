"""The past of one monitor, read once so that thresholds can be tried on it: its values, and what they were held against.

    profiles of the window's steps --rolled over the rule's `over`--> values --+
    the reference | the same a week before | the stable version -> baselines --+--> Past --> monitoring.backtest
    alarms really raised, incidents that people judged ------------------------+

A step is a minute within a day and a half, an hour within 100 days, else a day: what profiles are kept of. Quality and behaviour are
read from the log and what became known of it, in at most 60 steps. Reads only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import closing

import msgspec

from tidegate.errors import InvalidRequest
from tidegate.metrics import registry
from tidegate.profiles.profile import Profile
from tidegate.profiles.reference import Reference
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.profiles import ProfileStore
from tidegate.types.monitoring import Alarm, Incident, Monitor, Rule, Value

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
WEEK = 7 * DAY
LONGEST = 3 * 366 * DAY
STEPS = 60
"""Of quality and behaviour: steps at most."""


class Past(msgspec.Struct, frozen=True):
    """`times` are the ends of windows of `over` seconds, `step` seconds apart (unix seconds); a value is None where there was no
    evidence. `baselines` are of a relative rule. `alarms` are those really raised, oldest first; `incidents` the endpoint's."""

    monitor: Monitor
    start: float
    end: float
    step: float
    over: float
    times: list[float]
    values: list[Value | None]
    baselines: list[float | None]
    alarms: list[Alarm]
    incidents: list[Incident]


def read(layout: Layout, monitor: Monitor, *, start: float, end: float | None = None) -> Past:
    """A monitor's past from `start` to `end` (unix seconds; now by default); its rule says the window of a value and what it is
    held against. Errors: InvalidRequest for a window of no length, ConfigError for an unknown metric."""
    end = time.time() if end is None else end
    if not (0.0 <= start < end) or end - start > LONGEST:
        raise InvalidRequest("the past to try a threshold on must be at least a minute long, and at most three years")
    rule = monitor.rule or Rule()
    if rule.over > LONGEST:
        raise InvalidRequest("over: a value can be taken over three years at most")
    step = _step(end - start + rule.over)
    with closing(MonitoringStore(layout)) as store:
        alarms = [
            one for one in store.alarms(monitor=monitor.id, limit=10_000) if one.fired and _touches(one, start, end)
        ]
        incidents = [
            one
            for one in store.incidents(endpoint=monitor.endpoint, limit=10_000)
            if one.opened < end and (one.ended or end) > start
        ]
    if registry.parse(monitor.metric).group in ("quality", "behaviour"):
        step, times, values, baselines = _labelled(layout, monitor, rule, start, end)
    else:
        with closing(ProfileStore(layout)) as profiles:
            times, values, baselines = _profiled(profiles, monitor, rule, start, end, step)
    alarms.sort(key=lambda one: one.fired)
    incidents.sort(key=lambda one: one.opened)
    return Past(monitor, start, end, step, max(rule.over, step), times, values, baselines, alarms, incidents)


def _step(length: float) -> float:
    return MINUTE if length <= 1.5 * DAY else HOUR if length <= 100 * DAY else DAY


def _touches(alarm: Alarm, start: float, end: float) -> bool:
    return alarm.fired < end and (alarm.ended or end) > start


# -- profiles -----------------------------------------------------------------------------------------------------------


def _profiled(
    profiles: ProfileStore, monitor: Monitor, rule: Rule, start: float, end: float, step: float
) -> tuple[list[float], list[Value | None], list[float | None]]:
    wide = max(round(rule.over / step), 1)
    usual = profiles.reference(monitor.endpoint, monitor.version)
    end = math.ceil(end / step) * step
    first = start // step * step

    columns = registry.columns_of(monitor.metric)

    def series(back: float = 0.0, role: str | None = None) -> list[Value | None]:
        parts = profiles.series(
            monitor.endpoint, first - back - (wide - 1) * step, end - back, step, columns=columns,
            version=monitor.version or None, role=role, segment=monitor.segment,
        )  # fmt: skip
        return [_value(monitor.metric, one, usual) for one in rolled(parts, wide)]

    canary = "canary" if rule.relative_to == "stable" and not monitor.version else None
    values = series(role=canary)
    times = [first + (number + 1) * step for number in range(len(values))]
    baselines: list[float | None] = [None] * len(values)
    if rule.relative_to == "week":
        baselines = [_figure(value, rule) for value in series(back=WEEK)]
    elif rule.relative_to == "stable":
        baselines = [_figure(value, rule) for value in series(role="stable")]
    elif rule.relative_to == "reference":
        baselines = [_figure(_usual(monitor.metric, usual), rule)] * len(values)
    return times, values, baselines


def _value(metric: str, profile: Profile, usual: Reference | None) -> Value | None:
    if not (profile.rows or profile.requests):
        return None
    found = registry.metric_value(metric, profile, usual)
    return found if found is not None and math.isfinite(found.value) else None


def _usual(metric: str, usual: Reference | None) -> Value | None:
    if usual is None:
        return None
    return registry.metric_value(metric, Profile(rows=usual.rows, requests=usual.rows, columns=usual.columns), usual)


def _figure(value: Value | None, rule: Rule) -> float | None:
    return value.value if value is not None and value.n >= rule.min_rows else None


def rolled(parts: Sequence[Profile], wide: int) -> list[Profile]:
    """Every run of `wide` neighbours merged, oldest first: len(parts) - wide + 1 of them, in three merges each however wide.

    Within blocks of `wide`, what follows a place to its block's end and what precedes it from its block's start are kept; a run is
    the one and the other (van Herk 1992, of maxima).
    """
    if wide <= 1:
        return list(parts)
    count = len(parts)
    before, after = list(parts), list(parts)
    for at in range(count):
        if at % wide:
            before[at] = _both(before[at - 1], parts[at])
    for at in range(count - 2, -1, -1):
        if (at + 1) % wide:
            after[at] = _both(parts[at], after[at + 1])
    return [
        before[at + wide - 1] if at % wide == 0 else _both(after[at], before[at + wide - 1]) for at in range(count - wide + 1)
    ]  # fmt: skip


def _both(a: Profile, b: Profile) -> Profile:
    whole = Profile(a.start, a.seconds + b.seconds)
    for part in (a, b):
        if part.requests or part.rows:
            whole.merge(part)
    return whole


# -- labels and events --------------------------------------------------------------------------------------------------


def _labelled(
    layout: Layout, monitor: Monitor, rule: Rule, start: float, end: float
) -> tuple[float, list[float], list[Value | None], list[float | None]]:
    """Windows side by side, not rolled: each is read and counted on its own."""
    import polars as pl

    from tidegate.metrics.quality.window import behaviour, load, part, quality

    step = max(math.ceil(max((end - start) / STEPS, min(rule.over, end - start)) / MINUTE) * MINUTE, MINUTE)
    first = start // MINUTE * MINUTE
    column, _, wanted = monitor.segment.partition("=")
    back = WEEK if rule.relative_to == "week" else 0.0
    window = load(
        layout, monitor.endpoint, first - back, end, version=monitor.version, columns=[column] if column else ()
    )
    if column:
        window = part(window, pl.col(column).cast(pl.String) == wanted)
    of_labels = monitor.metric.startswith("quality.")

    def value(low: float) -> Value | None:
        from datetime import UTC, datetime

        bounds = [datetime.fromtimestamp(at, UTC) for at in (low, low + step)]
        mine = part(window, (pl.col("time") >= bounds[0]) & (pl.col("time") < bounds[1]))
        found = quality(mine.rows, mine.roles) if of_labels else behaviour(mine)
        return found.get(monitor.metric)

    starts = [first + number * step for number in range(max(math.ceil((end - first) / step), 1))]
    values = [value(at) for at in starts]
    baselines = [_figure(value(at - back), rule) if back else None for at in starts]
    return step, [at + step for at in starts], values, baselines
