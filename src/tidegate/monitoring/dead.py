"""The dead man's switch: that nothing comes is an alarm too.

    requests of the last `window`, of the same time on earlier days and weeks, of the hour before --silent--> Reading
    run/ingest.json, run/processes.json ------------------------------------------ingest, gateway-----------> Reading

An endpoint is expected to have traffic by what it had at the same time on earlier days (their median), and where there
are too few of those by the hour before. Expecting fewer than 20 requests in the window, nobody can tell. The readings'
alarms have a hold of their own, so that a clock that was set says nothing for the moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec

from tidegate.monitoring.alarm import Reading
from tidegate.storage.log.status import IngestStatus
from tidegate.types.monitoring import Rule
from tidegate.types.processes import Processes

EXPECTED = 20.0
DAYS = (1, 2, 3, 4, 5, 6, 7, 14, 21)
"""Days ago at which the same window is looked at."""
FEWEST_DAYS = 3
BEHIND = 120.0
"""Seconds that ingest may be behind, and that its status may be old."""

RULE = Rule(hold=30.0, clear=10.0, min_rows=0)
PROCESS_RULE = Rule(hold=20.0, clear=10.0, min_rows=0)


class Traffic(msgspec.Struct, frozen=True):
    """Requests: `now` in the last `window` seconds, `hour` in the hour before those, `earlier` in the same window on earlier
    days on which the endpoint was there at all."""

    window: float
    now: int
    hour: int
    earlier: Sequence[int] = ()


def expected(traffic: Traffic) -> float:
    """How many requests should have come in the window.

    >>> expected(Traffic(600, 0, hour=600)), expected(Traffic(600, 0, hour=600, earlier=[0, 2, 0, 0]))
    (100.0, 0.0)
    """
    if len(traffic.earlier) >= FEWEST_DAYS:
        return float(median(traffic.earlier))
    return traffic.hour * traffic.window / 3600.0


def silent(traffic: Traffic) -> Reading | None:
    """Whether an endpoint has fallen silent; None where nobody can tell."""
    usual = expected(traffic)
    if traffic.now > 0:
        return Reading("inside", float(traffic.now), usual)
    if usual < EXPECTED:
        return None
    minutes = traffic.window / 60.0
    text = f"{minutes:g} minute" + ("s" if minutes != 1 else "")
    return Reading("outside", 0.0, usual, "page", f"no request for {text}; {usual:.0f} are usual in that time")


def ingest(status: IngestStatus | None, now: float) -> Reading | None:
    """Whether ingest is dead or behind; None where it never ran."""
    if status is None:
        return None
    age = now - status.time
    if status.state == "stopped":
        return None
    if age > BEHIND:
        return Reading(
            "outside", age, BEHIND, "page", f"ingest has said nothing for {age:.0f} s: profiles and alarms stand still"
        )
    if status.lag_seconds > BEHIND:
        said = f"ingest is {status.lag_seconds:.0f} s behind the journal" + (
            f": {status.error}" if status.error else ""
        )
        return Reading("outside", status.lag_seconds, BEHIND, "page", said)
    if status.state == "retrying":
        return Reading("outside", float(status.retries), 0.0, "page", f"ingest can't write: {status.error}")
    return Reading("inside", status.lag_seconds, BEHIND)


def gateway(processes: Processes | None) -> Reading | None:
    """Whether no gateway answers; None where the supervisor has said nothing."""
    found = [one for one in processes.processes if one.kind == "gateway"] if processes is not None else []
    if not found:
        return None
    ready = sum(1 for one in found if one.state == "ready")
    if ready:
        return Reading("inside", float(ready), 1.0)
    why = "; ".join(sorted({one.reason for one in found if one.reason}))
    return Reading("outside", 0.0, 1.0, "page", "no gateway is ready" + (f": {why}" if why else ""))
