"""run/monitoring.json: what ingest is told of monitoring. Written by the monitor process from the desired state."""

from __future__ import annotations

from pathlib import Path

import msgspec


class EndpointSettings(msgspec.Struct, omit_defaults=True):
    """One endpoint. `stable` is the version whose reference is what inputs are held against; `files` are the versions'
    reference files. The other fields are profiles.options.ProfileOptions."""

    model: str
    stable: str
    files: dict[str, str] = {}
    reference: str = "training"
    first_rows: int = 5000
    segments: list[str] = []
    season: str = "none"
    time_column: str = "time"
    minimum_effect: float = 0.03
    ignore: list[str] = []
    personal: list[str] = []
    """Columns with personal data: a sketch keeps values, so that they are in none."""


class MonitoringSettings(msgspec.Struct, omit_defaults=True):
    """All endpoints, and how long profiles are kept (seconds)."""

    endpoints: dict[str, EndpointSettings] = {}
    minutes: float = 86400.0
    hours: float = 7776000.0
    days: float = 157680000.0


def read_settings(path: Path) -> MonitoringSettings:
    """What was last written; the defaults where there is nothing that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=MonitoringSettings)
    except (OSError, msgspec.MsgspecError):
        return MonitoringSettings()
