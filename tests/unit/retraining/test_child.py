"""One training in a process of its own: what it gives, how it fails, what it may use; nothing of it is left."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import psutil
import pytest

from tidegate.errors import TrainingFailed
from tidegate.retraining.child import Progress, Task, train

TRAINERS = """
import os, signal, subprocess, sys, time

def good(data, job):
    job.progress(3, 4, "nearly")
    job.metric("auc", .8)
    (job.folder / "m.txt").write_text(f"{data.name} {job.inputs} {job.options} {job.seed} {os.environ['OMP_NUM_THREADS']}")
    return {"model": "m.txt", "metrics": {"loss": 1}, "version": {"threads": 2}}

def nothing(data, job): return None
def gone(data, job): return job.folder / "nowhere.txt"
def outside(data, job):
    (job.folder.parent / "m.txt").write_text("")
    return "../m.txt"
def unknown(data, job): return {"model": "m.txt", "metrix": {}}
def raises(data, job): raise ValueError("these rows are no good")
def exits(data, job): sys.exit(7)
def killed(data, job): os.kill(os.getpid(), signal.SIGKILL)
def hangs(data, job):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)", "left-by-a-trainer"])
    time.sleep(1000)
def hoards(data, job):
    kept = bytearray(300_000_000)
    time.sleep(1000)
"""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    (tmp_path / "trainers.py").write_text(TRAINERS)
    return Task("trainers:good", ["a"], {"deep": 3}, 5, "path", [str(tmp_path)], time=20.0)


def call(task: Task, tmp_path: Path, function: str = "", **more: Any) -> Any:
    if function:
        more["trainer"] = f"trainers:{function}"
    given = msgspec.structs.replace(task, **more)
    seen: list[Progress] = []
    result = train(given, pl.DataFrame({"a": [1.0], "label": [1]}), tmp_path / "work", tmp_path / "log", seen.append)
    return result, seen


def test_it_gives_a_model_file_figures_and_what_it_was_made_in(task: Task, tmp_path: Path) -> None:
    result, seen = call(task, tmp_path, threads=3)
    assert Path(result.model).read_text() == "data.parquet ['a'] {'deep': 3} 5 3"
    assert result.metrics == {"auc": 0.8, "loss": 1.0} and result.version == {"threads": 2}
    assert result.environment["packages"]["polars"] == pl.__version__
    assert seen[-1] == Progress(3, 4, "nearly") and result.seconds > 0


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("nothing", "NoneType, not the path"), ("gone", "isn't there"), ("outside", "outside job.folder"),
        ("unknown", "'metrix'; known: model, metrics, version"), ("raises", "these rows are no good"), ("exits", "SystemExit: 7"),
        ("killed", "SIGKILL"), ("nosuch", "no attribute 'nosuch'"),
    ],
)  # fmt: skip
def test_a_failure_says_why(task: Task, tmp_path: Path, function: str, why: str) -> None:
    with pytest.raises(TrainingFailed, match=why):
        call(task, tmp_path, function)


def test_it_may_take_so_long_and_no_more_and_leaves_no_process(task: Task, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match=r"longer than 1 s \(limits\.time\)"):
        call(task, tmp_path, "hangs", time=1.0)
    left = [one for one in psutil.process_iter(["cmdline"]) if "left-by-a-trainer" in (one.info["cmdline"] or [])]
    assert not left


def test_it_may_take_so_much_memory_and_no_more(task: Task, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(TrainingFailed, match=r"limits\.memory"):
        call(task, tmp_path, "hoards", memory=150_000_000)
    assert time.monotonic() - began < 15
