"""Rollouts on real processes: a good version takes over by itself, one that always fails is rolled back and no caller sees it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.system import System

from tidegate.rollout import commands
from tidegate.rollout.verify import verify
from tidegate.storage.rollouts import RolloutStore
from tidegate.types.rollouts import RolloutState

FAILS = """
from test_models import Row

class Fails(Row):
    def predict(self, inputs: dict):
        if inputs["x"].any():  # the warm-up asks with zeros
            raise ValueError("no")
        return super().predict(inputs)
"""


def project(canary: str, steps: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "project": "p",
        "server": {"http": 0, "grpc": 0, "control": -1, "workers": 1},
        "analysis": {"templates": {"guardrails": {"metrics": [{"name": "error", "floor": 0.1}]}}},
        "models": {"m": {"versions": {"1": {"path": "test_models:Row"}, "2": {"path": canary}}}},
        "endpoints": {
            "e": {
                "model": "m",
                "split": {"1": 100},
                "fallback": "stable",
                "strategy": {"canary": {"steps": steps, "matchedBaseline": False}},
            }
        },
    }


def drive(
    system: System, until: Callable[[RolloutState], bool], seconds: float, pause: float = 0.0
) -> tuple[RolloutState, list[int]]:
    """Send requests until the rollout is where it should be; its state, and the status of every answer.

    `pause` seconds between two: what is sent while the evidence is read isn't what it took to decide.
    """
    answers: list[int] = []
    end = time.monotonic() + seconds
    with closing(RolloutStore(system.layout)) as store:
        while True:
            for _ in range(20):
                answers.append(system.row([1.0, 2.0, 3.0], endpoint="e").status)
                time.sleep(pause)
            state = store.current("e")
            assert state is not None
            if until(state) or time.monotonic() > end:
                return state, answers


def test_a_good_version_takes_over_by_itself(tmp_path: Path) -> None:
    steps: list[dict[str, Any]] = [{"setWeight": 50}, {"analysis": {"minUnits": 20}}]
    system = System(tmp_path, project("test_models:Row", steps))
    try:
        system.start()
        commands.start(system.layout, "e", "2", actor="test")
        state, answers = drive(system, lambda s: s.phase in ("Healthy", "Degraded"), 60)
        assert (state.phase, state.reason) == ("Healthy", "done"), state
        assert set(answers) == {200}
        found = verify(system.layout, state.id)
        assert found.checked
        assert not found.differences
        back = commands.undo(system.layout, "e", actor="test")
        assert back.reason == "undone"
    finally:
        system.stop()


def test_a_version_that_always_fails_goes_back_and_no_caller_sees_it(tmp_path: Path) -> None:
    system = System(tmp_path, project("bad:Fails", [{"setWeight": 5}, {"pause": {}}]))
    (tmp_path / "bad.py").write_text(FAILS)
    try:
        system.start()
        commands.start(system.layout, "e", "2", actor="test")
        state, answers = drive(system, lambda s: s.phase == "Degraded", 60, 0.01)
        assert (state.phase, state.reason) == ("Degraded", "alarm"), state
        assert set(answers) == {200}
        with closing(RolloutStore(system.layout)) as store:
            last = store.decisions(state.id)[-1]
        assert last.judgement is not None
        (error,) = (view for view in last.judgement.metrics if view.name == "error")
        assert error.canary_bad == error.canary_units <= 5
        assert error.stable_bad == 0
        found = verify(system.layout, state.id)
        assert not found.differences
    finally:
        system.stop()


def test_a_controller_that_is_killed_again_and_again_counts_nothing_twice(tmp_path: Path) -> None:
    steps: list[dict[str, Any]] = [{"setWeight": 50}, {"analysis": {"minUnits": 20}}]
    system = System(tmp_path, project("test_models:Row", steps))
    killed: list[int] = []

    def kill_first(state: RolloutState) -> bool:
        if state.phase == "Healthy":
            return True
        controller = next(p for p in system.processes()["processes"] if p["kind"] == "controller")
        pid = controller.get("pid", 0)  # none while it waits to be started again
        if len(killed) < 3 and pid and pid not in killed:
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)
        return False

    try:
        system.start()
        commands.start(system.layout, "e", "2", actor="test")
        state, answers = drive(system, kill_first, 90)
        assert (state.phase, len(killed)) == ("Healthy", 3), state
        assert set(answers) == {200}
        with closing(RolloutStore(system.layout)) as store:
            counted = sum(sum(b.canary) + sum(b.stable) for b in store.batches(state.id)["error"])
            events = [decision.event for decision in store.decisions(state.id)]
        sent = [
            r for r in system.journal("e") if r.get("assignment", "").startswith(f"{state.id}.") and r["status"] == 200
        ]
        assert 0 < counted <= len(sent)
        assert events == ["start", "start", "finish"]
        assert not verify(system.layout, state.id).differences
    finally:
        system.stop()


def test_a_canary_whose_process_is_killed_again_and_again_goes_back_and_no_caller_sees_it(tmp_path: Path) -> None:
    system = System(tmp_path, project("test_models:Row", [{"setWeight": 50}, {"pause": {}}]))

    def kill(state: RolloutState) -> bool:
        for process in system.processes()["processes"]:
            if process["kind"] == "runner" and process.get("version") == "2" and process.get("pid") and state.weight:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process["pid"], signal.SIGKILL)
        return state.phase == "Degraded"

    try:
        system.start()
        commands.start(system.layout, "e", "2", actor="test")
        state, answers = drive(system, kill, 60)
        assert (state.phase, state.reason) == ("Degraded", "alarm"), state
        assert set(answers) == {200}
        assert not verify(system.layout, state.id).differences
    finally:
        system.stop()
