"""Where ingest stands: what it has committed (journal/committed.json, kept) and how it does (run/ingest.json, written
each second)."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tidegate.storage.journal_reader import Damage, Position
from tidegate.storage.layout import Layout, write_atomic

_MAX_DAMAGE = 100


class Committed(msgspec.Struct):
    """Up to where every table has each slot's journal, and the damage met on the way (the newest hundred in full)."""

    positions: dict[str, int] = {}
    rows: int = 0
    feedback: int = 0
    torn_lines: int = 0
    corrupt_lines: int = 0
    damage: list[Damage] = []

    def position(self, slot: str) -> Position:
        return Position.unpack(self.positions.get(slot, 0))

    def note(self, damage: list[Damage]) -> None:
        """Count it, and keep where it was."""
        torn = sum(1 for item in damage if item.reason.startswith("torn"))
        self.torn_lines += torn
        self.corrupt_lines += len(damage) - torn
        self.damage = [*self.damage, *damage][-_MAX_DAMAGE:]

    def since(self, before: Committed) -> list[Damage]:
        """The damage noted after `before`, as far as it is kept."""
        new = self.torn_lines + self.corrupt_lines - before.torn_lines - before.corrupt_lines
        return self.damage[-new:] if new > 0 else []


class IngestStatus(msgspec.Struct):
    """Sizes in bytes, times in seconds (since 1970 where they are moments). `error` is empty while all is well."""

    pid: int
    time: float
    state: str
    rows: int = 0
    feedback: int = 0
    lag_bytes: int = 0
    lag_seconds: float = 0.0
    torn_lines: int = 0
    corrupt_lines: int = 0
    retries: int = 0
    error: str = ""
    last_commit: float = 0.0
    rss: int = 0
    positions: dict[str, list[int]] = {}
    damage: list[Damage] = []


def _committed_path(layout: Layout) -> Path:
    return layout.journal / "committed.json"


def load_committed(layout: Layout) -> Committed:
    try:
        return msgspec.json.decode(_committed_path(layout).read_bytes(), type=Committed)
    except FileNotFoundError:
        return Committed({})


def save_committed(layout: Layout, committed: Committed) -> None:
    write_atomic(_committed_path(layout), msgspec.json.encode(committed))


def load_status(layout: Layout) -> IngestStatus | None:
    """What ingest last said of itself, or None where it never ran."""
    try:
        return msgspec.json.decode((layout.root / "run" / "ingest.json").read_bytes(), type=IngestStatus)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def save_status(layout: Layout, status: IngestStatus) -> None:
    write_atomic(layout.run / "ingest.json", msgspec.json.encode(status))
