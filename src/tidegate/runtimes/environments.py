"""requirements.txt -> the interpreter of an environment of a version's own, made once for each content.

    requirements, Python, what the runner needs --digest--> <root>/<digest>/bin/python
    not there: lock, make in <root>/.making-<digest>, install, rename

The rename comes last, so a folder under its own name is whole: a crash leaves only a `.making-` folder, which the next
one throws away.
Two processes that want the same environment meet at the lock; the second finds it made.

Tidegate itself is on the import path there through a folder that holds one link to its package, so none of the
libraries beside Tidegate's own leak in.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import tidegate
from tidegate.errors import LoadError

RUNNER_NEEDS = ("numpy>=1.26", "orjson>=3.10", "msgspec>=0.19")
_INCLUDE = re.compile(r"^\s*(?:-r|--requirement|-c|--constraint)[\s=]+(\S+)", re.MULTILINE)


def ensure_environment(requirements: Path, root: Path, *, progress: Callable[[str], None] = lambda _: None) -> Path:
    """The environment's interpreter, made if need be by uv (on PATH or beside this interpreter) or venv and pip.

    `progress` gets a line for each step. Relative paths in the file count from its folder.
    Errors: LoadError with the last lines of what the installer said.
    """
    requirements = Path(requirements).absolute()
    final = Path(root).absolute() / digest(requirements)
    python = final / "bin" / "python"
    if python.exists():
        return python
    final.parent.mkdir(parents=True, exist_ok=True)
    with _locked(
        final.with_name(f".{final.name}.lock"),
        lambda: progress("waiting for another process that makes this environment"),
    ):
        if not python.exists():
            making = final.with_name(f".making-{final.name}")
            shutil.rmtree(making, ignore_errors=True)
            shutil.rmtree(final, ignore_errors=True)
            try:
                _make(making, final, requirements, progress)
                making.rename(final)
            except BaseException:
                shutil.rmtree(making, ignore_errors=True)
                raise
    progress(f"environment {final.name} is ready")
    return python


def digest(requirements: Path) -> str:
    """16 hex digits over the file, the files that it includes, the interpreter, and where Tidegate is."""
    version = ".".join(map(str, sys.version_info[:3]))
    parts = [version, sys.base_prefix, str(_package()), *RUNNER_NEEDS, *_texts(requirements, set())]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _texts(path: Path, seen: set[Path]) -> Iterator[str]:
    path = path.resolve()
    if path in seen:
        return
    seen.add(path)
    try:
        text = path.read_text()
    except OSError as exc:
        raise LoadError(f"environment: can't read {path}: {exc.strerror or exc}") from exc
    yield text
    for name in _INCLUDE.findall(text):
        yield from _texts(path.parent / name, seen)


def _package() -> Path:
    return Path(tidegate.__file__).resolve().parent


def _make(making: Path, final: Path, requirements: Path, progress: Callable[[str], None]) -> None:
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    python = str(making / "bin" / "python")
    progress(f"making environment {final.name} with {'uv' if uv else 'venv and pip'}")
    needs = ["-r", str(requirements), *RUNNER_NEEDS]
    if uv:
        _run([uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(making)], requirements)
        progress(f"installing {requirements.name}")
        _run([uv, "pip", "install", "--quiet", "--python", python, *needs], requirements)
    else:
        _run([sys.executable, "-m", "venv", str(making)], requirements)
        progress(f"installing {requirements.name}")
        _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *needs], requirements)
    site = next((making / "lib").glob("python*/site-packages"))
    only_tidegate = making / "tidegate-package"
    only_tidegate.mkdir()
    (only_tidegate / "tidegate").symlink_to(_package(), target_is_directory=True)
    (site / "_tidegate.pth").write_text(f"{final / only_tidegate.name}\n")


def _run(command: list[str], requirements: Path) -> None:
    """In the requirements' folder, without the variables that would point Python at another environment."""
    environment = {
        key: value for key, value in os.environ.items() if key not in {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}
    }
    done = subprocess.run(
        command,
        cwd=requirements.parent,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise LoadError(f"environment: {requirements} can't be installed:\n{said}")


@contextmanager
def _locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Held by the process, so a crash lets go of it."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
