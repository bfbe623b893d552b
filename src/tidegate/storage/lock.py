"""A lock between processes: an flock on a file. It ends with its holder, however that ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tidegate.errors import StateError


@contextmanager
def file_lock(path: Path, *, timeout: float | None = None, what: str = "the lock") -> Iterator[None]:
    """Hold `path` alone. `timeout` in seconds: 0 doesn't wait, None waits for ever. Errors: StateError when it is
    held by another."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | (0 if deadline is None else fcntl.LOCK_NB))
                break
            except BlockingIOError:
                if deadline is not None and time.monotonic() >= deadline:
                    raise StateError(f"{what} is held by another process ({path})") from None
                time.sleep(0.02)
        yield
    finally:
        os.close(fd)
