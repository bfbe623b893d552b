"""run/monitor.json: what the monitor process says of itself and of the figures it saw last. Written each look.

monitor process --save_report--> run/monitor.json --load_report--> /metrics, views
"""

from __future__ import annotations

import msgspec

from tidegate.storage.layout import Layout, write_atomic
from tidegate.types.monitoring import Monitor


class Figure(msgspec.Struct, omit_defaults=True):
    """A metric's newest value. `limit` is the threshold it was held against, where it has one."""

    endpoint: str
    metric: str
    value: float
    n: int = 0
    version: str = ""
    segment: str = ""
    limit: float | None = None


class BuiltIn(msgspec.Struct, omit_defaults=True):
    """A monitor that nobody wrote down: of an objective (`slo.`), or that anything comes at all (`dead.`). Its number is 0. `value` is
    a burn rate, requests in the window, or seconds, held against `limit`; None while there is no evidence."""

    monitor: Monitor
    value: float | None = None
    limit: float | None = None


class MonitorReport(msgspec.Struct, omit_defaults=True):
    """Times in unix seconds. `alarms` counts open ones by state, `firing` those that fire by severity; `limit` is ln A, the
    threshold that every detector on the budget has."""

    pid: int
    time: float
    alarms: dict[str, int] = {}
    firing: dict[str, int] = {}
    incidents: int = 0
    monitors: int = 0
    streams: int = 0
    limit: float = 0.0
    allowed: float = 0.0
    raised: int = 0
    false: int = 0
    left: float = 0.0
    look_seconds: float = 0.0
    error: str = ""
    figures: list[Figure] = []
    peaks: dict[str, float] = {}
    """By monitor of a stream: the highest ln M that was looked at; a restart doesn't take it for news."""
    built_in: list[BuiltIn] = []

    def own(self, id: str) -> BuiltIn | None:
        """The built-in monitor with this id."""
        return next((one for one in self.built_in if one.monitor.id == id), None)


def save_report(layout: Layout, report: MonitorReport) -> None:
    """Replace the report."""
    write_atomic(layout.run / "monitor.json", msgspec.json.encode(report))


def load_report(layout: Layout) -> MonitorReport | None:
    """The newest; None where there is none."""
    try:
        return msgspec.json.decode((layout.root / "run" / "monitor.json").read_bytes(), type=MonitorReport)
    except (OSError, msgspec.MsgspecError):
        return None
