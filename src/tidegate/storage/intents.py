"""Wishes that a gateway passes on: it changes nothing itself, it leaves a note for the controller.

gateway --run/intents/<time>-<n>.json--> controller (acts, records who asked, deletes the note)
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tidegate.storage.layout import write_atomic


class Intent(msgspec.Struct, frozen=True):
    """Load or unload one version, and who asked."""

    action: str
    model: str
    version: str
    actor: str


class Intents:
    """The folder of notes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def add(self, action: str, model: str, version: str, actor: str) -> None:
        """Leave a note."""
        self._count += 1
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_atomic(
            self._folder / f"{time.time_ns()}-{os.getpid()}-{self._count}.json",
            msgspec.json.encode(Intent(action, model, version, actor)),
        )

    def take(self) -> Iterator[Intent]:
        """All notes, oldest first; each is deleted once the caller is done with it, so that a crash between costs nothing.

        A note that can't be read is deleted as well.
        """
        for path in sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []:
            try:
                intent = msgspec.json.decode(path.read_bytes(), type=Intent)
            except (msgspec.MsgspecError, OSError):
                path.unlink(missing_ok=True)
                continue
            yield intent
            path.unlink(missing_ok=True)
