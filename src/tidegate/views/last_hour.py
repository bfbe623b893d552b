"""The last hour of an endpoint, a figure a minute, for sparklines that are asked for every two seconds. Read-only.

    profiles of minutes --the newest three each time, all of them once a minute--> counts a minute --> Hour

What is older than three minutes changes only when rows come late, or are erased: both show within a minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

import msgspec

from tidegate.metrics import registry
from tidegate.profiles.profile import Profile
from tidegate.profiles.reference import Reference
from tidegate.stats import histogram
from tidegate.storage.profile_windows import MINUTE
from tidegate.storage.profiles import ProfileStore

MINUTES = 60
NEWEST = 3
LATELY = 10
"""Minutes that a figure of now is taken over."""
READ_AGAIN = 60.0
"""Seconds after which every minute is read anew."""
YOUNGEST = 15.0
"""Seconds that a minute must have lasted before it says anything: figures come up to 2 s late."""
DRIFT_STEP = 300.0


class Figures(msgspec.Struct):
    """Over some minutes. `rate` is requests a second, `p99` seconds, the others are shares; None where nothing came.

    `answered` is of answered rows those with an output that says something; `missing` of all the inputs' values those missing,
    `worst` the input of which most is, with its share.
    """

    requests: int = 0
    rate: float | None = None
    p99: float | None = None
    errors: float | None = None
    answered: float | None = None
    missing: float | None = None
    worst: str = ""
    worst_missing: float = 0.0


class Hour(msgspec.Struct):
    """60 minutes, oldest first, and the last ten together. `newest` is when the last minute with traffic began (unix seconds), 0
    without any."""

    minutes: list[Figures]
    lately: Figures
    newest: float = 0.0


class _Minute(msgspec.Struct):
    """What is kept of a minute: its counts, without sketches. `missing` by input column is (missing, rows)."""

    counts: Profile
    missing: dict[str, tuple[int, int]]


class _Kept(msgspec.Struct):
    read: float
    minutes: dict[int, _Minute]


_kept: dict[tuple[str, str], _Kept] = {}
_lock = threading.Lock()


def last_hour(store: ProfileStore, project: str, endpoint: str, now: float | None = None) -> Hour:
    """Of one endpoint; `project` tells projects apart (the state folder's path)."""
    moment = time.time() if now is None else now
    last = int(moment // MINUTE * MINUTE)
    first = last - (MINUTES - 1) * MINUTE
    with _lock:
        kept = _kept.get((project, endpoint))
    if kept is None or not 0.0 <= moment - kept.read < READ_AGAIN:
        kept = _Kept(moment, {})
    since = max(last - (NEWEST - 1) * MINUTE, first) if kept.minutes else first
    minutes = {start: one for start, one in kept.minutes.items() if first <= start < since}
    parts = store.series_by_part(endpoint, since, last + MINUTE, MINUTE, columns=None)
    for steps in zip(*parts.values(), strict=True):
        minutes[int(steps[0].start)] = _slim(steps)
    with _lock:
        _kept[project, endpoint] = _Kept(kept.read, minutes)
    every = [
        _figures([minutes[start]], moment - start) if start in minutes else Figures()
        for start in range(first, last + 1, MINUTE)
    ]
    ten = last - (LATELY - 1) * MINUTE
    lately = _figures([one for start, one in minutes.items() if start >= ten], moment - ten)
    newest = max((start for start, one in minutes.items() if one.counts.requests), default=0)
    return Hour(every, lately, float(newest))


def drift_course(
    store: ProfileStore, endpoint: str, metric: str, reference: Reference | None, now: float
) -> list[float | None]:
    """A column's distance from the reference (`input.drift.age`), every five minutes of the last hour."""
    target = registry.parse(metric)
    first = (now - 3600.0) // DRIFT_STEP * DRIFT_STEP
    parts = store.series_by_part(endpoint, first, now, DRIFT_STEP, columns=(target.column,))
    values: list[float | None] = []
    for steps in zip(*parts.values(), strict=True):
        one = _whole(steps)
        value = registry.metric_value(metric, one, reference) if one.rows else None
        values.append(value.value if value is not None else None)
    return values


def _slim(steps: Iterable[Profile]) -> _Minute:
    whole = _whole(steps)
    missing = {name: (one.missing, one.rows) for name, one in whole.columns.items() if one.side == "input"}
    whole.columns = {}
    return _Minute(whole, missing)


def _whole(steps: Iterable[Profile]) -> Profile:
    found = list(steps)
    whole = Profile(found[0].start, found[0].seconds)
    for one in found:
        if one.requests or one.rows:
            whole.merge(one)
    return whole


def _figures(minutes: list[_Minute], seconds: float) -> Figures:
    whole, missing = Profile(), dict[str, tuple[int, int]]()
    for one in minutes:
        whole.merge(one.counts)
        for name, (lost, rows) in one.missing.items():
            before = missing.get(name, (0, 0))
            missing[name] = (before[0] + lost, before[1] + rows)
    length = min(seconds, len(minutes) * float(MINUTE))
    if not whole.requests or seconds < YOUNGEST:
        return Figures(whole.requests)
    values = sum(rows for _, rows in missing.values())
    worst = max(missing, key=lambda name: missing[name][0] / max(missing[name][1], 1), default="")
    return Figures(
        whole.requests, whole.requests / length,
        histogram.quantile(whole.latency, 0.99) / 1e6 if whole.latency else None, whole.failed / whole.requests,
        1.0 - whole.null / whole.rows if whole.rows else None,
        sum(lost for lost, _ in missing.values()) / values if values else None,
        worst, missing[worst][0] / missing[worst][1] if worst and missing[worst][1] else 0.0,
    )  # fmt: skip
