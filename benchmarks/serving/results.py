"""Where results lie: one JSON file a script, with the machine they were taken on. report.py reads them all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.serving.machine import describe
from benchmarks.serving.say import say

FOLDER = Path(__file__).with_name("results")


def write(name: str, content: dict[str, Any], *, pinned: bool | None = None, folder: Path = FOLDER) -> Path:
    """Write results/NAME.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"machine": describe(pinned), **content}, indent=1, default=str) + "\n")
    say(f"written: {path.name}")
    return path


def read(name: str, folder: Path = FOLDER) -> dict[str, Any] | None:
    """What a script wrote, or None."""
    path = folder / f"{name}.json"
    return dict(json.loads(path.read_text())) if path.exists() else None
