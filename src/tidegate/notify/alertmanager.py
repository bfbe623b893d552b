"""`alertmanager+http://host:9093`: an incident as one alert of a Prometheus Alertmanager (API v2).

    firing   -> labels, startsAt, endsAt in 30 days: Alertmanager would else end it after its resolve_timeout
    resolved -> the same labels of either severity (it may have been raised meanwhile), endsAt now

Labels: alertname, project, endpoint, incident, severity. They alone tell alerts apart, so nothing that changes is in them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from tidegate.errors import ConfigError
from tidegate.notify.urls import mask
from tidegate.notify.webhook import post
from tidegate.types.monitoring import Notice

STAYS = 30 * 86400.0
TEST_STAYS = 60.0


class Alertmanager:
    """Posts to `<url>/api/v2/alerts`; a path before it (a proxy's prefix) is kept."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            raise ConfigError(
                f"monitoring.notify: {mask(url)} names no host; write it as alertmanager+http://HOST:9093"
            )
        path = parts.path.rstrip("/").removesuffix("/api/v2/alerts") + "/api/v2/alerts"
        self._url = urlunsplit((parts.scheme.removeprefix("alertmanager+"), parts.netloc, path, parts.query, ""))

    def send(self, notice: Notice) -> None:
        """Errors: NotifyError."""
        post(self._url, msgspec.json.encode(alerts(notice)), {"Content-Type": "application/json"})


def alerts(notice: Notice) -> list[dict[str, Any]]:
    """The notice as Alertmanager takes it."""
    severities = ("page", "ticket") if notice.kind == "resolved" else (notice.severity,)
    return [_alert(notice, severity) for severity in severities]


def _alert(notice: Notice, severity: str) -> dict[str, Any]:
    labels = {
        "alertname": "TidegateTest" if notice.kind == "test" else "TidegateIncident",
        "project": notice.project,
        "endpoint": notice.endpoint,
        "incident": str(notice.incident),
        "severity": severity,
    }
    alert: dict[str, Any] = {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {"summary": notice.title, "description": notice.body},
    }
    if notice.url:
        alert["generatorURL"] = notice.url
    if notice.kind == "resolved":
        alert["endsAt"] = _rfc3339(notice.time)
    else:
        alert["startsAt"] = _rfc3339(notice.time)
        alert["endsAt"] = _rfc3339(notice.time + (TEST_STAYS if notice.kind == "test" else STAYS))
    return alert


def _rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
