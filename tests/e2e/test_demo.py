"""`tidegate demo` as a person or a checker runs it: a real process, the real accidents, fewer of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from tidegate.demo import data
from tidegate.errors import StateError

pytestmark = pytest.mark.xdist_group("demo")

ROWS = 120
YEARS = ["2017", "2018", "2019", "2020", "2021"]


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """A folder of its own for the demo, with the data there already."""
    try:
        file = data.fetch(Path(__file__).parents[2] / ".demo")
    except StateError as exc:
        pytest.skip(f"NO DATA, SO THE DEMO IS NOT TESTED: {exc}")
    folder = tmp_path / "demo"
    folder.mkdir()
    shutil.copy(file, folder)
    return folder


def start(workdir: Path, *options: str, rows: int = ROWS) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tidegate", "demo", "--workdir", str(workdir), "--rows", str(rows), *options]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)


def page_of(address: str) -> str:
    """The dashboard's first page; its process is the last to start."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                return answer.read().decode()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def left_of(workdir: Path) -> list[str]:
    """The processes that still work for a demo in this folder."""
    left = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(workdir) in line:
            left.append(line)
    return left


@pytest.mark.timeout(320)
def test_once_writes_a_report_that_the_log_bears_out(workdir: Path, tmp_path: Path) -> None:
    report = tmp_path / "figures" / "report.json"
    process = start(workdir, "--once", "--speed", "400", "--report", str(report))
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    found = json.loads(report.read_text())
    check_replay(found, said)
    check_rollouts(found, said)
    check_loop(found["loop"], said)
    assert left_of(workdir) == []


def check_replay(found: dict[str, Any], said: str) -> None:
    assert found["requests"] == found["acknowledged"] == found["logged"] == found["labelled"] == 5 * ROWS
    assert found["errors"] == found["missing"] == found["repeated"] == 0
    assert list(found["auc_by_year"]) == YEARS
    assert found["auc_by_year"]["2017"] > 0.6, "of 120 rows; the whole year gives .719"
    assert found["base_rate_by_year"]["2018"] > 0.2 > found["base_rate_by_year"]["2021"]
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert "each exactly once" in said


def check_rollouts(found: dict[str, Any], said: str) -> None:
    good, mistaken, crashing = found["rollouts"]
    assert [each["version"] for each in found["rollouts"]] == ["2", "3", "4"]
    assert good["phase"] == "Healthy" and good["weight"] == 100
    assert mistaken["phase"] == "Degraded" and mistaken["metric"] == "wrong" and mistaken["weight"] < 100
    assert mistaken["canary_bad"] / mistaken["canary_units"] > mistaken["stable_bad"] / mistaken["stable_units"]
    assert crashing["phase"] == "Degraded" and crashing["metric"] == "error" and crashing["canary_bad"] > 0
    traffic = found["rollout_traffic"]
    assert traffic["requests"] > 1000 and traffic["errors"] == traffic["missing"] == traffic["repeated"] == 0
    for typed in ("replay severity --to 2", "rollout start severity --to 3", "rollout explain severity"):
        assert f"$ tidegate {typed}" in said


def check_loop(found: dict[str, Any], said: str) -> None:
    promoted = [run for run in found["runs"] if run["outcome"] == "promoted"]
    assert promoted and promoted[0]["cause"] in ("drift", "labels") and promoted[0]["parent"] == "1"
    assert promoted[0]["learned"] > 300 and "begins by itself, because of" in said
    assert set(found["auc_with"]) == set(found["auc_without"]) == {"2020", "2021"}
    assert f"lineage severity:{promoted[-1]['version']}" in said


@pytest.mark.slow
def test_the_loop_closed_beats_version_1_alone(workdir: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "tidegate", "demo", "--workdir", str(workdir), "--once", "--report", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())["loop"]
    gained = {year: found["auc_with"][year] - found["auc_without"][year] for year in ("2019", "2020", "2021")}
    assert min(gained.values()) > -0.005 and max(gained["2020"], gained["2021"]) > 0.02, gained


@pytest.mark.slow
def test_an_interrupt_ends_all_that_was_started(workdir: Path) -> None:
    process = start(workdir, "--speed", "20")
    try:
        running = workdir / ".tidegate" / "run" / "processes.json"
        noted = workdir / "acknowledged.txt"
        deadline = time.monotonic() + 90
        while not noted.exists():
            assert process.poll() is None and time.monotonic() < deadline, process.communicate(timeout=10)[0]
            time.sleep(0.1)
        assert running.exists() and len(left_of(workdir)) > 3
        process.terminate()  # SIGTERM is taken as Ctrl-C is, so this tests both
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "all that was started has ended" in said and "Traceback" not in said
    assert left_of(workdir) == []


@pytest.mark.slow
def test_without_once_it_stays_up_and_says_so_when_the_system_dies(workdir: Path) -> None:
    process = start(workdir, "--no-rollouts", rows=10)
    assert process.stdout is not None
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if "still up" in line:
                address = line.split()[2]
                break
        assert "Tidegate" in page_of(address)
        running = json.loads((workdir / ".tidegate" / "run" / "processes.json").read_text())
        noted = workdir / "acknowledged.txt"
        before, deadline = noted.stat().st_size, time.monotonic() + 60
        while noted.stat().st_size == before:  # the traffic goes on
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.kill(running["supervisor"], signal.SIGKILL)
        rest, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1, "".join(said) + rest
    assert "`tidegate up` ended by itself" in rest and "Traceback" not in rest
    deadline = time.monotonic() + 30
    while left_of(workdir) and time.monotonic() < deadline:
        time.sleep(0.2)  # they drain
    assert left_of(workdir) == []
