"""Whether what comes in has changed: run/drift.json, as the monitor process writes it every few seconds.

    {"time": 1760000000.0, "endpoints": {"severity": "Humidity is higher than usual (0.31 of its distribution moved)"}}

An endpoint is named while an incident about its inputs is firing; once somebody has acknowledged it, the rollout may go on.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

STALE = 60.0
"""Seconds after which a file that nobody renewed says nothing any more."""


class Drift(msgspec.Struct):
    """What the file holds."""

    time: float = 0.0
    endpoints: dict[str, str] = {}


class Drifts:
    """The newest file, read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = -1
        self._drift = Drift()

    def of(self, endpoint: str) -> str:
        """What has changed at an endpoint, in words; "" for nothing."""
        try:
            stamp = self._path.stat().st_mtime_ns
            if stamp != self._stamp:
                self._drift = msgspec.json.decode(self._path.read_bytes(), type=Drift)
                self._stamp = stamp
        except (OSError, msgspec.MsgspecError):
            return ""
        said = self._drift.endpoints.get(endpoint, "")
        return said if abs(time.time() - self._drift.time) < STALE else ""
