"""An alarm is a value, advanced by a pure function: what was seen and when are arguments.

    inactive --outside--> pending --outside for `hold`--> firing --a person--> acknowledged
        ^                    |                               |                    |
        +------- inside -----+            inside by `margin` for `clear` -> resolved <- a person says real or false

Time is counted between looks, at most `longest` seconds each: a clock that jumps and a machine that sleeps neither fire
nor resolve anything. No evidence (None, or fewer rows than the rule asks for) changes nothing. Between the threshold and
the margin a state stays as it is. An alarm that comes back within the hour has flapped: each time it must stay inside
twice as long before it ends, up to eight times. What a person ended stays quiet while the value is still outside, for a
day that was watched; then it fires again.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from tidegate.types.monitoring import Alarm, AlarmKind, Monitor, Rule, Severity, Truth, Value

LONGEST_LOOK = 10.0
"""Most seconds that one look adds: what wasn't watched doesn't count."""
FLAP = 3600.0
STILL = 86400.0
"""Seconds outside after which what a person has ended fires once more."""

Where = Literal["outside", "between", "inside"]


class Reading(msgspec.Struct, frozen=True):
    """One look at a condition: the value, the limit it is held against, and where it is."""

    where: Where
    value: float
    limit: float
    severity: Severity | None = None
    message: str = ""


def limits(rule: Rule, baseline: float | None = None) -> tuple[float, float] | None:
    """The lowest and the highest value allowed (infinite where there is none); None without the baseline it needs.

    A relative rule allows max and min as changes of the baseline: +0.2 is a fifth more.

    >>> limits(Rule(max=0.2, min=-0.5, relative_to="week"), 10.0)
    (5.0, 12.0)
    """
    low = -math.inf if rule.min is None else rule.min
    high = math.inf if rule.max is None else rule.max
    if not rule.relative_to:
        return low, high
    if baseline is None or not math.isfinite(baseline):
        return None
    size = abs(baseline)
    return (
        -math.inf if rule.min is None else baseline + rule.min * size,
        math.inf if rule.max is None else baseline + rule.max * size,
    )


def read(rule: Rule, value: Value | None, baseline: float | None = None) -> Reading | None:
    """Where a value is by a rule; None where it is no evidence (absent, too few rows, not a number).

    >>> read(Rule(max=0.05), Value(0.07, 100)).where, read(Rule(max=0.05), Value(0.049, 100)).where
    ('outside', 'between')
    """
    if value is None or math.isnan(value.value) or value.n < rule.min_rows:
        return None
    found = limits(rule, baseline)
    if found is None:
        return None
    low, high = found
    x = value.value
    if x > high:
        return Reading("outside", x, high)
    if x < low:
        return Reading("outside", x, low)
    # Of a threshold of 0 nothing is inside by a share of it: at the threshold is inside.
    calm = (not math.isfinite(high) or x <= high - rule.margin * abs(high)) and (
        not math.isfinite(low) or x >= low + rule.margin * abs(low)
    )
    nearer = high if not math.isfinite(low) or (math.isfinite(high) and high - x < x - low) else low
    return Reading("inside" if calm else "between", x, nearer)


def advance(
    alarm: Alarm | None,
    monitor: Monitor,
    value: Value | None,
    now: float,
    *,
    baseline: float | None = None,
    longest: float = LONGEST_LOOK,
) -> Alarm | None:
    """One look at a monitor with a rule. `alarm` is the monitor's newest (None for none yet); so is the answer.

    A replay that looks every minute passes `longest=60`.

    >>> monitor = Monitor("loan/output.null", "loan", "output.null", Rule(max=0.01, hold=10))
    >>> first = advance(None, monitor, Value(0.5, 100), 1000.0)
    >>> first.state, advance(first, monitor, Value(0.5, 100), 1010.0).state
    ('pending', 'firing')
    """
    if monitor.rule is None:
        return alarm
    return step(alarm, monitor, read(monitor.rule, value, baseline), now, longest=longest)


def step(
    alarm: Alarm | None,
    monitor: Monitor,
    reading: Reading | None,
    now: float,
    *,
    kind: AlarmKind = "threshold",
    longest: float = LONGEST_LOOK,
) -> Alarm | None:
    """One look at any condition. Of a new alarm the id is 0; one that never fired is used again."""
    rule = monitor.rule or Rule()
    if alarm is None or alarm.state in ("inactive", "resolved"):
        return _begin(alarm, monitor, reading, now, kind, rule, longest)
    spent = _spent(alarm, now, longest)
    alarm = msgspec.structs.replace(alarm, looked=now, rule=monitor.rule)
    if reading is None:
        return alarm
    alarm = msgspec.structs.replace(
        alarm, value=reading.value, limit=reading.limit, severity=reading.severity or monitor.severity,
        message=reading.message or alarm.message, worst=_worst(alarm.worst, reading),
    )  # fmt: skip
    if alarm.state == "pending":
        if reading.where == "inside":
            return msgspec.structs.replace(alarm, state="inactive", ended=now)
        held = alarm.held + (spent if reading.where == "outside" else 0.0)
        return _held(msgspec.structs.replace(alarm, held=held), rule, now, reading.where)
    if reading.where != "inside":
        return msgspec.structs.replace(alarm, calm=0.0, inside=0.0)
    calm = alarm.calm + (spent if alarm.inside else 0.0)
    alarm = msgspec.structs.replace(alarm, calm=calm, inside=alarm.inside or now)
    if calm >= rule.clear * min(2**alarm.flaps, 8):
        return msgspec.structs.replace(alarm, state="resolved", ended=now)
    return alarm


def _begin(
    last: Alarm | None,
    monitor: Monitor,
    reading: Reading | None,
    now: float,
    kind: AlarmKind,
    rule: Rule,
    longest: float,
) -> Alarm | None:
    if last is not None and _quiet(last):
        if reading is None:
            return last
        if reading.where == "inside":
            return msgspec.structs.replace(last, inside=now, looked=now)
        last = msgspec.structs.replace(last, calm=last.calm + _spent(last, now, longest), looked=now)
        if last.calm < STILL or reading.where != "outside":
            return last
    if reading is None or reading.where != "outside":
        return last
    again = last is not None and last.state == "resolved" and not last.actor and 0.0 <= now - last.ended < FLAP
    id = last.id if last is not None and last.state == "inactive" else 0
    severity = reading.severity or monitor.severity
    made = Alarm(
        id, monitor.id, monitor.endpoint, monitor.metric, "pending", severity, monitor.version, monitor.segment,
        since=now, value=reading.value, limit=reading.limit, message=reading.message, kind=kind, looked=now, worst=reading.value,
        rule=monitor.rule, flaps=last.flaps + 1 if last is not None and again else 0,
    )  # fmt: skip
    return _held(made, rule, now, reading.where)


def _held(alarm: Alarm, rule: Rule, now: float, where: Where) -> Alarm:
    if where == "outside" and alarm.held >= rule.hold:
        return msgspec.structs.replace(alarm, state="firing", fired=now, calm=0.0, inside=0.0)
    return alarm


def _worst(before: float | None, reading: Reading) -> float | None:
    if reading.where != "outside":
        return before
    farther = before is None or abs(reading.value - reading.limit) > abs(before - reading.limit)
    return reading.value if farther else before


def _quiet(alarm: Alarm) -> bool:
    """Whether a person ended it while the value was outside, and it has been ever since."""
    return alarm.state == "resolved" and bool(alarm.actor) and not alarm.inside


def _spent(alarm: Alarm, now: float, longest: float) -> float:
    return min(max(now - alarm.looked, 0.0), longest) if alarm.looked else 0.0


def acknowledge(alarm: Alarm, actor: str, note: str = "") -> Alarm:
    """Somebody looks after it. Only of one that fires; any other stays as it is."""
    if alarm.state != "firing":
        return alarm
    return msgspec.structs.replace(alarm, state="acknowledged", actor=actor, note=note or alarm.note)


def resolve(alarm: Alarm, verdict: Truth, actor: str, now: float, note: str = "") -> Alarm:
    """A person ends it and says whether it told of something. Of one that has ended, the verdict alone."""
    note = note or alarm.note
    if not alarm.open:
        return msgspec.structs.replace(alarm, verdict=verdict or alarm.verdict, note=note)
    return msgspec.structs.replace(
        alarm, state="resolved", ended=now, verdict=verdict or alarm.verdict, actor=actor, note=note, calm=0.0
    )


def end(alarm: Alarm, now: float, note: str) -> Alarm:
    """Its monitor was muted or retired, or is there no more."""
    state: Literal["inactive", "resolved"] = "inactive" if alarm.state == "pending" else "resolved"
    return msgspec.structs.replace(alarm, state=state, ended=now, inside=now, note=note)
