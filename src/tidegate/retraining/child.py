"""One training as its parent sees it: started with its rows and limits, watched, and what it gave or why it failed.

rows, Task --> folder/data.parquet, job.json --> trainer.py --result.json--> Result | TrainingFailed, with its last words
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import psutil

from tidegate.errors import TrainingFailed
from tidegate.storage.layout import Layout

LOOK = 0.1


class Task(msgspec.Struct, frozen=True):
    """What is to be called, with what, within which limits. `python`: the interpreter, by default this one."""

    trainer: str
    inputs: list[str]
    options: dict[str, Any]
    seed: int
    frame: str
    python_path: list[str]
    parent: str = ""
    python: str = ""
    time: float = 3600.0
    memory: int = 0
    threads: int = 1


class Progress(msgspec.Struct, frozen=True):
    """How far a training says it is. `total` is 0 where it doesn't say."""

    done: int = 0
    total: int = 0
    text: str = ""


class Result(msgspec.Struct, frozen=True):
    """What it gave: the model file, figures, and keys for its version in the project file. `environment`: python,
    platform, packages. `seconds` and `memory` (resident bytes, the
    most that was seen) are what it took."""

    model: str
    metrics: dict[str, float]
    version: dict[str, Any]
    environment: dict[str, Any] = {}
    seconds: float = 0.0
    memory: int = 0


def train(task: Task, rows: pl.DataFrame, folder: Path, log: Path, look: Callable[[Progress], None]) -> Result:
    """Blocks until it is over. `look` is called some times a second; what it raises ends the training. `folder` is made anew.

    Errors: TrainingFailed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    rows.write_parquet(folder / "data.parquet")
    (folder / "job.json").write_bytes(msgspec.json.encode(task))
    threads = str(task.threads)
    environment = {
        **os.environ, "TIDEGATE_SUPERVISOR": str(os.getpid()), "PYTHONHASHSEED": str(task.seed),
        **{f"{name}_NUM_THREADS": threads for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "POLARS")},
        "POLARS_MAX_THREADS": threads,
    }  # fmt: skip
    began = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [task.python or sys.executable, "-m", "tidegate.retraining.trainer", str(folder)], cwd=folder,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True,
        )  # fmt: skip
    most = 0
    try:
        while process.poll() is None:
            took = time.monotonic() - began
            if took > task.time:
                raise TrainingFailed(f"the training took longer than {task.time:g} s (limits.time)")
            size = _resident(process.pid)
            most = max(most, size)
            if task.memory and size > task.memory:
                raise TrainingFailed(
                    f"the training had {size // 10**6} MB resident, the limit is {task.memory // 10**6} MB (limits.memory)"
                )
            look(_progress(folder))
            time.sleep(LOOK)
    finally:
        with suppress(ProcessLookupError):  # also what the function started and left
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    look(_progress(folder))
    if process.returncode:
        raise TrainingFailed(_last_words(log, process.returncode))
    found: dict[str, Any] = json.loads((folder / "result.json").read_bytes())
    return Result(**found, seconds=time.monotonic() - began, memory=most)


def _progress(folder: Path) -> Progress:
    with suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode((folder / "progress.json").read_bytes(), type=Progress)
    return Progress()


def _resident(pid: int) -> int:
    """Of a process and all that it started."""
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += one.memory_info().rss
    return total


def _last_words(log: Path, code: int) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4000))
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
    if code < 0 or not lines:
        return f"the training ended by {how}" + (f": {lines[-1]}" if lines else "")
    return f"the trainer failed: {lines[-1]}"


def log_of(layout: Layout, id: int) -> Path:
    """What a run's training has printed."""
    return layout.root / "retraining" / str(id) / "train.log"
