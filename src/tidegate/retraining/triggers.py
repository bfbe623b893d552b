"""When a model is learned anew without anybody asking.

    incidents, clock, labels --wanted--> Wish(cause, mark, since), the most telling first
    Wish, earlier runs --held--> why not now: cool-down, budget, too few rows; "" for go

Pure functions: time and what is known are arguments. What has had its run (its mark) never starts another.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from tidegate.retraining.options import RetrainingOptions
from tidegate.types.monitoring import Alarm, Incident
from tidegate.types.retraining import Cause, Retraining


class Wish(msgspec.Struct, frozen=True):
    """What would start a run. `mark` names it, `since` is when it was found (unix seconds; 0 where that doesn't matter)."""

    cause: Cause
    text: str
    mark: str
    since: float = 0.0


def kind(incident: Incident, alarms: Collection[Alarm]) -> Cause | None:
    """What an incident asks for: quality before drift, as the one is what the other may lead to; None for latency and the like."""
    if any(alarm.metric.startswith("quality.") for alarm in alarms):
        return "quality"
    if any(found.side in ("input", "output") for found in incident.findings):
        return "drift"
    if any(alarm.metric.startswith(("input.", "output.", "drift.")) and alarm.kind != "dead" for alarm in alarms):
        return "drift"
    return None


def wanted(
    options: RetrainingOptions,
    incidents: Sequence[tuple[Incident, Collection[Alarm]]],
    now: float,
    armed: float,
    new_labels: int,
    last: int,
) -> list[Wish]:
    """What asks for a run, the most telling first. `armed`: since when the schedule counts; `new_labels` since the run `last` (its
    number, 0 for none)."""
    found: list[Wish] = []
    for incident, alarms in incidents:
        cause = kind(incident, alarms)
        if cause in options.auto and incident.state != "resolved":
            assert cause is not None
            found.append(
                Wish(cause, f"{incident.cause} (incident {incident.id})", f"incident {incident.id}", incident.opened)
            )
    found.sort(key=lambda wish: (wish.cause != "quality", wish.since))
    due = options.due() if "schedule" in options.auto else None
    if due is not None and due.last(now) > armed:
        found.append(Wish("schedule", f"due by its schedule, {due}", f"schedule {due.last(now):.0f}"))
    if "labels" in options.auto and new_labels >= options.labels:
        what = f"{new_labels:,} labels since retraining {last}" if last else f"{new_labels:,} labels"
        found.append(Wish("labels", what, f"labels after {last}"))
    return found


def held(options: RetrainingOptions, runs: Sequence[Retraining], now: float) -> str:
    """Why no automatic run may start now, in words; empty where one may. `runs` are the endpoint's, newest first."""
    if runs and not runs[0].over:
        return f"retraining {runs[0].id} is {runs[0].state}"
    ended = max((run.ended for run in runs), default=0.0)
    if ended and now < ended + options.cooldown:
        return f"cool-down: {words(ended + options.cooldown - now)} left (cooldown: {words(options.cooldown)})"
    budget = options.budget
    spent = sum(1 for run in runs if run.cause != "person" and run.created > now - budget.per)
    if spent >= budget.runs:
        return f"the budget is spent: {spent} automatic runs in {words(budget.per)}, {budget.runs} allowed (budget)"
    return ""


def words(seconds: float) -> str:
    """A duration for people.

    >>> words(90), words(7200), words(200_000)
    ('90 s', '2 h', '2.3 days')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * 86400:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.1f} days"
