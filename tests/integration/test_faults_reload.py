"""Changes and the end, under load: no failed request, and everything acknowledged is in the log."""

from __future__ import annotations

import copy
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.load import Load, assert_exactly_once, row_body
from tests.support.system import PROJECT, System, wait_until

from tidegate import app

pytestmark = pytest.mark.xdist_group("faults_reload")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    project = copy.deepcopy(PROJECT)
    project["server"]["workers"] = 2
    running = System(tmp_path_factory.mktemp("reload"), project)
    try:
        yield running.start()
    finally:
        running.stop()


def apply(system: System, change: Callable[[dict[str, Any]], None]) -> None:
    """Edit the project file, apply it, and wait until it is in force."""
    project = copy.deepcopy(system.project)
    change(project)
    system.write(project)
    result = app.apply(system.layout, system.file, actor="test")
    assert result.changed
    force = app.wait_in_force(system.layout, result.revision, 60)
    assert force.in_force, force


def assert_no_failure(load: Load) -> None:
    assert set(load.statuses) == {200} and not load.dropped and not load.refused, (
        load.failures()[:3],
        load.dropped[:3],
        load.refused,
    )


def split(weights: dict[str, float]) -> Callable[[dict[str, Any]], None]:
    def change(project: dict[str, Any]) -> None:
        project["endpoints"]["row"]["split"] = weights

    return change


def test_a_new_split_is_in_force_on_every_worker_at_once(system: System) -> None:
    lags: list[float] = []
    done = threading.Event()

    def watch() -> None:
        """How long each new revision of routing.json takes to be in force in both workers."""
        known, since = revision(system), 0.0
        while not done.wait(0.002):
            now = revision(system)
            if now != known:
                known, since = now, time.monotonic()
            if since and all(worker_revision(system, slot) >= known for slot in ("g0", "g1")):
                lags.append(time.monotonic() - since)
                since = 0.0

    watcher = threading.Thread(target=watch)
    watcher.start()
    with Load(system.http, callers=4) as load:
        wait_until(lambda: len(load.answers) > 50)
        for weights in ({"2": 100}, {"1": 100}, {"1": 50, "2": 50}, {"1": 100}):
            apply(system, split(weights))
            after = time.monotonic()
            wait_until(lambda after=after: sum(a.at - a.seconds > after for a in load.answers) > 40)
            versions = {a.version for a in load.answers if a.at - a.seconds > after}
            assert versions == set(weights), (weights, versions)
    done.set()
    watcher.join()
    assert_no_failure(load)
    assert_exactly_once(system, load.acknowledged)
    print(f"a new table is in force after {', '.join(f'{lag * 1000:.0f}' for lag in lags)} ms")
    assert len(lags) >= 4 and sorted(lags)[len(lags) // 2] < 1.0, lags


def revision(system: System) -> int:
    return int(json.loads(system.layout.routing.read_text())["revision"])


def worker_revision(system: System, slot: str) -> int:
    return int(json.loads((system.layout.run / f"counters-{slot}.json").read_text())["revision"])


def test_replaced_added_and_removed_versions_cost_no_request(system: System) -> None:
    def smaller(project: dict[str, Any]) -> None:
        project["models"]["row"]["versions"]["1"]["maxBatchSize"] = 8

    def add(project: dict[str, Any]) -> None:
        project["models"]["row"]["versions"]["3"] = {"path": "test_models:Doubled"}
        project["endpoints"]["row"]["split"] = {"1": 50, "3": 50}

    def remove(project: dict[str, Any]) -> None:
        del project["models"]["row"]["versions"]["3"]
        project["endpoints"]["row"]["split"] = {"1": 100}

    with Load(system.http, callers=4) as load:
        wait_until(lambda: len(load.answers) > 50)
        for change, versions in ((smaller, {"1"}), (add, {"1", "3"}), (remove, {"1"})):
            pids = runner_pids(system)
            apply(system, change)
            after = time.monotonic()
            wait_until(lambda after=after: sum(a.at - a.seconds > after for a in load.answers) > 40)
            assert {a.version for a in load.answers if a.at - a.seconds > after} == versions
            wait_until(lambda pids=pids: runner_pids(system) != pids)
        wait_until(lambda: len(runner_pids(system)) == 4, 30, "what is no longer wanted ends")
        had = len(load.answers)
        wait_until(lambda: len(load.answers) > had + 50)
    assert_no_failure(load)
    assert_exactly_once(system, load.acknowledged)


def runner_pids(system: System) -> set[int]:
    return {p["pid"] for p in system.processes()["processes"] if p["kind"] == "runner" and p["state"] == "ready"}


@pytest.mark.parametrize("body", [None, pytest.param(b"slow", marks=pytest.mark.slow)])
def test_the_end_under_load(system: System, make_system: Callable[..., System], body: bytes | None) -> None:
    """SIGTERM: nothing that was accepted fails; afterwards nobody listens. The second time, every request takes 300 ms."""
    running = make_system(system.project | {"project": "end"})
    with Load(running.http, callers=4, body=row_body(6667, 1, 1) if body else None) as load:
        wait_until(lambda: len(load.answers) > 20)
        assert running.stop(signal.SIGTERM) == 0
        wait_until(lambda: load.refused > 0)
    assert set(load.statuses) == {200} and not load.dropped, (load.failures()[:3], load.dropped[:3])
    assert_exactly_once(running, load.acknowledged, table=True)
