"""The budget of false alarms -> the threshold of every detector.

    B false alarms a month; stream i meets N_i rows a month in blocks of b_i rows
    Shiryaev-Roberts alarms at M >= A at most once in A blocks on average, so sum_i N_i / (b_i A) = B

        A = sum_i N_i / b_i / B          (of m equal streams: m N / (b B) blocks)

A stream of weight w has A_i = A / w and w times its share of the budget: A = sum_i w_i N_i / b_i / B. One A for the whole
project: a stream that has a threshold of its own, is retired, or is muted and so tells nobody leaves the sum, and the others
become more sensitive. Source: Shin, Ramdas & Rinaldo, "E-detectors" (2203.03532), corollary 2.5.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import msgspec

from tidegate.monitoring.alarm import Reading
from tidegate.monitoring.ids import monitor_id, stream_id, stream_metric
from tidegate.types.monitoring import Alarm, Monitor, StreamView

MONTH = 30 * 86400.0
FEWEST_ROWS = 100_000.0
"""A stream counts for at least so many rows a month: a project of its first hour is no hair trigger."""
SHORTEST = 86400.0
"""Seconds that a rate is taken over at least: a burst is no month."""


class Budget(msgspec.Struct, frozen=True):
    """`allowed` false alarms a month; `limit` is ln A, in blocks. `raised` alarms in the last 30 days, of which people have
    called `false` so many; `left` of the budget."""

    allowed: float
    streams: int
    blocks: float
    limit: float
    raised: int = 0
    false: int = 0

    @property
    def left(self) -> float:
        """False alarms that may still come in these 30 days."""
        return max(self.allowed - self.false, 0.0)


def a_month(rows: float, seconds: float) -> float:
    """Rows a month, of rows seen in the last `seconds` (at most a month of them).

    >>> a_month(2_000_000, 86400)
    60000000.0
    """
    return max(rows * MONTH / min(max(seconds, SHORTEST), MONTH), FEWEST_ROWS)


def speaks(monitor: Monitor, now: float) -> bool:
    """Whether a monitor tells people: it is active, or muted until a moment that has passed. A muted one still watches."""
    return monitor.state == "active" or (monitor.state == "muted" and 0.0 < monitor.until <= now)


def on_budget(streams: Iterable[StreamView], monitors: Mapping[str, Monitor]) -> list[tuple[StreamView, Monitor]]:
    """Streams with their monitors, where those aren't retired and have no threshold of their own (nor one of all versions)."""
    found = []
    for view in streams:
        monitor = monitors.get(stream_id(view))
        whole = monitors.get(monitor_id(view.endpoint, stream_metric(view)))
        if monitor is None or monitor.rule is not None or monitor.state == "retired":
            continue
        if whole is not None and whole.rule is not None and whole.state != "retired":
            continue
        found.append((view, monitor))
    return found


def budget(
    allowed: float,
    streams: Iterable[tuple[StreamView, float]],
    alarms: Iterable[Alarm] = (),
    weights: Mapping[str, float] | None = None,
) -> Budget:
    """The threshold of streams with their rows a month, and how the last 30 days went. `weights` by monitor's id (1 else).

    >>> views = [(StreamView("loan", "input", name, "number"), 1_000_000.0) for name in "abcdefgh"]
    >>> found = budget(2.0, views)
    >>> found.blocks, round(found.limit, 2)
    (250000.0, 12.43)
    """
    counted = list(streams)
    shares = weights or {}
    blocks = sum(shares.get(stream_id(v), 1.0) * max(rows, FEWEST_ROWS) / v.block for v, rows in counted) / allowed
    raised = [alarm for alarm in alarms if alarm.kind == "budget" and alarm.fired]
    false = sum(1 for alarm in raised if alarm.verdict == "false")
    return Budget(allowed, len(counted), blocks, math.log(max(blocks, math.e)), len(raised), false)


def reading(view: StreamView, limit: float, seen: float, message: str = "") -> Reading | None:
    """A stream as a condition. `seen` is the peak that was met before (-inf: none): a higher one between two looks counts.

    Inside again where M is below the root of A: the lead is gone, and chance alone rarely keeps it so high.
    """
    if not view.rows:
        return None
    highest = max(view.log_m, view.peak if view.peak > seen else -math.inf)
    if highest >= limit:
        return Reading("outside", view.log_m, limit, message=message)
    return Reading("inside" if view.log_m < limit / 2.0 else "between", view.log_m, limit)
