"""The budget of false alarms: how many may come in 30 days, how many came, of which kind, and from whom. Read-only.

state.db (alarms of 30 days, with verdicts) + run/monitor.json (what is allowed) --read--> BudgetView
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing

import msgspec

from tidegate.storage.layout import Layout
from tidegate.storage.monitor_report import load_report
from tidegate.storage.monitoring import MonitoringStore
from tidegate.types.monitoring import Alarm, AlarmKind

DAY = 86400.0
DAYS = 30
KINDS: tuple[tuple[AlarmKind, str], ...] = (
    ("budget", "on the budget"), ("threshold", "thresholds"), ("burn", "objectives"), ("dead", "dead man's switch"),
)  # fmt: skip
LOUDEST = 5


class Verdicts(msgspec.Struct, frozen=True):
    """Alarms that fired, and what people said of them. `unjudged` includes those still open."""

    alarms: int = 0
    real: int = 0
    false: int = 0
    unjudged: int = 0
    open: int = 0


class KindView(msgspec.Struct, frozen=True):
    """One kind of alarm: its name, in words, and its alarms. Only alarms on the budget spend it."""

    kind: AlarmKind
    words: str
    counts: Verdicts


class DayView(msgspec.Struct, frozen=True):
    """One day of the 30, from `start` (unix seconds) on; the last one is not over yet."""

    start: float
    counts: Verdicts


class Loud(msgspec.Struct, frozen=True):
    """A monitor and its alarms of 30 days."""

    monitor: str
    counts: Verdicts


class BudgetView(msgspec.Struct, frozen=True):
    """`allowed` false alarms a month of all that is on the budget (`streams` of them); `spent` were called false, `left` may still
    come. `at_most` adds those that nobody judged: the worst that may turn out. `known` is False while the monitor process never ran."""

    time: float
    since: float
    known: bool
    allowed: float
    spent: int
    left: float
    at_most: int
    streams: int
    kinds: list[KindView]
    days: list[DayView]
    loudest: list[Loud]


def budget(layout: Layout, *, now: float | None = None) -> BudgetView:
    """The last 30 days. Errors: StateError where the database can't be used."""
    now = time.time() if now is None else now
    since = now - DAYS * DAY
    fired: list[Alarm] = []
    if (layout.root / "state.db").exists():
        with closing(MonitoringStore(layout)) as store:
            fired = [one for one in store.alarms(limit=100_000, since=since - DAY) if one.fired >= since]
    report = load_report(layout)
    mine = counted(alarm for alarm in fired if alarm.kind == "budget")
    allowed = report.allowed if report is not None else 0.0
    first = now // DAY * DAY - (DAYS - 1) * DAY
    by_monitor: dict[str, list[Alarm]] = {}
    for alarm in fired:
        by_monitor.setdefault(alarm.monitor, []).append(alarm)
    loudest = [Loud(id, counted(alarms)) for id, alarms in by_monitor.items()]
    loudest.sort(key=lambda one: (-one.counts.false, -one.counts.alarms, one.monitor))
    return BudgetView(
        now, since, report is not None, allowed, mine.false, max(allowed - mine.false, 0.0), mine.false + mine.unjudged,
        report.streams if report is not None else 0,
        [KindView(kind, words, counted(one for one in fired if one.kind == kind)) for kind, words in KINDS],
        [
            DayView(start, counted(one for one in fired if start <= one.fired < start + DAY))
            for start in (first + number * DAY for number in range(DAYS))
        ],
        loudest[:LOUDEST],
    )  # fmt: skip


def counted(alarms: Iterable[Alarm]) -> Verdicts:
    """By verdict.

    >>> fired = [Alarm(1, "a/m", "a", "m", "resolved", fired=1.0, verdict="false"), Alarm(2, "a/m", "a", "m", "firing", fired=2.0)]
    >>> counted(fired)
    Verdicts(alarms=2, real=0, false=1, unjudged=1, open=1)
    """
    found = list(alarms)
    said = Counter(one.verdict for one in found)
    return Verdicts(len(found), said["real"], said["false"], said[""], sum(one.open for one in found))
