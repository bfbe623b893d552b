"""Processes that each work on one thing until it is over, begun again when they end before: later and later.

id, command --start--> a process, its output in a log      --reap--> ended: another may start after a pause that doubles
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PAUSES = (1.0, 60.0)
"""Seconds before the next try: first, and at most."""


class Workers:
    """Those of one kind. They end with this process (`die_with_parent`)."""

    def __init__(self) -> None:
        self._working: dict[int, subprocess.Popen[bytes]] = {}
        self._next: dict[int, float] = {}
        self._asked_to_end: dict[int, float] = {}

    def reap(self) -> None:
        """Forget those that have ended."""
        for id, process in list(self._working.items()):
            if process.poll() is not None:
                del self._working[id]
                self._asked_to_end.pop(id, None)

    def __contains__(self, id: int) -> bool:
        return id in self._working

    def __iter__(self) -> Iterator[int]:
        return iter(self._working)

    def may_start(self, id: int) -> bool:
        """Whether it doesn't work and its pause is over."""
        return id not in self._working and time.monotonic() >= self._next.get(id, 0.0)

    def start(self, id: int, command: list[str], log: Path, tries: int) -> None:
        """Begin a process. `tries`: how many have worked on it before."""
        self._next[id] = time.monotonic() + min(PAUSES[0] * 2**tries, PAUSES[1])
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._working[id] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**os.environ, "TIDEGATE_SUPERVISOR": str(os.getpid())},
            )  # fmt: skip

    def kill(self, id: int, patience: float = 0.0) -> None:
        """End it, `patience` seconds after this was first asked for."""
        since = self._asked_to_end.setdefault(id, time.monotonic())
        if time.monotonic() - since >= patience:
            self._working[id].kill()

    def stop(self) -> None:
        """Ask all of them to end."""
        for process in self._working.values():
            process.terminate()
