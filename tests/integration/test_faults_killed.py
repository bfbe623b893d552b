"""kill -9 under load: what was acknowledged is in the log exactly once, whoever dies; others never notice where they needn't."""

from __future__ import annotations

import copy
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.load import Load, assert_exactly_once, in_table, row_body
from tests.support.system import WITH_CONTROL, System, children_of, wait_until

from tidegate.runner.heartbeat import read_beat

pytestmark = pytest.mark.xdist_group("faults_killed")

Make = Callable[..., System]


def project(**server: Any) -> dict[str, Any]:
    """The usual one, with an endpoint `second` on version 2 of row."""
    made = copy.deepcopy(WITH_CONTROL)
    made["server"].update({"workers": 2, **server})
    made["endpoints"]["second"] = {"model": "row", "split": {"2": 100}, "timeout": "5s"}
    return made


def kill_and_see_it_back(system: System, kind: str, model: str = "", version: str = "") -> None:
    """kill -9, then wait for its next life."""
    old = system.pid(kind, model, version)
    os.kill(old, signal.SIGKILL)

    def back() -> bool:
        return any(
            p["kind"] == kind
            and p["state"] == "ready"
            and p.get("restarts", 0) >= 1
            and p["pid"] != old
            and p.get("model", "") == model
            and (not version or p.get("version") == version)
            for p in system.processes().get("processes", [])
        )

    wait_until(back, 30, f"{kind} {model} {version} came back: {system.processes()}")


def test_every_process_killed_under_load(make_system: Make) -> None:
    system = make_system(project())
    second = Load(system.http, "/v2/models/second/infer", callers=2)
    with Load(system.http, callers=4) as first:
        wait_until(lambda: len(first.answers) > 50)
        for kind in ("gateway", "controller", "ingest"):
            kill_and_see_it_back(system, kind)
            answered = len(first.answers)
            wait_until(lambda had=answered: len(first.answers) > had + 20, what=f"answers after {kind} was killed")
        assert set(first.statuses) == {200}, first.failures()[:3]
        with second:  # version 2's process dies: those who ask version 1 never notice
            wait_until(lambda: len(second.answers) > 20)
            before = len(first.answers), len(first.dropped)
            kill_and_see_it_back(system, "runner", "row", "2")
            had = len(second.acknowledged)
            wait_until(lambda: len(second.acknowledged) > had + 20, what="version 2 answers again")
        assert len(first.answers) > before[0]
        assert set(first.statuses) == {200} and len(first.dropped) == before[1]
    assert set(second.statuses) <= {200, 503}, second.statuses
    assert system.stop() == 0
    assert_exactly_once(system, first.acknowledged, table=True)
    assert_exactly_once(system, second.acknowledged, "second", table=True)
    refused = [a.id for a in second.failures()]
    assert all(in_table(system.layout, "second")[id] == 1 for id in refused), "a refusal is a record as well"


def test_the_supervisor_killed_under_load(make_system: Make) -> None:
    made = project(drainTimeout=30)
    made["endpoints"]["second"]["timeout"] = "30s"
    made["models"]["row"]["versions"]["2"]["inferenceTimeout"] = "1h"
    system = make_system(made)
    ports = {"http": int(system.http.rpartition(":")[2]), "control": int(system.control.rpartition(":")[2])}
    # something in flight, that a gateway would wait for
    hung = Load(system.http, "/v2/models/second/infer", callers=1, body=row_body(6662, 0, 0))
    with Load(system.http, callers=4) as load, hung:
        wait_until(lambda: len(load.answers) > 100)
        wait_until(lambda: hangs(system, "2"))
        assert system.process is not None
        system.process.kill()
        system.process.wait()
        system.process = None
        system.write(project(**ports))  # the same addresses: a new `up` must not find them taken
        hung.end()
        system.start()
        slots = [command(pid)[-2] for pid in children_of(system.folder) if b"tidegate.gateway" in command(pid)]
        assert sorted(slots) == [b"g0", b"g1"], (
            "two writers of one slot, and ingest would miss what the older one writes"
        )
        had = len(load.acknowledged)
        wait_until(lambda: len(load.acknowledged) > had + 50, what="answers after the new start")
    assert system.stop() == 0
    assert_exactly_once(system, load.acknowledged, table=True)


def command(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def hangs(system: System, version: str) -> bool:
    """Whether that version of row is in a call that has lasted a while."""
    row = (p for p in system.processes()["processes"] if p.get("model") == "row" and p["version"] == version)
    beat = read_beat(system.layout.run / "runners" / f"{next(row)['name']}.beat")
    return beat is not None and beat.busy_since > 0 and time.monotonic() - beat.busy_since > 0.3


@pytest.mark.slow
def test_children_end_when_the_supervisor_is_killed(make_system: Make) -> None:
    made = project()
    made["models"]["row"]["versions"]["1"]["inferenceTimeout"] = "1h"
    system = make_system(made)
    with (
        Load(system.http, callers=1, body=None, pause=0.05),
        Load(system.http, callers=1, body=row_body(6662, 0, 0)) as hung,
    ):
        wait_until(lambda: hangs(system, "1"))
        assert children_of(system.folder)
        assert system.process is not None
        system.process.kill()
        system.process.wait()
        system.process = None
        wait_until(lambda: not children_of(system.folder), 30, f"left over: {children_of(system.folder)}")
        assert not hung.acknowledged
