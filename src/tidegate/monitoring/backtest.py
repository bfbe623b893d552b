"""What a threshold would have told of the past: asked again and again while a person drags its line.

    Past (past_values.read, once) + a rule --alarm.advance, step by step--> Told: the alarms that it would have raised
                                          --against incidents that people judged--> real ones told of, missed, noise

The function that raises alarms live says what would have been raised. Where a step is longer than the rule's hold or clear time, one
value outside (inside) holds at once. Pure: a month of hours takes a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidegate.monitoring.alarm import advance, limits
from tidegate.monitoring.past_values import Past
from tidegate.types.monitoring import Alarm, AlarmKind, Incident, Monitor, Rule, Truth, Value


class Would(msgspec.Struct, frozen=True):
    """An alarm that it would have raised, from `start` to `end` (unix seconds). `open`: still so at the end of the past. `incident`
    is the one that was open then (0: none), `verdict` what people said of it."""

    start: float
    end: float
    worst: float
    limit: float
    open: bool = False
    incident: int = 0
    verdict: Truth = ""


class Was(msgspec.Struct, frozen=True):
    """An alarm that was really raised. `end` is 0 while it is open; `again` says whether the tried threshold tells of it too."""

    alarm: int
    incident: int
    start: float
    end: float
    worst: float
    limit: float
    verdict: Truth
    again: bool
    kind: AlarmKind = "threshold"
    """Of one on the budget, `worst` and `limit` are log evidence, not values."""


class Point(msgspec.Struct, frozen=True):
    """A value; `time` is the end of its window (unix seconds). `low` and `high` are the levels it was held against."""

    time: float
    value: float | None
    n: int = 0
    low: float | None = None
    high: float | None = None


class Backtest(msgspec.Struct, frozen=True):
    """The answer. `real` counts real incidents of the endpoint that it would have told of, `missed` lists the others; `noise` counts
    alarms of incidents that people called false, `alone` those while no incident was open. `windows` had evidence."""

    monitor: str
    rule: Rule
    start: float
    end: float
    step: float
    would: list[Would]
    was: list[Was]
    real: int
    missed: list[int]
    noise: int
    alone: int
    seconds: float
    windows: int
    words: str


def backtest(past: Past, rule: Rule) -> Backtest:
    """Try a rule on a past that was read with the same `over` and `relative_to`.

    >>> monitor = Monitor("a/output.null", "a", "output.null")
    >>> values = [Value(0.0, 100), Value(0.2, 100), Value(0.3, 100), Value(0.0, 100), Value(0.0, 100)]
    >>> past = Past(monitor, 0.0, 18000.0, 3600.0, 3600.0, [3600.0 * n for n in range(1, 6)], values, [None] * 5, [], [])
    >>> found = backtest(past, Rule(max=0.1))
    >>> [(one.start, one.end, one.worst) for one in found.would]
    [(7200.0, 14400.0, 0.3)]
    >>> found.words
    'It would have told once, while nothing was known to be wrong.'
    """
    told = told_of(msgspec.structs.replace(past.monitor, rule=rule), past.times, past.values, past.baselines, past.step)
    would = [_placed(one, past) for one in told]
    real = [one for one in past.incidents if one.verdict == "real"]
    found = {one.id for one in real if any(_meet(w.start, w.end, one, past) for w in would)}
    was = [_was(one, would, past) for one in past.alarms]
    windows = sum(1 for value in past.values if value is not None and value.n >= rule.min_rows)
    noise, alone = sum(1 for one in would if one.verdict == "false"), sum(1 for one in would if not one.incident)
    missed = [one.id for one in real if one.id not in found]
    return Backtest(
        past.monitor.id, rule, past.start, past.end, past.step, would, was, len(found), missed, noise, alone,
        sum(one.end - one.start for one in would), windows, _words(would, len(found), missed, noise, alone, windows),
    )  # fmt: skip


def points(past: Past, rule: Rule | None = None) -> list[Point]:
    """The values to draw, and the levels of a rule at each (they move with a relative rule's baseline)."""
    found = []
    for at, value, baseline in zip(past.times, past.values, past.baselines, strict=True):
        low = high = None
        if rule is not None and (levels := limits(rule, baseline)) is not None:
            low, high = (level if abs(level) != float("inf") else None for level in levels)
        found.append(Point(at, value.value if value else None, value.n if value else 0, low, high))
    return found


def told_of(
    monitor: Monitor,
    times: Sequence[float],
    values: Sequence[Value | None],
    baselines: Sequence[float | None],
    step: float,
) -> list[Would]:
    """The alarms that a monitor would have raised over values of windows that end at `times`, `step` seconds apart."""
    rule = monitor.rule
    if rule is None:
        return []
    # One look a window: what lasts shorter than a step is over, or holds, at the next look.
    hold, clear = (seconds if seconds >= step else 0.0 for seconds in (rule.hold, rule.clear))
    made = msgspec.structs.replace(monitor, rule=msgspec.structs.replace(rule, hold=hold, clear=clear))
    alarm: Alarm | None = None
    found: list[Would] = []
    for at, value, baseline in zip(times, values, baselines, strict=True):
        before = alarm
        alarm = advance(alarm, made, value, at, baseline=baseline, longest=step)
        if alarm is None:
            continue
        fires = alarm.state == "firing"
        if fires and (before is None or before.state != "firing"):
            found.append(Would(at, at, alarm.value, alarm.limit, True))
        if found and found[-1].open:
            worst = alarm.worst if alarm.worst is not None else found[-1].worst
            found[-1] = Would(found[-1].start, at, worst, found[-1].limit, fires)
    return found


def _placed(one: Would, past: Past) -> Would:
    """With the incident that was open then; one that people judged rather than one they did not."""
    order: dict[str, int] = {"real": 0, "false": 1, "": 2}
    there = sorted(
        (incident for incident in past.incidents if _meet(one.start, one.end, incident, past)), key=lambda incident: order[incident.verdict]
    )  # fmt: skip
    return msgspec.structs.replace(one, incident=there[0].id, verdict=there[0].verdict) if there else one


def _was(alarm: Alarm, would: Sequence[Would], past: Past) -> Was:
    end = alarm.ended or past.end
    again = any(one.start <= end + past.step and alarm.fired - past.step <= one.end for one in would)
    worst = alarm.worst if alarm.worst is not None else alarm.value
    return Was(alarm.id, alarm.incident, alarm.fired, alarm.ended, worst, alarm.limit, alarm.verdict, again, alarm.kind)


def _meet(start: float, end: float, incident: Incident, past: Past) -> bool:
    """Whether they overlap, within the window that a value is of."""
    slack = past.step
    return start - max(slack, past.over) <= (incident.ended or past.end) and incident.opened - slack <= end


def _words(would: Sequence[Would], real: int, missed: Sequence[int], noise: int, alone: int, windows: int) -> str:
    if not windows:
        return "There is no value in this past to try it on."
    if not would:
        text = "It would have told of nothing"
        return f"{text}: {len(missed)} real incident{_s(len(missed))} missed." if missed else f"{text}."
    parts = []
    if real or missed:
        parts.append(f"of {real} of {real + len(missed)} real incident{_s(real + len(missed))}")
    if noise:
        parts.append(f"{_times(noise)} while somebody called it false")
    if alone:
        parts.append(
            f"{_times(alone)} while nothing was known to be wrong"
            if len(would) != alone
            else "while nothing was known to be wrong"
        )
    return f"It would have told {_times(len(would))}" + (f", {', '.join(parts)}." if parts else ".")


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _s(count: int) -> str:
    return "" if count == 1 else "s"
