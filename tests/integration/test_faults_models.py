"""Models that crash, hang, eat memory, or can't be loaded: they hurt only themselves, and the system says what happened."""

from __future__ import annotations

import copy
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.load import Load
from tests.support.system import PROJECT, Response, System, wait_until

from tidegate import app
from tidegate.errors import ConfigError
from tidegate.runner.heartbeat import read_beat

pytestmark = pytest.mark.xdist_group("faults_models")

GOOD, HANGS, CRASHES, EATS = [1.0, 2.0, 3.0], [6662.0, 0.0, 0.0], [6661.0, 0.0, 0.0], [6666.0, 0.0, 0.0]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One system whose models misbehave, each in its own version."""
    project: dict[str, Any] = copy.deepcopy(PROJECT)
    row = {"path": "test_models:Row"}
    project["models"]["row"] = {
        "versions": {
            "1": row,
            "crashes": row,
            "hangs": {**row, "inferenceTimeout": "500ms"},
            "eats": {**row, "memoryLimit": "400MB"},
            "pair": {**row, "replicas": 2},
            "dies": {"path": "test_models:DiesAtLoad"},
            "raises": {"path": "test_models:RaisesAtLoad"},
            "slow": {"path": "test_models:HangsAtLoad", "loadTimeout": "2s"},
            "missing": {"path": "test_models:Nowhere"},
        }
    }
    for name in ("crashes", "hangs", "eats", "pair"):
        project["endpoints"][name] = {"model": "row", "split": {name: 100}, "timeout": "15s"}
    running = System(tmp_path_factory.mktemp("models"), project)
    try:
        yield running.start(timeout=100)
    finally:
        running.stop()


def runner(system: System, version: str) -> dict[str, Any]:
    """The first process of that version of `row`, as processes.json has it."""
    found = system.processes()["processes"]
    return next(p for p in found if p.get("model") == "row" and p.get("version") == version)


def state(system: System, version: str) -> dict[str, str]:
    index = system.post("/v2/repository/index").json()
    found: dict[str, str] = next(e for e in index if e["name"] == "row" and e["version"] == version)
    return found


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("dies", "killed by SIGSEGV"),
        ("raises", "the weights are gone"),
        ("slow", "loadTimeout"),
        ("missing", "Nowhere"),
    ],
)
def test_what_cannot_be_loaded_is_unavailable_with_its_reason(system: System, version: str, says: str) -> None:
    def said() -> bool:  # it is tried again now and then: look until a try has ended
        return state(system, version)["state"] == "UNAVAILABLE" and says in state(system, version)["reason"]

    wait_until(said, 40, f"{version}: {state(system, version)}")
    answer = system.post(f"/v2/models/row/versions/{version}/infer", body(GOOD))
    assert answer.status == 503 and "retry-after" in answer.headers
    assert system.row(GOOD).status == 200, "the others serve on"


def body(row: list[float]) -> dict[str, Any]:
    return {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": row}]}


def test_a_poison_request_is_tried_twice_and_refused_and_the_runner_comes_back(system: System) -> None:
    wait_until(lambda: runner(system, "crashes")["state"] == "ready")
    before = runner(system, "crashes").get("restarts", 0)
    with Load(system.http, callers=2) as others:
        answer = system.row(CRASHES, endpoint="crashes")
        assert answer.status == 503 and "died twice" in answer.json()["error"]
        assert int(answer.headers["retry-after"]) >= 1
        identity = answer.headers["tidegate-prediction-id"]
        assert [r["status"] for r in system.journal("crashes") if r["id"] == identity] == [503]
        wait_until(lambda: system.row(GOOD, endpoint="crashes").status == 200, 30)
    wait_until(lambda: runner(system, "crashes").get("restarts", 0) == before + 2, what="one life for each try")
    assert set(others.statuses) == {200} and not others.dropped, others.failures()[:3]


def test_restarts_wait_longer_each_time_and_say_why(system: System) -> None:
    seen: list[tuple[str, str]] = []
    waits: list[float] = []
    for _ in range(3):
        wait_until(lambda: runner(system, "crashes")["state"] == "ready", 30)
        os.kill(runner(system, "crashes")["pid"], signal.SIGKILL)
        began = time.monotonic()
        found = wait_until(
            lambda: next(iter([r for r in [runner(system, "crashes")] if r["state"] == "backoff"]), None)
        )
        seen.append((found["state"], found.get("reason", "")))
        wait_until(lambda: runner(system, "crashes")["state"] in ("starting", "ready"), 30)
        waits.append(time.monotonic() - began)
    assert seen == [("backoff", "killed by SIGKILL")] * 3
    assert waits[2] > waits[0] + 0.1, waits
    wait_until(lambda: system.row(GOOD, endpoint="crashes").status == 200, 30)


def test_a_request_in_flight_moves_to_the_other_replica(system: System) -> None:
    slow = [6667.0, 0.0, 0.0]
    wait_until(
        lambda: sum(p.get("version") == "pair" and p["state"] == "ready" for p in system.processes()["processes"]) == 2
    )
    pids = [p["pid"] for p in system.processes()["processes"] if p.get("version") == "pair"]
    answers: list[Response] = []
    callers = [threading.Thread(target=lambda: answers.append(system.row(slow, endpoint="pair"))) for _ in range(4)]
    for caller in callers:
        caller.start()
    folder = system.layout.run / "runners"

    def both_busy() -> bool:
        names = [p["name"] for p in system.processes()["processes"] if p.get("version") == "pair"]
        beats = [read_beat(folder / f"{name}.beat") for name in names]
        return all(beat is not None and beat.busy_since for beat in beats)

    wait_until(both_busy)
    os.kill(pids[0], signal.SIGKILL)
    for caller in callers:
        caller.join(30)
    assert [answer.status for answer in answers] == [200] * 4, [a.body for a in answers]


def test_a_model_that_hangs_is_ended(system: System) -> None:
    pid = runner(system, "hangs")["pid"]
    with Load(system.http, callers=2) as others:
        answer = system.row(HANGS, endpoint="hangs", headers={"x-request-timeout-ms": "8000"})
        assert answer.status in (503, 504), answer.body
        wait_until(lambda: system.row(GOOD, endpoint="hangs").status == 200, 30)
    assert runner(system, "hangs").get("pid", 0) not in (0, pid)
    assert set(others.statuses) == {200} and not others.dropped, others.failures()[:3]


def test_a_model_that_eats_memory_is_ended(system: System) -> None:
    reasons: list[str] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            reasons.append(runner(system, "eats").get("reason", ""))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with Load(system.http, callers=2) as others:
            pid = runner(system, "eats")["pid"]
            answer = system.row(EATS, endpoint="eats")
            assert answer.status in (200, 503), answer.body  # it may answer before it is found out
            wait_until(lambda: runner(system, "eats").get("pid", 0) not in (0, pid), 30)
            wait_until(lambda: system.row(GOOD, endpoint="eats").status == 200, 30)
    finally:
        done.set()
        watcher.join()
    assert any("the limit is 400 MB (memoryLimit)" in reason for reason in reasons), set(reasons)
    assert set(others.statuses) == {200} and not others.dropped, others.failures()[:3]


def test_a_missing_file_is_refused_before_anything_changes(system: System, tmp_path: Path) -> None:
    project = copy.deepcopy(system.project)
    project["models"]["row"]["versions"]["file"] = {"path": "models/nowhere.onnx"}
    changed = tmp_path / "tidegate.json"
    changed.write_text(json.dumps(project))
    with pytest.raises(ConfigError, match=r"models\.row\.versions\.file\.path: there is no .*nowhere\.onnx"):
        app.apply(system.layout, changed, actor="test")
    assert system.row(GOOD).status == 200
