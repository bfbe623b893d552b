"""A `tidegate` command as a process of its own, as the user's would be; what it answers is shown as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tidegate.errors import StateError

LIMIT = 180.0
"""Seconds; the replay of a thousand rows takes some ten on an idle machine."""


def typed(project: Path, *words: str, width: int = 100, may_fail: bool = False) -> str:
    """What the command prints, in colour, `width` columns wide; with `may_fail` an exit code other than 0 is an answer, too.

    Errors: StateError with what it says when it fails, or is too slow.
    """
    env = {**os.environ, "COLUMNS": str(width), "FORCE_COLOR": "1"}
    command = [sys.executable, "-m", "tidegate", "-C", str(project), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, env=env, check=False)
    except subprocess.TimeoutExpired as exc:
        raise StateError(f"`{shown(*words)}` gave no answer within {LIMIT:.0f} s") from exc
    if done.returncode and not may_fail:
        raise StateError(f"`{shown(*words)}` failed: {(done.stderr or done.stdout).strip()}")
    return (done.stdout or (done.stderr if may_fail else "")).rstrip()


def shown(*words: str) -> str:
    """
    >>> shown("rollout", "start", "loan", "--to", "2", "--yes")
    'tidegate rollout start loan --to 2'
    """
    return " ".join(["tidegate", *(f"'{word}'" if " " in word else word for word in words if word != "--yes")])
