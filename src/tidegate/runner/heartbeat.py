"""A runner's pulse: a few numbers in a shared page that anybody may read without asking the runner, even one that hangs.

runner --writes--> run/runners/NAME.beat --reads--> supervisor (is it stuck?), views (how busy is it?)
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path
from typing import NamedTuple

_LAYOUT = struct.Struct("<dQQQQ")
SIZE = 64


class Beat(NamedTuple):
    """`busy_since` is CLOCK_MONOTONIC seconds when the current call of the model began, 0.0 when idle; the rest are totals."""

    busy_since: float
    batches: int
    requests: int
    rows: int
    errors: int


class Heartbeat:
    """The writing side."""

    def __init__(self, path: Path) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.ftruncate(fd, SIZE)
        self._map = mmap.mmap(fd, SIZE)
        os.close(fd)
        self._batches = self._requests = self._rows = self._errors = 0

    def begin(self) -> None:
        """A call of the model begins."""
        struct.pack_into("<d", self._map, 0, time.monotonic())

    def end(self, requests: int, rows: int, errors: int) -> None:
        """It ended; idle again."""
        self._batches += 1
        self._requests += requests
        self._rows += rows
        self._errors += errors
        _LAYOUT.pack_into(self._map, 0, 0.0, self._batches, self._requests, self._rows, self._errors)


def read_beat(path: Path) -> Beat | None:
    """The reading side; None where there is no such runner yet."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return Beat(*_LAYOUT.unpack_from(data)) if len(data) >= _LAYOUT.size else None
