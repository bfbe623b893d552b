"""Which monitors earned their place: from what their alarms came to, and from how far their values moved without any.

    Record (alarms with verdicts, closeness, days) --judge--> Usefulness: keep, tune, retire, label or wait, and why

| what was seen                                                     | proposal                                         |
|-------------------------------------------------------------------|--------------------------------------------------|
| at least as many real verdicts as false ones                      | keep                                             |
| real ones, but more false ones                                    | tune (tidegate.monitoring.adapt says how)        |
| no real one, or one in ten and fewer, of 3 false in 60 days      | retire                                           |
| no real one, fewer false ones or fewer days                       | tune                                             |
| alarms, no verdicts                                               | label: somebody should say real or false         |
| no alarm in 30 days, and the value never moved                    | retire                                           |
| no alarm in 30 days, the value moves, but never towards the limit | tune: the limit may be too far to tell of anything |
| no alarm in 30 days, and the value came some of the way           | keep: it is quiet, not blind                     |
| no alarm yet, fewer than 30 days                                  | wait                                             |

One in ten, and not none at all, because people err: a single `real` given by mistake must not keep noise for ever.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from tidegate.types.monitoring import Alarm, Monitor

Proposal = Literal["keep", "tune", "retire", "label", "wait"]

NOISE = 3
"""False verdicts from which on a monitor without real ones is proposed for retirement: more than tuning leaves of one that
tells of something rare."""
LONG = 60.0
"""Days that it takes as well: what it watches for may not have happened yet."""
SLIP = 0.1
"""Real verdicts for each false one that count as slips of the people who judge."""
DAYS = 30.0
STILL = 0.1
"""A value that went less than this share of the way from its usual place to its limit has not moved."""


class Record(msgspec.Struct, frozen=True):
    """What is known of one monitor. `closeness` is how much of the way from the usual value to the limit the value went at
    most without an alarm (1: all of it), None where nobody knows; `days` how long it was watched."""

    monitor: Monitor
    alarms: Sequence[Alarm]
    days: float
    closeness: float | None = None
    moved: bool = True
    """Whether the value changed at all (by more than a hundredth)."""
    others: Sequence[Alarm] = ()
    """Alarms of the same endpoint's other monitors: who else told of an incident, and when."""
    budget_share: float = 0.0
    """Of one on the budget: its share of the false alarms allowed."""


class Usefulness(msgspec.Struct, frozen=True, omit_defaults=True):
    """A monitor's record in numbers, and what is proposed. `first` counts the real incidents that it told of before any other
    monitor, `alone` those that nobody else told of; `lead` is the median of seconds before the next one (of `first`)."""

    monitor: str
    proposal: Proposal
    why: str
    alarms: int = 0
    real: int = 0
    false: int = 0
    first: int = 0
    alone: int = 0
    lead: float | None = None
    closeness: float | None = None
    days: float = 0.0


def judge(record: Record) -> Usefulness:
    """The proposal for one monitor.

    >>> monitor = Monitor("a/input.mean.x", "a", "input.mean.x")
    >>> noise = [Alarm(n, monitor.id, "a", monitor.metric, "resolved", fired=1.0, verdict="false") for n in range(6)]
    >>> judge(Record(monitor, noise, 60.0)).proposal
    'retire'
    """
    fired = [alarm for alarm in record.alarms if alarm.fired]
    real = [alarm for alarm in fired if alarm.verdict == "real"]
    false = sum(1 for alarm in fired if alarm.verdict == "false")
    leads, alone = _leads(real, record.others)
    proposal, why = _propose(record, len(fired), len(real), false)
    if real and leads:
        why += f"; first to tell of {len(leads)}, {_span(statistics.median(leads))} ahead"
    if alone:
        why += f"; the only one to tell of {alone}"
    return Usefulness(
        record.monitor.id, proposal, why, len(fired), len(real), false, len(leads) + alone, alone,
        statistics.median(leads) if leads else None, record.closeness, record.days,
    )  # fmt: skip


def judge_all(records: Iterable[Record]) -> list[Usefulness]:
    """All that aren't retired; those that ask for something first."""
    order: dict[str, int] = {"retire": 0, "tune": 1, "label": 2, "keep": 3, "wait": 4}
    found = [judge(record) for record in records if record.monitor.state != "retired"]
    return sorted(found, key=lambda one: (order[one.proposal], -one.false, -one.real, one.monitor))


def _propose(record: Record, fired: int, real: int, false: int) -> tuple[Proposal, str]:
    share = f"; it holds {100 * record.budget_share:.0f}% of the budget" if record.budget_share else ""
    if real + false:
        counts = f"{real} real, {false} false" + (
            f", {fired - real - false} nobody judged" if fired > real + false else ""
        )
        if real <= SLIP * false:
            if false >= NOISE and record.days >= LONG:
                return "retire", f"only noise: {counts} in {record.days:.0f} days{share}"
            return (
                "tune",
                f"only false alarms so far: {counts}; after {NOISE} in {LONG:.0f} days it is proposed for retirement",
            )
        if false > real:
            return "tune", f"it tells of real things, but more often of nothing: {counts}"
        return "keep", f"it earned its place: {counts}"
    if fired:
        return (
            "label",
            f"{fired} alarms and no verdict; `tidegate alarms resolve ID --real` or `--false` says what they were",
        )
    if record.days < DAYS:
        return "wait", f"no alarm in {record.days:.0f} days; too early to say"
    if not record.moved:
        return "retire", f"never moved: the value was the same for {record.days:.0f} days{share}"
    if record.monitor.rule is not None and record.closeness is not None and record.closeness < STILL:
        way = f"{100 * record.closeness:.0f}% of the way to it at most"
        return (
            "tune",
            f"its limit is far from anything seen in {record.days:.0f} days ({way}); a closer one would tell of more",
        )
    far = f"; it came {100 * record.closeness:.0f}% of the way" if record.closeness is not None else ""
    return "keep", f"quiet for {record.days:.0f} days{far}"


def _leads(real: Sequence[Alarm], others: Iterable[Alarm]) -> tuple[list[float], int]:
    """Seconds from this alarm to the incident's next one by another monitor, where this was first; and where it was alone."""
    mine = {alarm.monitor for alarm in real}
    beside: dict[int, list[float]] = {}
    for alarm in others:
        if alarm.fired and alarm.incident and alarm.monitor not in mine:
            beside.setdefault(alarm.incident, []).append(alarm.fired)
    told: dict[int, float] = {}
    for number, alarm in enumerate(real):
        key = alarm.incident or -1 - number  # one that is in no incident is one of its own
        told[key] = min(told.get(key, alarm.fired), alarm.fired)
    leads = [min(beside[key]) - at for key, at in told.items() if key in beside and min(beside[key]) > at]
    return leads, sum(1 for key in told if key not in beside)


def _span(seconds: float) -> str:
    for size, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} s"
