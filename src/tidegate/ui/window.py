"""The window of time that a page shows, from its address: `?window=1h` (up to now) or `?from=...&to=...` (unix seconds).

>>> parse({"window": "6h"}, now=1_000_000.0).text
'Last 6 hours'
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import msgspec
from nicegui import context

from tidegate.types.units import parse_duration

CHOICES = (
    ("15m", "15 min"),
    ("1h", "1 hour"),
    ("6h", "6 hours"),
    ("24h", "24 hours"),
    ("2d", "2 days"),
    ("7d", "7 days"),
    ("30d", "30 days"),
    ("90d", "90 days"),
)
MOST_POINTS = 300
_STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)


class Window(msgspec.Struct, frozen=True):
    """From `start` to `end` (unix seconds, multiples of `step` seconds apart). A `live` one ends now: ask `moved()` for its newest."""

    start: float
    end: float
    step: float
    live: bool
    name: str
    text: str
    compare: str = ""

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start

    def moved(self, now: float | None = None) -> Window:
        """The same window, up to now."""
        return _last(self.name, self.seconds, self.compare, time.time() if now is None else now) if self.live else self


def parse(query: Mapping[str, str], default: str = "1h", now: float | None = None) -> Window:
    """The window an address asks for; what can't be read is the default's."""
    now = time.time() if now is None else now
    compare = query.get("compare", "")
    start, end = _number(query.get("from")), _number(query.get("to"))
    if start is not None and end is not None and 0 <= start < end <= now + 366 * 86400:
        step = step_of(end - start)
        span = f"{_clock(start)} to {_clock(end)}"
        return Window(start, end, step, False, "", span, compare)
    name = query.get("window") or default
    try:
        seconds = parse_duration(name)
    except ValueError:
        name, seconds = default, parse_duration(default)
    return _last(name, min(max(seconds, 60.0), 3 * 366 * 86400.0), compare, now)


def window(default: str = "1h") -> Window:
    """Of the page that is being built."""
    return parse(context.client.request.query_params, default)


def step_of(seconds: float) -> float:
    """The shortest step that gives at most 300 points: whole minutes, hours or days."""
    return float(next((step for step in _STEPS if seconds / step <= MOST_POINTS), _STEPS[-1]))


def _last(name: str, seconds: float, compare: str, now: float) -> Window:
    words = dict(CHOICES).get(name, name)
    return Window(now - seconds, now, step_of(seconds), True, name, f"Last {words}", compare)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _clock(moment: float) -> str:
    return time.strftime("%d %b %H:%M", time.gmtime(moment))
