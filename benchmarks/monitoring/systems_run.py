"""Runs one system's script in its environment and reads its line."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.serving import environments
from benchmarks.serving.say import say

HERE = Path(__file__).parent
SYSTEMS = ("tidegate", "evidently", "nannyml")
PEERS = SYSTEMS[1:]


def make(names: tuple[str, ...] = SYSTEMS) -> None:
    """The peers' environments, once."""
    environments.make(names, HERE / "environments")


def run(system: str, *words: str, limit: float = 1800.0) -> dict[str, Any] | None:
    """The figures of one run; None, with the reason said, where it failed or took longer than `limit` seconds."""
    script = HERE / "systems" / f"{system}_system.py"
    folder = str(script.parent)
    env = {**os.environ, "PYTHONPATH": folder, "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            [str(environments.python(system)), str(script), *words],
            capture_output=True, text=True, timeout=limit, env=env, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        say(f"{system}: not done after {limit:.0f} s; given up")
        return None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["killed"])[-1]
        say(f"{system}: ended with {done.returncode}: {last[:200]}")
        return None
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))
