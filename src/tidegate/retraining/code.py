"""What a training was done by: the function's source, the commit around it.

module:object, its path --found without importing it--> file, SHA-256; `git rev-parse`, `git status` --> commit, with + where files differ
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from tidegate.types.retraining import Code


def describe(trainer: str, python_path: list[str]) -> Code:
    """Of what is on these folders now, and then on this program's own path. A module that is no file there is named alone."""
    module = trainer.partition(":")[0].replace(".", "/")
    for folder in (*python_path, *sys.path):
        for name in (f"{module}.py", f"{module}/__init__.py"):
            path = Path(folder) / name
            if path.is_file():
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                return Code(trainer, str(path), digest, _commit(path.parent))
    return Code(trainer)


def _commit(folder: Path) -> str:
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return ""
    return commit + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
