"""Verdicts move thresholds. Each move is a proposal in words, and once applied a number of its own, which can be undone.

false alarms      --> widen:   just above the values that were nothing, never past the smallest that was something
missed, late ones --> tighten: just below what was missed, never into the values of quiet times
on the budget     --> its weight, and so its share of the false alarms allowed: halved after false ones, doubled after real ones

With f the second largest value of the false alarms and r the smallest of the real ones (of a `max`; of a `min` mirrored):

    widened   = f + margin |f|, but at most the middle of f and r, where f < r;  no move where r <= f or fewer than two false
    tightened = m - margin |m|, but at least the middle of q and m

q is the largest value of quiet times, m the smallest that a real incident reached without an alarm, of those that are clearly
outside quiet times (1.5 times as far from their median as q): most incidents show elsewhere. The second largest, because a
single verdict given by mistake must not blind a monitor: a real alarm that somebody called false moves nothing as long as it is
the only one of its size. A mistaken `real` only holds a threshold where it is.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec

from tidegate.metrics import registry
from tidegate.types.monitoring import Alarm, Monitor

FALSE_ALARMS = 2
"""False verdicts since the last change that it takes to widen."""
CLEARLY = 1.5
SMALLEST, LARGEST = 1.0 / 16.0, 4.0
"""Weights that adaptation keeps within: a stream never goes quite deaf, and never takes the whole budget."""


class Adaptation(msgspec.Struct, frozen=True):
    """A change that the verdicts speak for: the monitor as it would be, and why."""

    before: Monitor
    after: Monitor
    why: str


def adapt(
    monitor: Monitor,
    alarms: Sequence[Alarm],
    *,
    missed: Sequence[float] = (),
    quiet: Sequence[float] = (),
) -> Adaptation | None:
    """What the verdicts on a monitor's alarms speak for; None where they speak for nothing.

    `alarms` are all of its own, of any age; false ones count from the monitor's last change on (`monitor.time`), real ones
    for ever. `missed` are the metric's farthest values in real incidents of which it didn't tell (or told late), `quiet`
    its values when nothing was wrong, both in the metric's unit. Relative rules are left alone: their limit moves by itself.

    >>> from tidegate.types.monitoring import Rule
    >>> monitor = Monitor("a/output.null", "a", "output.null", Rule(max=0.01))
    >>> def alarm(value, verdict):
    ...     return Alarm(1, monitor.id, "a", monitor.metric, "resolved", fired=5.0, worst=value, limit=0.01, verdict=verdict)
    >>> adapt(monitor, [alarm(0.02, "false"), alarm(0.021, "false"), alarm(0.3, "real")]).after.rule.max
    0.021
    """
    if monitor.state == "retired":
        return None
    fired = [alarm for alarm in alarms if alarm.fired and alarm.verdict]
    fresh = [alarm for alarm in fired if alarm.fired >= monitor.time]
    if monitor.rule is None:
        return _reweigh(monitor, fresh)
    if monitor.rule.relative_to:
        return None
    for bound in ("max", "min"):
        limit = getattr(monitor.rule, bound)
        if limit is None:
            continue
        sign = 1.0 if bound == "max" else -1.0
        values = {
            verdict: [
                sign * alarm.worst
                for alarm in (fresh if verdict == "false" else fired)
                if alarm.verdict == verdict and alarm.worst is not None and sign * (alarm.worst - alarm.limit) > 0
            ]
            for verdict in ("real", "false")
        }
        moved = _widened(sign * limit, values["false"], values["real"], monitor.rule.margin)
        why = _why(monitor, sign, values["false"], values["real"])
        if moved is None:
            low = [sign * value for value in missed if sign * (limit - value) >= 0]
            moved = _tightened(sign * limit, low, [sign * value for value in quiet], monitor.rule.margin)
            why = f"{len(low)} real {_plural(len(low), 'incident')} came without an alarm, and at least one showed here"
        if moved is not None:
            rule = msgspec.structs.replace(monitor.rule, **{bound: float(f"{sign * moved:.4g}")})
            if rule != monitor.rule:
                return Adaptation(monitor, _next(monitor, rule=rule, reason=why), why)
    return None


def _widened(limit: float, false: Sequence[float], real: Sequence[float], margin: float) -> float | None:
    if len(false) < FALSE_ALARMS:
        return None
    top = sorted(false)[-2]
    if real and min(real) <= top:  # what was nothing reaches as far as what was something: no limit tells them apart
        below = [value for value in sorted(false) if value < min(real)]
        if len(below) < FALSE_ALARMS:
            return None
        top = below[-1]
    moved = top + margin * abs(top)
    if real:
        moved = min(moved, (top + min(real)) / 2.0)
    return moved if moved > limit else None


def _tightened(limit: float, missed: Sequence[float], quiet: Sequence[float], margin: float) -> float | None:
    if not missed or not quiet:
        return None
    usual, middle = max(quiet), statistics.median(quiet)
    visible = [value for value in missed if value > middle + CLEARLY * (usual - middle)]
    if not visible:
        return None
    least = min(visible)
    moved = max(least - margin * abs(least), (usual + least) / 2.0)
    return moved if usual < moved < limit else None


def _reweigh(monitor: Monitor, alarms: Sequence[Alarm]) -> Adaptation | None:
    real = sum(1 for alarm in alarms if alarm.verdict == "real")
    false = len(alarms) - real
    if false >= FALSE_ALARMS and false > real:
        weight, word = max(monitor.weight / 2.0, SMALLEST), "halved"
    elif real and real > false:
        weight, word = min(monitor.weight * 2.0, LARGEST), "doubled"
    else:
        return None
    if weight == monitor.weight:
        return None
    why = f"{real} real and {false} false {_plural(real + false, 'alarm')} since its last change: its share of the budget is {word}"
    return Adaptation(monitor, _next(monitor, weight=weight, reason=why), why)


def _next(monitor: Monitor, **changes: object) -> Monitor:
    return msgspec.structs.replace(monitor, source="adapted", **changes)


def _why(monitor: Monitor, sign: float, false: Sequence[float], real: Sequence[float]) -> str:
    if not false:
        return ""
    text = f"{len(false)} false alarms, up to {_shown(monitor, sign, max(false))}"
    return text + (f"; the mildest real one was {_shown(monitor, sign, min(real))}" if real else "; no real one")


def _shown(monitor: Monitor, sign: float, value: float) -> str:
    return registry.shown(monitor.metric, sign * value)


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"
