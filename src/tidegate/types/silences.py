"""Who says nothing: silences match alarms by a glob over monitor ids.

severity/input.*   all inputs of one endpoint         severity   the endpoint         *   everything
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from fnmatch import fnmatchcase

from tidegate.types.monitoring import Alarm, Silence


def silenced(monitor: str, silences: Iterable[Silence], now: float) -> Silence | None:
    """The silence that keeps a monitor quiet at `now`, the longest one; None for none.

    >>> rule = Silence(1, "loan/input.*", 100.0, "a batch job", "cli:ada", 0.0)
    >>> silenced("loan/input.missing.age", [rule], 50.0) is rule, silenced("loan/output.null", [rule], 50.0)
    (True, None)
    """
    found = [one for one in silences if one.until > now and matches(monitor, one.match)]
    return max(found, key=lambda one: one.until) if found else None


def matches(monitor: str, match: str) -> bool:
    """Whether a pattern means this monitor; an endpoint's name alone means all of its monitors."""
    return fnmatchcase(monitor, match) or fnmatchcase(monitor.partition("/")[0], match)


def quiet(alarms: Iterable[Alarm], silences: Iterable[Silence], now: float, muted: Container[str] = ()) -> bool:
    """Whether nobody is told of an incident with these alarms: all that are open are silenced, or their monitors muted."""
    kept = list(silences)
    every = list(alarms)
    open_ones = [alarm for alarm in every if alarm.open] or every
    return bool(open_ones) and all(one.monitor in muted or silenced(one.monitor, kept, now) for one in open_ones)
