"""When something recurs: every so often, or at the times of a cron expression.

>>> Schedule("every", every=3600.0).last(7300.0), Schedule("cron", cron="0 3 * * *").last(4 * 3600.0)
(7200.0, 10800.0)
>>> Schedule("cron", cron="0 3 * * *").next(4 * 3600.0)
97200.0
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim, CronSimError

from tidegate.types.units import parse_duration

LEAST = 1.0
"""Seconds between two times: what is asked for more often is a service of its own."""


class Schedule(msgspec.Struct, frozen=True, omit_defaults=True):
    """`every` in seconds, counted from 1970 so that a restart changes nothing; or `cron`, five fields in `zone` (an IANA name)."""

    kind: Literal["every", "cron"]
    every: float = 0.0
    cron: str = ""
    zone: str = "UTC"

    def last(self, now: float) -> float:
        """The newest time that is due at `now` (unix seconds)."""
        if self.kind == "every":
            return now // self.every * self.every
        return self._cron(now + 1e-6, reverse=True)

    def next(self, now: float) -> float:
        """The first time after `now`."""
        if self.kind == "every":
            return (now // self.every + 1) * self.every
        return self._cron(now, reverse=False)

    def _cron(self, now: float, reverse: bool) -> float:
        if reverse:  # the expression holds for whole minutes, and the one that now begins counts
            now = now // 60 * 60 + 60
        return next(CronSim(self.cron, datetime.fromtimestamp(now, ZoneInfo(self.zone)), reverse=reverse)).timestamp()

    def __str__(self) -> str:
        if self.kind == "every":
            return f"every {self.every:g} s"
        return self.cron if self.zone == "UTC" else f"{self.cron} ({self.zone})"


def parse_schedule(text: Any, zone: str = "UTC") -> Schedule:
    """A cron expression of five fields, `@hourly`, `@daily`, `@weekly`, `@monthly`, or a duration such as `1h`.

    Errors: ValueError.

    >>> parse_schedule("15m").every, parse_schedule("0 3 * * 1").cron, parse_schedule("@daily").cron
    (900.0, '0 3 * * 1', '0 0 * * *')
    """
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as exc:  # OSError: the name of a folder
        raise ValueError(f"timezone {zone!r} is not known; write an IANA name such as Europe/Berlin") from exc
    raw = str(text).strip()
    cron = _NAMED.get(raw.lower(), raw)
    if len(cron.split()) == 5:
        try:
            CronSim(cron, datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)))
        except CronSimError as exc:
            raise ValueError(
                f"{raw!r} is not a cron expression ({exc}); write minute, hour, day, month, weekday: 0 3 * * *"
            ) from exc
        return Schedule("cron", cron=cron, zone=zone)
    try:
        every = parse_duration(raw)
    except ValueError as exc:
        raise ValueError(
            f"{raw!r} is no schedule; write a cron expression such as '0 3 * * *', @daily, or a duration such as 1h"
        ) from exc
    if every < LEAST:
        raise ValueError(f"{raw!r} is too often; at most once a second")
    return Schedule("every", every=every, zone=zone)


_NAMED = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}
