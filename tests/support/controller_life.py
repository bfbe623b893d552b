"""One life of a controller, on a prepared state folder with made-up traffic: `python -m tests.support.controller_life FOLDER N WHEN`.

It ends by itself when the rollout has; or it kills itself right before or after its N-th write (of the database, or of a file).
Runners are made ready by decree, and gateways follow the routing table at once: what is tested is the controller alone.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tests.support.evidence_maker import Worker
from tidegate import app
from tidegate.rollout import controller as controller_module
from tidegate.rollout.controller import Controller
from tidegate.rollout.evidence import collector as collector_module
from tidegate.rollout.evidence.exposure import Exposures
from tidegate.rollout.reconcile import spec_digest
from tidegate.routing.assign import arm_at, lay
from tidegate.storage.layout import Layout, write_atomic
from tidegate.storage.rollouts import RolloutStore
from tidegate.types.inference import Signature
from tidegate.types.processes import Plan, Processes, ProcessStatus, RunnerReady
from tidegate.types.traffic import RoutingTable

PROJECT = """
project: p
analysis: {templates: {guardrails: {metrics: [{name: error, floor: 0.05}]}}}
models: {m: {versions: {"1": {path: "a:b"}, "2": {path: "a:c"}}}}
endpoints:
  e:
    model: m
    split: {"1": 100}
    strategy:
      canary:
        matchedBaseline: false
        steps: [{setWeight: 10}, {pause: {minUnits: 20}}, {setWeight: 50}, {analysis: {minUnits: 50}}, {setWeight: 100}]
"""


def prepare(folder: Path, project: str = PROJECT) -> Layout:
    """A state folder whose runners are ready, and whose table is written."""
    layout = Layout(folder / ".tidegate")
    app.apply(layout, project, base=folder, actor="test")
    return layout


def runners_ready(layout: Layout) -> None:
    """Say of every planned runner that it is."""
    try:
        plan = msgspec.json.decode(layout.plan.read_bytes(), type=Plan)
    except OSError:
        return
    found = []
    for spec in plan.runners:
        digest = spec_digest(spec)
        ready = RunnerReady(1, f"/nowhere/{digest}-0.sock", Signature([], []), "python", 0.0)
        found.append(
            ProcessStatus(
                f"{digest}-0", "runner", "ready", 1, model=spec.model, version=spec.version, spec=digest, ready=ready
            )
        )
    write_atomic(layout.processes, msgspec.json.encode(Processes(1, plan.revision, time.time(), found)))


class Traffic:
    """Units for the endpoint `e`, assigned as the routing table says now. `fails` says whose requests do."""

    def __init__(self, layout: Layout, life: int, fails: Callable[[str], bool] = lambda role: False) -> None:
        self._layout = layout
        self._worker = Worker(layout, prefix=f"w{life}", segment=life)
        self._chance = random.Random(life)
        self._fails = fails

    def send(self, count: int) -> None:
        try:
            table = msgspec.json.decode(self._layout.routing.read_bytes(), type=RoutingTable)
        except OSError:
            return
        (route,) = [endpoint for endpoint in table.endpoints if endpoint.name == "e"]
        ordered, bounds = lay(route.arms)
        for _ in range(count):
            arm = ordered[arm_at(bounds, self._chance.random() * 100)]
            status = 500 if self._fails(arm.role) else 200
            self._worker.line(version=arm.version, role=arm.role, status=status, assignment=route.assignment)
        self._worker.mark()


def controller(layout: Layout) -> Controller:
    return Controller(layout, lambda desired, store: app.wanted(desired, store, layout))


def live(layout: Layout, traffic: Traffic, done: Callable[[], bool], seconds: float = 60.0, turn: float = 0.02) -> bool:
    """Step until `done()`; whether it was before the time was over."""
    made = controller(layout)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        runners_ready(layout)
        traffic.send(20)
        made.step()
        if done():
            return True
        time.sleep(turn)
    return False


def count_writes(deadly: int, when: str) -> None:
    """Kill this process at its `deadly`-th write."""
    counted = [0]

    def watched(write: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            counted[0] += 1
            mine = counted[0] == deadly
            if mine and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            made = write(*args, **kwargs)
            if mine:
                os.kill(os.getpid(), signal.SIGKILL)
            return made

        return wrapper

    RolloutStore.write = watched(RolloutStore.write)  # type: ignore[method-assign]
    Exposures.save = watched(Exposures.save)  # type: ignore[method-assign]
    for module in (controller_module, collector_module):
        module.write_atomic = watched(module.write_atomic)  # type: ignore[attr-defined]


def main(folder: str, deadly: int, when: str, life: int) -> None:
    layout = Layout(Path(folder) / ".tidegate")
    traffic = Traffic(layout, life)
    if deadly:
        count_writes(deadly, when)
    store = RolloutStore(layout)

    def done() -> bool:
        state = store.current("e")
        if state is None or state.phase != "Healthy":
            return False
        table = msgspec.json.decode(layout.routing.read_bytes(), type=RoutingTable)
        return [(arm.version, arm.weight) for arm in table.endpoints[0].arms] == [("2", 100.0)]

    sys.exit(0 if live(layout, traffic, done) else 1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
