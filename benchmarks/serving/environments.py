"""A Python environment a peer, under .peers/ (git-ignored), from environments/NAME.txt. Made once; made anew when
the file changes.

Every peer gets the same Python and the same scikit-learn as Tidegate runs on, so that one model file serves all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.serving.say import say, stop

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PEERS = ROOT / ".peers"


def python(name: str) -> Path:
    """The interpreter of a peer's environment; Tidegate's own for the name `tidegate`."""
    return Path(sys.executable) if name == "tidegate" else PEERS / "venvs" / name / "bin" / "python"


def tool(name: str, command: str) -> str:
    """A command that an environment installed."""
    return str(python(name).with_name(command))


def make(names: Iterable[str], folder: Path = HERE / "environments") -> None:
    """Make the environments that aren't there yet, from `folder`/NAME.txt. Ends the program, with the log's name, when one can't
    be made."""
    wanted = [name for name in dict.fromkeys(names) if name != "tidegate"]
    for number, name in enumerate(wanted, 1):
        requirements = folder / f"{name}.txt"
        stamp = PEERS / "venvs" / f"{name}.stamp"
        digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
        if stamp.exists() and stamp.read_text() == digest and python(name).exists():
            continue
        say(f"environment {number} of {len(wanted)}: {name} (once; minutes for the large ones)")
        _install(name, requirements)
        stamp.write_text(digest)


def _install(name: str, requirements: Path) -> None:
    folder = PEERS / "venvs" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv:
        steps = [
            [uv, "venv", "-q", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "--compile-bytecode", "-p", str(python(name)), "-r", str(requirements)],
        ]
    else:
        steps = [
            [sys.executable, "-m", "venv", str(folder)],
            [str(python(name)), "-m", "pip", "install", "--progress-bar", "on", "-r", str(requirements)],
        ]
    for step in steps:
        done = subprocess.run(step, env={**os.environ, "PYTHONWARNINGS": "ignore"}, check=False)
        if done.returncode:
            stop(
                f"the environment {name} can't be made: {' '.join(step)} ended with {done.returncode}. "
                "--peers leaves it out."
            )


def versions(name: str) -> dict[str, str]:
    """The versions that matter of an environment, by package."""
    ask = (
        "import importlib.metadata as m, json, sys;"
        "print(json.dumps({n: m.version(n) for n in sys.argv[1:] if any(True for _ in m.distributions(name=n))}))"
    )
    names = ["granian", "fastapi", "uvicorn", "litserve", "bentoml", "mlserver", "mlflow", "ray", "mosec", "tidegate"]
    more = ["scikit-learn", "numpy", "orjson", "uvloop", "pydantic"]
    out = subprocess.run([str(python(name)), "-c", ask, *names, *more], capture_output=True, text=True, check=True)
    return dict(json.loads(out.stdout))
