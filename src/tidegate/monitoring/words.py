"""What alarms and notices say. Figures in the metric's own unit; a limit beside every value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tidegate.errors import ConfigError
from tidegate.metrics import registry
from tidegate.monitoring.alarm import Reading
from tidegate.monitoring.findings import said
from tidegate.types.monitoring import Alarm, Incident, Monitor, Notice, StreamView

NEXT = "tidegate alarms show {id}"


def of_value(monitor: Monitor, reading: Reading) -> str:
    """`input.missing.Humidity is 12.1%, above 5%`."""
    over = reading.value > reading.limit
    text = f"{monitor.metric} is {_shown(monitor.metric, reading.value)}, "
    text += f"{'above' if over else 'below'} {_shown(monitor.metric, reading.limit)}"
    rule = monitor.rule
    if rule is not None and rule.relative_to:
        change = rule.max if over else rule.min
        against = {"reference": "the reference", "week": "the same hours a week ago", "stable": "the stable version"}
        text += f" ({change:+.0%} of {against[rule.relative_to]})"
    return text + _where(monitor)


def of_stream(view: StreamView, monitor: Monitor) -> str:
    """`Humidity (input) is lower than usual, 0.21 from the reference`."""
    if view.side == "quality":
        return f"{view.column} is higher than usual{_where(monitor)}"
    text = said(view.top, view.kind)
    verb = "is" if text.split()[0] in ("higher", "lower", "more", "less") else "has"
    where = f" of version {monitor.version}" if monitor.version else ""
    return f"{view.column} ({view.side}{where}) {verb} {text}, {view.effect:.2f} from the reference"


def _where(monitor: Monitor) -> str:
    text = f", version {monitor.version}" if monitor.version else ""
    return text + (f", where {monitor.segment}" if monitor.segment else "")


def _shown(metric: str, value: float) -> str:
    try:
        return registry.shown(metric, value)
    except ConfigError:
        return f"{value:.4g}"


def notice(project: str, kind: str, incident: Incident, alarms: Sequence[Alarm], now: float, url: str) -> Notice:
    """What notifiers are given of an incident."""
    where = "the project" if incident.endpoint == "*" else incident.endpoint
    began = "ended" if kind == "resolved" else "alarm"
    lines = [incident.cause]
    lines += [
        f"- {finding.column}: {finding.what}" + (f" ({finding.before} -> {finding.now})" if finding.before else "")
        for finding in incident.findings[:5]
    ]
    firing = [alarm for alarm in alarms if alarm.open]
    lines += [f"- {alarm.message}" for alarm in firing[:5] if alarm.message and alarm.message not in incident.cause]
    if incident.harm in ("harmful", "harmless"):
        verdict = "worse" if incident.harm == "harmful" else "as good as before, so far"
        lines.append(f"Answers are {verdict}" + (f": {incident.harm_words}" if incident.harm_words else "."))
    if incident.examples:
        lines.append("Examples: " + ", ".join(incident.examples[:3]))
    lines.append(NEXT.format(id=incident.id))
    return Notice(
        project=project, kind="resolved" if kind == "resolved" else "firing", severity=incident.severity,
        title=f"{where}: {began}, {incident.cause}" if kind == "resolved" else f"{where}: {incident.cause}",
        body="\n".join(lines), endpoint="" if incident.endpoint == "*" else incident.endpoint, incident=incident.id,
        time=now, alarms=[_plain(alarm) for alarm in alarms], findings=[_plain(one) for one in incident.findings],
        url=url,
    )  # fmt: skip


def _plain(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(value)
    return found
