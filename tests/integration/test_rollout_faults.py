"""What can happen to a controller: killed at each of its writes, a full disk, marks that stop, labels that never come, a flood."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.controller_life import PROJECT, Traffic, controller, live, prepare, runners_ready

from tidegate.errors import Conflict, TidegateError
from tidegate.rollout import commands
from tidegate.rollout.verify import verify
from tidegate.storage import rollouts as rollouts_module
from tidegate.storage.layout import Layout
from tidegate.storage.rollouts import RolloutStore
from tidegate.types.rollouts import RolloutState
from tidegate.types.traffic import RoutingTable

ROOT = Path(__file__).parents[2]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return prepare(tmp_path)


@pytest.fixture
def store(layout: Layout) -> Iterator[RolloutStore]:
    with closing(RolloutStore(layout)) as found:
        yield found


def begun(layout: Layout) -> RolloutState:
    """A rollout that the controller has begun."""
    made = controller(layout)
    for _ in range(3):
        made.step()
        runners_ready(layout)
    return commands.start(layout, "e", "2", actor="test")


def phase(store: RolloutStore) -> str:
    state = store.current("e")
    assert state is not None
    return state.phase


def life(folder: Path, deadly: int, when: str, number: int) -> int:
    words = [sys.executable, "-m", "tests.support.controller_life", str(folder), str(deadly), when, str(number)]
    return subprocess.run(words, cwd=ROOT, timeout=90, check=False).returncode


@pytest.mark.parametrize("when", ["before", pytest.param("after", marks=pytest.mark.slow)])
def test_killed_at_every_write_it_ends_where_it_would_have(tmp_path: Path, when: str) -> None:
    """One life after the other dies at its first, second, third ... write; then one lives on."""
    layout = prepare(tmp_path)
    begun(layout)
    killed = 0
    for number, deadly in enumerate([1, 2, 3, 4, 5, 6, 8, 11, 0], 1):
        code = life(tmp_path, deadly, when, number)
        killed += code == -9
        if code == 0:
            break
    assert code == 0 and killed >= 5, f"ended with {code} after {killed} deaths"
    with closing(RolloutStore(layout)) as store:
        state = store.current("e")
        assert state is not None and (state.phase, state.weight) == ("Healthy", 100.0)
        assert [decision.event for decision in store.decisions(state.id)] == ["start", "start", "step", "finish"]
        counted = sum(sum(b.canary) + sum(b.stable) for b in store.batches(state.id)["srm"])
        sent = 0
        for path in layout.journal.glob("*.ndjson"):
            sent += sum(f'"assignment":"{state.id}.'.encode() in line for line in path.read_bytes().splitlines())
        assert 0 < counted <= sent
        assert not verify(layout, state.id).differences


def test_a_full_disk_promotes_nothing_and_it_goes_on_after(
    layout: Layout, store: RolloutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(layout)
    full = [False]
    commit = RolloutStore.write

    def write(self: RolloutStore, change: Any) -> RolloutState:
        if full[0]:
            raise OSError(28, "No space left on device")
        return commit(self, change)

    monkeypatch.setattr(rollouts_module.RolloutStore, "write", write)
    traffic = Traffic(layout, 1)
    assert live(layout, traffic, lambda: phase(store) == "Paused", 20)
    full[0] = True
    state = store.current("e")
    assert not live(layout, traffic, lambda: store.current("e") != state, 2.0)
    full[0] = False
    assert live(layout, traffic, lambda: phase(store) == "Healthy", 30)
    assert state is not None and not verify(layout, state.id).differences


def test_marks_that_stop_blind_it_and_nothing_is_promoted(
    layout: Layout, store: RolloutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidegate.rollout.evidence.collector.PATIENCE", 0.5)
    begun(layout)
    traffic = Traffic(layout, 1)
    assert live(layout, traffic, lambda: phase(store) == "Paused", 20)
    traffic._worker.mark = lambda *a, **k: None  # type: ignore[method-assign]

    def blind() -> bool:
        state = store.current("e")
        return state is not None and (state.phase, state.reason) == ("Paused", "blind")

    assert live(layout, traffic, blind, 20)
    del traffic._worker.mark  # type: ignore[attr-defined]
    assert live(layout, traffic, lambda: phase(store) == "Healthy", 30), "it goes on by itself when they are back"


def test_labels_that_never_come_promote_nothing(tmp_path: Path) -> None:
    project = PROJECT.replace("{name: error, floor: 0.05}", "{name: error, floor: 0.05}, {name: wrong, maturation: 1s}")
    layout = prepare(tmp_path, project.replace("analysis: {minUnits: 50}", "analysis: {minUnits: 50, maxDuration: 2s}"))
    begun(layout)
    with closing(RolloutStore(layout)) as store:

        def inconclusive() -> bool:
            state = store.current("e")
            return state is not None and (state.phase, state.reason) == ("Paused", "inconclusive")

        assert live(layout, Traffic(layout, 1), inconclusive, 30)
        state = store.current("e")
        assert state is not None and "wrong" in state.message and state.weight == 50.0


def test_a_flood_of_labels_holds_nobody_up(tmp_path: Path) -> None:
    """100,000 labels at once, of predictions that the rollout counts: they are joined beside the controller's steps."""
    label = "{name: error, floor: 0.05}, {name: wrong, maturation: 100ms, guardrail: false}"
    layout = prepare(tmp_path, PROJECT.replace("{name: error, floor: 0.05}", label))
    begun(layout)
    with closing(RolloutStore(layout)) as store:
        traffic = Traffic(layout, 1)
        assert live(layout, traffic, lambda: phase(store) == "Paused", 20)
        worker = traffic._worker
        id = worker.line()
        worker.feedback(id)
        *_, line = worker.path.read_bytes().splitlines()
        with worker.path.open("ab") as file:
            for number in range(100_000):
                file.write(line.replace(id.encode(), b"aa-%x" % number) + b"\n")
        assert live(layout, traffic, lambda: phase(store) == "Healthy", 30)
        state = store.current("e")
        assert state is not None and store.batches(state.id).get("error")


def test_a_clock_that_jumps_ends_no_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = prepare(tmp_path, PROJECT.replace("pause: {minUnits: 20}", "pause: {minUnits: 20, duration: 1h}"))
    begun(layout)
    with closing(RolloutStore(layout)) as store:
        traffic = Traffic(layout, 1)
        assert live(layout, traffic, lambda: phase(store) == "Paused", 20)
        real = time.time
        for jump in (+400 * 86400.0, -400 * 86400.0):
            monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
            assert not live(layout, traffic, lambda: store.current("e").step != 1, 1.5)  # type: ignore[union-attr]
        monkeypatch.undo()
        state = store.current("e")
        assert state is not None and state.weight == 10.0 and 0 < state.in_step < 30


def test_an_alarm_reaches_the_table_in_the_look_that_saw_it(layout: Layout, store: RolloutStore) -> None:
    begun(layout)
    traffic = Traffic(layout, 1, fails=lambda role: role == "canary")

    def routed() -> bool:
        if phase(store) != "Degraded":
            return False
        table = msgspec.json.decode(layout.routing.read_bytes(), type=RoutingTable)
        assert [(arm.version, arm.weight) for arm in table.endpoints[0].arms] == [("1", 100.0)], (
            "written by the same step"
        )
        return True

    assert live(layout, traffic, routed, 30)


def test_two_operators_at_once_one_wins_and_the_other_is_told(layout: Layout, store: RolloutStore) -> None:
    begun(layout)
    assert live(layout, Traffic(layout, 1), lambda: phase(store) == "Paused", 20)
    said: list[str] = []
    together = threading.Barrier(2)

    def act(command: Any) -> None:
        together.wait()
        try:
            command(layout, "e", actor="somebody")
            said.append("done")
        except (Conflict, TidegateError) as exc:
            said.append(str(exc))

    threads = [threading.Thread(target=act, args=(command,)) for command in (commands.abort, commands.abort)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count("done") == 1 and phase(store) == "Degraded", said
    state = store.current("e")
    assert state is not None
    assert [decision.event for decision in store.decisions(state.id)].count("abort") == 1


def test_units_that_are_held_back_stay_so_after_the_end(tmp_path: Path) -> None:
    """The rollback window is over at once; the split stays 80 to 20, and so does who is in it."""
    project = PROJECT.replace(
        "matchedBaseline: false", "matchedBaseline: false\n        holdback: 20\n        rollbackWindow: 0"
    )
    layout = prepare(tmp_path, project)
    begun(layout)
    with closing(RolloutStore(layout)) as store:
        assert live(layout, Traffic(layout, 1), lambda: phase(store) == "Healthy" and not store.live(), 30)
        assert not live(layout, Traffic(layout, 2), lambda: False, 1.5), (
            "long enough for what is desired to be read again"
        )
    table = msgspec.json.decode(layout.routing.read_bytes(), type=RoutingTable)
    (route,) = table.endpoints
    assert {arm.version: arm.weight for arm in route.arms} == {"2": 80.0, "1": 20.0} and route.salt == "r1"
    again = controller(layout)
    again.step()
    assert msgspec.json.decode(layout.routing.read_bytes(), type=RoutingTable).endpoints[0].salt == "r1"


def test_a_freeze_holds_even_what_is_proved_and_abort_still_works(layout: Layout, store: RolloutStore) -> None:
    begun(layout)
    traffic = Traffic(layout, 1)
    assert live(layout, traffic, lambda: phase(store) == "Paused", 20)
    commands.freeze(layout, "e", until=time.time() + 600, reason="the holidays", actor="ann")
    state = store.current("e")
    assert state is not None
    assert not live(layout, traffic, lambda: store.current("e").step != state.step, 2.0)  # type: ignore[union-attr]
    assert "the holidays" in store.current("e").message  # type: ignore[union-attr]
    commands.unfreeze(layout, "e", actor="ann")
    assert live(layout, traffic, lambda: phase(store) == "Healthy", 30)


def test_one_that_waits_its_turn_begins_when_the_other_has_ended(tmp_path: Path) -> None:
    project = PROJECT.replace('"2": {path: "a:c"}', '"2": {path: "a:c"}, "3": {path: "a:d"}')
    layout = prepare(
        tmp_path, project.replace("matchedBaseline: false", "matchedBaseline: false\n        onConflict: queue")
    )
    first = begun(layout)
    second = commands.start(layout, "e", "3", actor="bob")
    assert (second.phase, second.reason) == ("Pending", "queued")
    with closing(RolloutStore(layout)) as store:

        def both_done() -> bool:
            states = [store.get(one.id) for one in (first, second)]
            return all(state is not None and state.phase == "Healthy" for state in states)

        assert live(layout, Traffic(layout, 1), both_done, 40)
        last = store.get(second.id)
        assert last is not None and (last.stable, last.canary) == ("2", "3"), "from where the first one led"
