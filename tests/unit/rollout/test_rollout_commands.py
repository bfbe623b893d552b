"""What people do to a rollout, on a real state folder: each phase, freezes, two operators at once, retry and undo."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tidegate import app
from tidegate.errors import ConfigError, Conflict, NotFound
from tidegate.rollout import commands
from tidegate.rollout.outcome import outcome
from tidegate.rollout.progress import Surroundings, advance, forward
from tidegate.storage.layout import Layout, write_atomic
from tidegate.storage.rollouts import Change, RolloutStore
from tidegate.storage.state import StateStore
from tidegate.types.rollouts import Decision, Judgement, RolloutState
from tidegate.types.traffic import RoutingTable, VersionRoute

PROJECT = """
project: p
models:
  m:
    versions:
      "1": {path: "a:b"}
      "2": {path: "a:c"}
endpoints:
  e:
    model: m
    split: {"1": 100}
    strategy:
      canary:
        steps: [{setWeight: 5}, {pause: {minUnits: 10}}, {setWeight: 50}, {analysis: {}}, {setWeight: 100}]
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "state")
    app.apply(layout, PROJECT, base=tmp_path, actor="test")
    ready = [VersionRoute("m", version, "READY") for version in ("1", "2")]
    write_atomic(layout.routing, msgspec.json.encode(RoutingTable(1, [], ready)))
    return layout


@pytest.fixture
def store(layout: Layout) -> Iterator[RolloutStore]:
    with closing(RolloutStore(layout)) as found:
        yield found


def begin(store: RolloutStore, layout: Layout) -> RolloutState:
    """A rollout at its first step, as the controller leaves it."""
    state = commands.start(layout, "e", "2", actor="ann")
    move = advance(state, None, Surroundings(time.time()))
    assert move is not None
    return store.write(Change(move.state))


def finish(store: RolloutStore, state: RolloutState) -> RolloutState:
    while state.active:
        move = forward(state, time.time())
        state = store.write(Change(move.state, **outcome(state, move)))
    return state


def split(layout: Layout) -> dict[str, float]:
    with closing(StateStore(layout)) as states:
        found: dict[str, float] = msgspec.json.decode(states.desired().project)["endpoints"]["e"]["split"]
        return found


def test_a_dry_run_writes_nothing(layout: Layout, store: RolloutStore) -> None:
    assert commands.start(layout, "e", "2", actor="ann", dry_run=True).plan.steps[0].weight == 5
    assert store.current("e") is None


def test_a_second_start_is_refused_and_names_the_way_out(layout: Layout) -> None:
    commands.start(layout, "e", "2", actor="ann")
    with pytest.raises(Conflict, match="tidegate rollout abort e"):
        commands.start(layout, "e", "2", actor="bob")


def test_unknown_names_say_what_there_is(layout: Layout) -> None:
    with pytest.raises(NotFound, match=r"has no version '3'.*It has: 1, 2"):
        commands.start(layout, "e", "3", actor="ann")
    with pytest.raises(NotFound, match=r"no endpoint 'f'.*Known: e"):
        commands.start(layout, "f", "2", actor="ann")
    with pytest.raises(ConfigError, match="has the traffic of endpoint 'e' already"):
        commands.start(layout, "e", "1", actor="ann")
    with pytest.raises(NotFound, match="tidegate rollout start e --to"):
        commands.abort(layout, "e", actor="ann")


def test_promote_goes_one_step_on_but_not_past_proof(layout: Layout, store: RolloutStore) -> None:
    assert (begin(store, layout).step, begin_weight(store)) == (1, 5)
    state = commands.promote(layout, "e", actor="ann")
    assert (state.step, state.weight) == (3, 50)
    with pytest.raises(Conflict, match=r"asks for proof.*--full"):
        commands.promote(layout, "e", actor="ann")
    state = commands.promote(layout, "e", full=True, actor="ann")
    assert (state.phase, state.weight, split(layout)) == ("Healthy", 100, {"2": 100.0})


def begin_weight(store: RolloutStore) -> float:
    state = store.current("e")
    assert state is not None
    return state.weight


def test_a_version_that_is_not_ready_gets_no_traffic(layout: Layout, store: RolloutStore) -> None:
    begin(store, layout)
    write_atomic(
        layout.routing, msgspec.json.encode(RoutingTable(2, [], [VersionRoute("m", "2", "UNAVAILABLE", reason="x")]))
    )
    with pytest.raises(Conflict, match="m:2 is not ready: x"):
        commands.promote(layout, "e", full=True, actor="ann")


def test_pause_and_resume(layout: Layout, store: RolloutStore) -> None:
    begin(store, layout)
    with pytest.raises(Conflict, match="nobody paused it"):
        commands.resume(layout, "e", actor="ann")
    assert commands.pause(layout, "e", actor="ann", reason="lunch").message == "paused by ann: lunch"
    with pytest.raises(Conflict, match="paused by a person already"):
        commands.pause(layout, "e", actor="bob")
    assert commands.resume(layout, "e", actor="ann").reason == "pause"


def test_a_freeze_stops_all_but_the_way_back(layout: Layout, store: RolloutStore) -> None:
    begin(store, layout)
    commands.freeze(layout, "*", until=time.time() + 60, reason="quarter", actor="ann")
    with pytest.raises(Conflict, match=r"frozen until .* by ann: quarter"):
        commands.promote(layout, "e", full=True, actor="bob")
    assert commands.abort(layout, "e", actor="bob").phase == "Degraded"
    with pytest.raises(Conflict, match="frozen"):
        commands.retry(layout, "e", actor="bob")
    assert len(commands.unfreeze(layout, "*", actor="ann")) == 1
    assert commands.retry(layout, "e", actor="bob").phase == "Pending"


def test_the_controller_promotes_nothing_in_a_freeze(layout: Layout, store: RolloutStore) -> None:
    state = begin(store, layout)
    good = Judgement("Successful", "pause", "")
    assert advance(state, good, Surroundings(0.0, frozen="frozen")) is None
    assert advance(state, good, Surroundings(0.0, not_ready="loading")) is None
    move = advance(state, good, Surroundings(0.0))
    assert move is not None
    assert move.state.weight == 50
    back = advance(state, Judgement("Failed", "alarm", "bad"), Surroundings(0.0, frozen="frozen"))
    assert back is not None
    assert (back.state.phase, back.state.weight) == ("Degraded", 0)


def test_what_cannot_be_measured_pauses_and_goes_on_by_itself(layout: Layout, store: RolloutStore) -> None:
    state = begin(store, layout)
    held = advance(state, Judgement("Error", "noData", "none"), Surroundings(0.0))
    assert held is not None
    assert (held.state.phase, held.state.reason) == ("Paused", "noData")
    again = advance(held.state, Judgement("Running", "pause", ""), Surroundings(0.0))
    assert again is not None
    assert again.state.reason == "pause"
    drifted = advance(state, Judgement("Successful", "", ""), Surroundings(0.0, drift="Humidity is higher"))
    assert drifted is not None and (drifted.state.phase, drifted.state.reason) == ("Paused", "drift")
    assert advance(drifted.state, Judgement("Successful", "", ""), Surroundings(0.0, drift="still")) is None
    over = advance(drifted.state, Judgement("Running", "", ""), Surroundings(0.0))
    assert over is not None and over.event == "resume"
    worse = advance(drifted.state, Judgement("Failed", "alarm", "bad"), Surroundings(0.0, drift="still"))
    assert worse is not None and worse.state.phase == "Degraded", "drift holds no alarm back"
    stuck = advance(state, Judgement("Error", "srm", "shares"), Surroundings(0.0))
    assert stuck is not None
    assert advance(stuck.state, Judgement("Successful", "pause", ""), Surroundings(0.0)) is None


def test_of_two_operators_one_wins(layout: Layout, store: RolloutStore) -> None:
    state = begin(store, layout)
    commands.abort(layout, "e", actor="ann")
    with pytest.raises(Conflict, match="changed by somebody else"):
        store.write(Change(forward(state, 0.0).state))
    with pytest.raises(Conflict, match="can't be promoted: it has gone back"):
        commands.promote(layout, "e", actor="bob")


def test_evidence_written_meanwhile_does_not_refuse_a_person(
    layout: Layout, store: RolloutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = begin(store, layout)
    write = RolloutStore.write
    raced: list[int] = []

    def race(self: RolloutStore, change: Change) -> RolloutState:
        if not raced:
            raced.append(1)
            write(store, Change(msgspec.structs.replace(state, in_step=3.0)))
        return write(self, change)

    monkeypatch.setattr(RolloutStore, "write", race)
    assert commands.abort(layout, "e", actor="ann").phase == "Degraded"


def test_a_retry_keeps_the_rollout_but_not_against_its_evidence(layout: Layout, store: RolloutStore) -> None:
    state = begin(store, layout)
    commands.abort(layout, "e", actor="ann")
    again = commands.retry(layout, "e", actor="ann")
    assert (again.id, again.attempt, again.phase) == (state.id, 2, "Pending")
    alarmed = msgspec.structs.replace(again, phase="Degraded", reason="alarm", message="error: 5 of 5")
    store.write(Change(alarmed))
    with pytest.raises(Conflict, match=r"evidence against this artifact stands.*error: 5 of 5"):
        commands.retry(layout, "e", actor="ann")


def test_undo_is_at_once_within_the_window_and_a_rollout_after_it(layout: Layout, store: RolloutStore) -> None:
    state = finish(store, begin(store, layout))
    assert (state.phase, split(layout)) == ("Healthy", {"2": 100.0})
    assert commands.undo(layout, "e", actor="ann").reason == "undone"
    assert split(layout) == {"1": 100.0}
    state = finish(store, begin(store, layout))
    store.write(Change(state, live=False))
    back = commands.undo(layout, "e", actor="ann")
    assert (back.phase, back.stable, back.canary) == ("Pending", "2", "1")


def test_a_rollouts_result_outlives_an_apply_that_says_nothing_new(layout: Layout, store: RolloutStore) -> None:
    finish(store, begin(store, layout))
    base = layout.root.parent
    kept = app.apply(layout, PROJECT, base=base, actor="test")
    assert not kept.changed
    assert "kept as a rollout left it" in kept.changes[0]
    app.apply(layout, PROJECT.replace("project: p", "project: q"), base=base, actor="test")
    assert split(layout) == {"2": 100.0}
    app.apply(layout, PROJECT.replace('split: {"1": 100}', 'split: {"2": 100}'), base=base, actor="test")
    app.apply(layout, PROJECT, base=base, actor="test")
    assert split(layout) == {"1": 100.0}


def test_an_apply_under_a_rollout_changes_nothing_of_it(layout: Layout, store: RolloutStore) -> None:
    begin(store, layout)
    base = layout.root.parent
    with pytest.raises(Conflict, match=r"endpoints.e.split: it can't be changed.*tidegate rollout abort e"):
        app.apply(layout, PROJECT.replace('split: {"1": 100}', 'split: {"2": 100}'), base=base, actor="test")
    with pytest.raises(Conflict, match=r"models.m.versions.2"):
        app.apply(layout, PROJECT.replace("a:c", "a:d"), base=base, actor="test")
    app.apply(layout, PROJECT.replace("project: p", "project: q"), base=base, actor="test")


def test_decisions_are_numbered_and_audited(layout: Layout, store: RolloutStore) -> None:
    begin(store, layout)
    commands.pause(layout, "e", actor="ann", reason="lunch")
    commands.abort(layout, "e", actor="bob")
    state = store.current("e")
    assert state is not None
    found: list[Decision] = store.decisions(state.id)
    assert [(d.number, d.event, d.actor) for d in found] == [
        (1, "start", "ann"),
        (2, "pause", "ann"),
        (3, "abort", "bob"),
    ]
    with closing(StateStore(layout)) as states:
        assert [(a.action, a.actor) for a in states.audit(2)] == [("rollout abort", "bob"), ("rollout pause", "ann")]


def test_only_labels_are_labels(layout: Layout) -> None:
    """An endpoint that hears of events alone can't have its wrong answers counted; it would wait for them for ever."""
    from tests.support.evidence_maker import Worker

    from tidegate.ingest.cycle import Cycle
    from tidegate.storage.options import LogOptions

    worker = Worker(layout)
    id = worker.line(assignment="")
    worker.feedback(id, type="event", name="redo")
    cycle = Cycle(layout, LogOptions.model_validate({}))
    cycle.run()
    assert not commands.has_labels(layout, "e")
    worker.feedback(id)
    cycle.run()
    assert commands.has_labels(layout, "e")
