"""What a project takes on disk and how long it is kept: each part of the state folder, by what project.json says of it.

state folder --(stat of every file)--> bytes and files by part; run/project.json --> how long each part stays
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import msgspec

from tidegate.storage.layout import Layout


class Kept(msgspec.Struct):
    """How long one thing of a part stays: seconds, 0 for ever, and the key of the project file that says so."""

    what: str
    seconds: float
    key: str


class Part(msgspec.Struct):
    """One part of the state folder. `name` is its path there; `words` say what it holds and, without `kept`, when it goes."""

    name: str
    words: str
    bytes: int = 0
    files: int = 0
    kept: list[Kept] = []


class DiskView(msgspec.Struct):
    """The state folder's parts, the largest first, and what its disk has left (bytes). `known` is whether the project was ever up."""

    root: str
    parts: list[Part]
    bytes: int
    free: int
    known: bool


WORDS = {
    "journal": "Answers on their way into the log; a segment goes once the log has it",
    "state.db": "Profiles, which charts, drift and monitors read; models, splits, rollouts, incidents, keys and audit stay for ever",
    "log": "Predictions and feedback, by endpoint",
    "models": "Model files, by content; kept for ever",
    "envs": "Python environments of versions; kept for ever",
    "blobs": "Large payloads; they go with the predictions they belong to",
    "logs": "What the processes print",
    "run": "What is true only while the project runs",
}
OTHER = "Everything else in the folder"


class _Log(msgspec.Struct, rename="camel"):
    retention: float = 0.0
    feedback_retention: float = 0.0


class _Retention(msgspec.Struct):
    minutes: float = 0.0
    hours: float = 0.0
    days: float = 0.0


class _Monitoring(msgspec.Struct):
    retention: _Retention = msgspec.field(default_factory=_Retention)


class _Project(msgspec.Struct):
    log: _Log = msgspec.field(default_factory=_Log)
    monitoring: _Monitoring = msgspec.field(default_factory=_Monitoring)


def disk(layout: Layout) -> DiskView:
    """What is there now. A file that goes while it is counted isn't counted. Costs a stat a file.

    >>> import tempfile
    >>> disk(Layout(tempfile.mkdtemp())).bytes
    0
    """
    project = _project(layout)
    parts: dict[str, Part] = {}
    for path in sorted(layout.root.iterdir()) if layout.root.is_dir() else []:
        name, words = _part(path.name)
        part = parts.setdefault(name, Part(name, words))
        size, files = _size(path)
        part.bytes += size
        part.files += files
    if project is not None:
        for name, kept in _kept(project).items():
            if name in parts:
                parts[name].kept = kept
    found = sorted(parts.values(), key=lambda part: -part.bytes)
    free = shutil.disk_usage(layout.root).free if layout.root.is_dir() else 0
    return DiskView(str(layout.root), found, sum(part.bytes for part in found), free, project is not None)


def _part(name: str) -> tuple[str, str]:
    if name.startswith("state.db"):  # its -wal and -shm are part of it
        name = "state.db"
    return (name, WORDS[name]) if name in WORDS else ("", OTHER)


def _kept(project: _Project) -> dict[str, list[Kept]]:
    log, profiles = project.log, project.monitoring.retention
    return {
        "log": [
            Kept("predictions", log.retention, "log.retention"),
            Kept("feedback", log.feedback_retention, "log.feedbackRetention"),
        ],
        "state.db": [
            Kept("profiles by minute", profiles.minutes, "monitoring.retention.minutes"),
            Kept("by hour", profiles.hours, "monitoring.retention.hours"),
            Kept("by day", profiles.days, "monitoring.retention.days"),
        ],
    }


def _size(path: Path) -> tuple[int, int]:
    try:
        found = path.lstat()
    except OSError:
        return 0, 0
    if not path.is_dir() or path.is_symlink():
        return found.st_size, 1
    size = files = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                size += Path(folder, name).lstat().st_size
            except OSError:
                continue
            files += 1
    return size, files


def _project(layout: Layout) -> _Project | None:
    try:
        content: Any = (layout.root / "run" / "project.json").read_bytes()
        return msgspec.json.decode(content, type=_Project)
    except (OSError, msgspec.MsgspecError):
        return None
