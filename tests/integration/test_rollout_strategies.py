"""The strategies beside the canary, on real processes: blue-green there and back under load, a person who decides, an experiment
that promotes nothing, and an older system elsewhere that is replaced.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.load import Load
from tests.support.system import PROJECT, System, wait_until

from tidegate.rollout import commands
from tidegate.storage.rollouts import RolloutStore
from tidegate.types.rollouts import RolloutState

ROW = {"versions": {"1": {"path": "test_models:Row"}, "2": {"path": "test_models:Row"}}}


def project(strategy: dict[str, Any], versions: dict[str, Any] | None = None) -> dict[str, Any]:
    endpoint = {"model": "row", "split": {"1": 100}, "strategy": strategy}
    analysis = {"templates": {"guardrails": {"metrics": [{"name": "error", "floor": 0.1}]}}}
    return {**PROJECT, "analysis": analysis, "models": {"row": versions or ROW}, "endpoints": {"row": endpoint}}


def where(system: System) -> RolloutState:
    with closing(RolloutStore(system.layout)) as store:
        state = store.current("row")
    assert state is not None
    return state


def reaches(system: System, phase: str, reason: str, seconds: float = 30.0) -> RolloutState:
    wait_until(lambda: (where(system).phase, where(system).reason) == (phase, reason), seconds, f"{phase} {reason}")
    return where(system)


@contextmanager
def asking(system: System, then: Callable[[str], None] = lambda id: None) -> Iterator[list[int]]:
    """Requests one after the other, until the end of the block; their statuses."""
    statuses: list[int] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            answer = system.row([1.0, 2.0, 3.0])
            statuses.append(answer.status)
            if answer.status == 200:
                then(answer.headers["tidegate-prediction-id"])
            time.sleep(0.002)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield statuses
    finally:
        ended.set()
        thread.join()


def test_blue_green_there_and_back_under_load(make_system: Callable[..., System]) -> None:
    system = make_system(project({"blueGreen": {"prePromotionAnalysis": {"minUnits": 20}}})).start()
    with Load(system.http, callers=4, pause=0.002) as load:
        commands.start(system.layout, "row", "2", actor="test")
        reaches(system, "Paused", "pause")
        assert not any(answer.version == "2" for answer in load.answers), "only mirrored so far"
        commands.promote(system.layout, "row", actor="test")
        wait_until(lambda: load.answers[-1].version == "2")
        commands.undo(system.layout, "row", actor="test")
        wait_until(lambda: load.answers[-1].version == "1")
    assert {answer.status for answer in load.answers} == {200} and not load.dropped and not load.refused
    wait_until(lambda: where(system).phase == "Degraded")


def test_a_person_decides_and_the_model_is_beside_them(make_system: Callable[..., System]) -> None:
    versions = {"versions": {"1": {"path": "test_models:Row"}, "2": {"path": "beside:Beside"}}}
    system = make_system(project({"shadow": {"decisions": "human", "minUnits": 40, "maxDisagreement": 0.5}}, versions))
    (system.folder / "beside.py").write_text(
        "import numpy as np\nfrom test_models import Row\nfrom tidegate.types.inference import Signature, TensorSpec\n\n"
        "class Beside(Row):\n    signature = Signature(inputs=Row.signature.inputs, outputs=[TensorSpec('y', 'INT64', [-1])])\n"
        "    def predict(self, inputs):\n        return {'y': np.ones(len(inputs['x']), np.int64)}\n"
    )
    system.start()
    turn = [0]

    def decide(id: str) -> None:
        turn[0] += 1
        value = 0 if turn[0] % 10 == 0 else 1
        sent = {"prediction_id": id, "kind": "event", "name": "decision", "value": value, "actor": "ann"}
        assert system.post("/v2/models/row/feedback", sent).status == 200

    commands.start(system.layout, "row", "2", actor="test")
    wait_until(lambda: system.row([1.0, 2.0, 3.0]).headers["tidegate-role"] == "shadow")
    with asking(system, decide) as statuses:
        reaches(system, "Paused", "pause", 40)
    assert set(statuses) == {200}
    with closing(RolloutStore(system.layout)) as store:
        batches = store.batches(where(system).id)["disagreement"]
    agree, differ = (sum(batch.canary[n] for batch in batches) for n in (0, 1))
    assert agree + differ >= 40 and 0.05 < differ / (agree + differ) < 0.2


def test_an_experiment_ends_with_a_person(make_system: Callable[..., System]) -> None:
    system = make_system(project({"experiment": {"weight": 50, "duration": "1s", "minUnits": 30}})).start()
    commands.start(system.layout, "row", "2", actor="test")
    with asking(system):
        wait_until(lambda: where(system).step == 2, 30)
        time.sleep(1.0)
    state = where(system)
    assert (state.phase, state.weight) == ("Paused", 50.0), "and never promoted by itself"
    commands.abort(system.layout, "row", actor="test")
    assert where(system).phase == "Degraded"


@pytest.mark.slow
def test_an_older_system_elsewhere_is_replaced(make_system: Callable[..., System], tmp_path: Path) -> None:
    older = System(
        tmp_path / "older", {**PROJECT, "models": {"row": ROW}, "endpoints": {"row": PROJECT["endpoints"]["row"]}}
    )
    try:
        older.start()
        versions = {"versions": {"1": {"path": f"{older.http}/v2/models/row"}, "2": {"path": "test_models:Row"}}}
        steps = [{"setWeight": 50}, {"pause": {"minUnits": 10}}, {"analysis": {}}]
        system = make_system(project({"canary": {"steps": steps, "matchedBaseline": False}}, versions)).start()
        commands.start(system.layout, "row", "2", actor="test")
        with asking(system) as statuses:
            reaches(system, "Healthy", "done", 60)
        assert set(statuses) == {200}
        assert system.row([1.0, 2.0, 3.0]).headers["tidegate-model-version"] == "2"
    finally:
        older.stop()


@pytest.fixture
def make_system(tmp_path: Path) -> Iterator[Callable[..., System]]:
    made: list[System] = []

    def make(given: dict[str, Any]) -> System:
        made.append(System(tmp_path / f"system{len(made)}", given))
        return made[-1]

    yield make
    for one in made:
        one.stop()
