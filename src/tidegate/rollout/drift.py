"""Whether what comes in has changed: run/drift.json, as the monitor process writes it every few seconds.

    {"time": 1760000000.0, "endpoints": {"severity": {"cause": "input Humidity is higher than usual", "since": 1759999000.0}}}

An endpoint is named while an incident about its inputs is firing; once somebody has acknowledged it, the rollout may go on.
One that was there before the rollout began doesn't hold it up: a new version may be the answer to it.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

STALE = 60.0
"""Seconds after which a file that nobody renewed says nothing any more."""


class Drift(msgspec.Struct):
    """One endpoint's. `since` is unix seconds."""

    cause: str
    since: float = 0.0


class DriftFile(msgspec.Struct):
    """What the file holds."""

    time: float = 0.0
    endpoints: dict[str, Drift] = {}


class Drifts:
    """The newest file, read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = -1
        self._file = DriftFile()

    def of(self, endpoint: str, after: float) -> str:
        """What has changed at an endpoint after that time (unix seconds), in words; "" for nothing."""
        try:
            stamp = self._path.stat().st_mtime_ns
            if stamp != self._stamp:
                self._file = msgspec.json.decode(self._path.read_bytes(), type=DriftFile)
                self._stamp = stamp
        except (OSError, msgspec.MsgspecError):
            return ""
        found = self._file.endpoints.get(endpoint)
        fresh = abs(time.time() - self._file.time) < STALE
        return found.cause if found is not None and fresh and found.since > after else ""
