"""What the evidence says of a degree, which moves it allows, when the model steps down, and how people agree."""

from __future__ import annotations

import random
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tidegate.errors import Conflict, InvalidRequest
from tidegate.review import degrees
from tidegate.review.options import AutomationOptions
from tidegate.review.raters import queues
from tidegate.storage.automation import AutomationStore
from tidegate.storage.layout import Layout
from tidegate.storage.review import ReviewStore
from tidegate.types.records import PredictionRecord, ReviewRecord, ReviewRow

NOW = time.time()


def options(level: str = "shadow", target: float = 0.05, **act: object) -> AutomationOptions:
    stated = {
        "level": level,
        "act": {"targetError": target, **act},
        "review": {"queue": "q"},
        "stepDown": {"on": ["input.image.brightness"]},
    }
    return AutomationOptions.model_validate(stated)


def fill(
    layout: Layout,
    n: int,
    *,
    wrong: float,
    level: str = "shadow",
    audit: bool = False,
    version: str = "1",
    seed: int = 0,
) -> None:
    """Decided tasks: the model says clean or scratched, people say otherwise at the rate `wrong`, more often where it is less sure."""
    rng = random.Random(seed)
    with closing(ReviewStore(layout)) as store:
        records = []
        truths = []
        for i in range(n):
            truth = "clean" if rng.random() < 0.7 else "scratched"
            confidence = 1.0 - 0.5 * rng.random() ** 3
            fails = rng.random() < min(1.0, wrong * 8 * (1.0 - confidence))
            opinion = {"clean": "scratched", "scratched": "clean"}[truth] if fails else truth
            row = ReviewRow(0, opinion, confidence, audit=audit)
            asked = ReviewRecord("q", level, [row], 600.0, not audit)
            records.append(
                PredictionRecord(f"{seed}-{i}", int((NOW - 100) * 1e9), "e", "m", version, "shadow", 200, review=asked)
            )
            truths.append(truth)
        store.create(records)
        for task, truth in zip(store.listed("q", limit=n), truths, strict=True):
            store.answer(task.id, "ann", truth, now=NOW - 40)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "state")


def test_nothing_is_known_of_nothing(layout: Layout) -> None:
    found = degrees.standing(layout, "e", options(), "1", NOW)
    assert {gate.level: gate.open for gate in found.gates} == {
        "shadow": True,
        "assist": False,
        "partial": False,
        "full": False,
    }
    assert "0 of 50 decisions" in found.gates[1].why
    with pytest.raises(Conflict, match="can't go to assist yet: 0 of 50"):
        degrees.move(layout, "e", options(), "1", "assist", actor="ann")


def test_the_evidence_is_what_people_said_beside_it(layout: Layout) -> None:
    fill(layout, 800, wrong=0.05)
    fill(layout, 30, wrong=1.0, version="0", seed=1)  # another version's
    fill(layout, 30, wrong=1.0, level="partial", seed=2)  # doubtful ones only: no fair sample
    seen = degrees.standing(layout, "e", options(), "1", NOW).evidence
    assert seen.errors.n == 800
    assert seen.errors.low <= seen.errors.bad / 800 <= seen.errors.high
    assert seen.commonest == pytest.approx(0.7, abs=0.05)
    assert seen.delay == (60.0, 60.0)
    assert (seen.day, seen.open, seen.late, seen.shown) == (860, 0, 0.0, 0)


def test_up_one_degree_at_a_time_as_far_as_the_evidence_goes(layout: Layout) -> None:
    fill(layout, 1500, wrong=0.05)
    rule = options("human")
    with pytest.raises(Conflict, match="one degree at a time: to shadow first"):
        degrees.move(layout, "e", rule, "1", "assist", actor="ann")
    for level in ("shadow", "assist", "partial"):
        assert degrees.move(layout, "e", rule, "1", level, actor="ann", reason="it is good").level == level
    with pytest.raises(Conflict, match="of all rows at most"):
        degrees.move(layout, "e", options("human", target=0.02), "1", "full", actor="ann")
    with pytest.raises(InvalidRequest, match="reason"):
        degrees.move(layout, "e", rule, "1", "full", actor="ann", force=True)
    down = degrees.move(layout, "e", rule, "1", "human", actor="bob", reason="dark")
    assert [(one.before, one.after, one.actor) for one in down.moves][-1] == ("partial", "human", "bob")
    assert down.moves[-1].evidence["errors"]["n"] == 1500, "kept with the move"
    forced = degrees.move(layout, "e", rule, "1", "full", actor="bob", reason="a demo", force=True)
    assert (forced.level, forced.moves[-1].forced) == ("full", True)
    with pytest.raises(InvalidRequest, match="human, shadow, assist, partial, full"):
        degrees.move(layout, "e", rule, "1", "autopilot", actor="ann")


def test_a_file_that_says_something_new_wins(layout: Layout) -> None:
    degrees.move(layout, "e", options("human"), "1", "shadow", actor="ann")
    assert degrees.standing(layout, "e", options("human"), "1").level == "shadow"
    assert degrees.standing(layout, "e", options("assist"), "1").level == "assist"


def test_no_better_than_saying_always_the_same_is_not_shown_to_people(layout: Layout) -> None:
    fill(layout, 400, wrong=0.5)
    gate = degrees.standing(layout, "e", options(), "1", NOW).gates[1]
    assert not gate.open
    assert "not more than" in gate.why


def test_what_the_audit_says_steps_it_down(layout: Layout) -> None:
    rule = options("partial", target=0.05, confidence=">= 0.9")
    fill(layout, 400, wrong=0.04, level="partial", audit=True)
    found = degrees.standing(layout, "e", rule, "1", NOW)
    assert degrees.step_down(found, rule, []) == ""
    assert "an alarm fires: input.image.brightness" in degrees.step_down(
        found, rule, ["input.image.brightness", "output.null"]
    )
    assert degrees.step_down(found, rule, ["output.null"]) == "", "only those that somebody named"
    fill(layout, 400, wrong=1.5, level="partial", audit=True, seed=5)
    worse = degrees.standing(layout, "e", rule, "1", NOW)
    assert worse.evidence.decided.low > 0.05
    assert "of what the model decides at least" in degrees.step_down(worse, rule, [])
    assert degrees.step_down(msgspec.structs.replace(worse, level="assist"), rule, []) == "", "it decides nothing there"


def test_errors_from_before_a_move_are_no_reason_to_step_down_after_it(layout: Layout) -> None:
    rule = options("assist", confidence=">= 0.9")
    fill(layout, 600, wrong=1.5, level="partial", audit=True)
    degrees.move(layout, "e", rule, "1", "partial", actor="ann", reason="repaired", force=True)
    assert degrees.standing(layout, "e", rule, "1").evidence.decided.n == 0


def test_the_threshold_is_kept_with_why(layout: Layout) -> None:
    with closing(AutomationStore(layout)) as store:
        assert not store.set_threshold("e", "shadow", None, {}, "tidegate")
        assert store.set_threshold("e", "shadow", 0.95, {"n": 10}, "tidegate")
        assert not store.set_threshold("e", "shadow", 0.95, {"n": 11}, "tidegate")
        assert store.degrees()["e"].threshold == 0.95
    assert degrees.threshold_of(options(), None) is None
    assert degrees.threshold_of(options(confidence=">= 0.8"), None) == 0.8


def test_people_are_counted(layout: Layout) -> None:
    with closing(ReviewStore(layout)) as store:
        rows = [ReviewRow(n, raters=2) for n in range(4)]
        store.create(
            [
                PredictionRecord(
                    "p", int(NOW * 1e9), "e", "m", "1", "human", 200, review=ReviewRecord("q", "human", rows, 60.0)
                )
            ]
        )
        for task in store.listed("q"):
            store.claim("q", "ann", now=NOW)
            store.answer(task.id, "ann", "a", now=NOW + 2)
            store.claim("q", "bob", now=NOW)
            store.answer(task.id, "bob", "a" if task.row else "b", now=NOW + 6)
    (queue,) = queues(layout, NOW - 10)
    assert [(one.name, one.answers, one.seconds, one.agreed, one.shared) for one in queue.raters] == [
        ("ann", 4, 2.0, 3, 4),
        ("bob", 4, 6.0, 3, 4),
    ]
    assert (queue.depth.disputed, queue.decided) == (1, 4)
    assert queue.alpha == pytest.approx(0.0)
