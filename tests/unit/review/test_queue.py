"""The queue's transactions: tasks come once, go to one person (or to as many as are wanted), and end in one decision."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tidegate.errors import Conflict, NotFound
from tidegate.storage.layout import Layout
from tidegate.storage.review import LEASE, OVERDUE, SKIPPED, ReviewStore
from tidegate.types.records import PredictionRecord, ReviewRecord, ReviewRow

T0 = 1_000_000.0


def record(id: str, *rows: ReviewRow, timeout: float = 60.0, waits: bool = True, at: float = T0) -> PredictionRecord:
    asked = ReviewRecord("inspectors", "assist", list(rows) or [ReviewRow(0, "clean", 0.7)], timeout, waits)
    return PredictionRecord(id, int(at * 1e9), "inspect", "m", "1", "shadow", 200, review=asked)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReviewStore]:
    with closing(ReviewStore(Layout(tmp_path / "state"))) as store:
        yield store


def test_a_line_read_twice_makes_its_tasks_once(store: ReviewStore) -> None:
    assert store.create([record("a", ReviewRow(0), ReviewRow(1)), record("b")], {"gateway-0": 7}) == 3
    assert store.create([record("a", ReviewRow(0), ReviewRow(1)), record("b"), record("c")], {"gateway-0": 9}) == 1
    assert store.positions() == {"gateway-0": 9}
    assert [(one.prediction_id, one.row) for one in store.listed("inspectors")] == [
        ("a", 0),
        ("a", 1),
        ("b", 0),
        ("c", 0),
    ]


def test_nobody_gets_what_somebody_has_until_the_lease_ends(store: ReviewStore) -> None:
    store.create([record("a"), record("b")])
    first = store.claim("inspectors", "ann", now=T0)[0]
    second = store.claim("inspectors", "bob", now=T0)[0]
    assert {first.prediction_id, second.prediction_id} == {"a", "b"}
    assert store.claim("inspectors", "cid", now=T0) == []
    assert store.claim("inspectors", "ann", now=T0 + 1)[0].id == first.id, "asked again, the same one"
    with pytest.raises(Conflict, match="somebody else"):
        store.answer(first.id, "bob", "clean", now=T0 + 2)
    late = T0 + 1 + LEASE + 0.1
    assert {one.id for one in store.claim("inspectors", "cid", count=5, now=late)} == {first.id, second.id}


def test_an_answer_decides_and_stays(store: ReviewStore) -> None:
    store.create([record("a")])
    task = store.claim("inspectors", "ann", now=T0)[0]
    done = store.answer(task.id, "ann", "scratched", now=T0 + 4)
    assert (done.state, done.value, done.decided_by, done.opinion) == ("decided", "scratched", "ann", "clean")
    assert store.answers(task.id)[0].took == pytest.approx(4.0)
    assert store.answer(task.id, "ann", "scratched", now=T0 + 5).decided == done.decided, "sent twice is once"
    assert len(store.answers(task.id)) == 1
    with pytest.raises(Conflict, match="decided already"):
        store.answer(task.id, "bob", "clean", now=T0 + 6)
    decision = store.decisions(["a", "nobody"])
    assert decision.keys() == {"a"}
    assert (decision["a"].values, decision["a"].by, decision["a"].decided) == (["scratched"], ["ann"], True)


def test_a_request_is_decided_once_all_its_rows_are(store: ReviewStore) -> None:
    rows = ReviewRow(0, "clean", 0.99, asks=False), ReviewRow(1, "clean", 0.5)
    assert store.create([record("a", *rows)]) == 1
    assert store.decisions(["a"])["a"].decided is False
    assert store.uncalled("inspect") == []
    task = store.claim("inspectors", "ann", now=T0)[0]
    store.answer(task.id, "ann", "scratched", now=T0)
    decision = store.decisions(["a"])["a"]
    assert (decision.values, decision.by, decision.decided) == (["clean", "scratched"], ["model", "ann"], True)
    assert store.uncalled("inspect") == ["a"]
    store.called("inspect", "a")
    assert store.uncalled("inspect") == []


def test_two_people_where_two_are_wanted_and_a_third_where_they_disagree(store: ReviewStore) -> None:
    store.create([record("a", ReviewRow(0, raters=2))])
    task = store.claim("inspectors", "ann", now=T0)[0]
    assert store.claim("inspectors", "bob", now=T0)[0].id == task.id
    assert store.claim("inspectors", "cid", now=T0) == [], "two are wanted, two have it"
    assert store.answer(task.id, "ann", "clean", now=T0).state == "open"
    assert store.claim("inspectors", "ann", now=T0) == [], "nobody rates a thing twice"
    assert store.claim("inspectors", "cid", now=T0) == []
    assert store.answer(task.id, "bob", "scratched", now=T0).state == "disputed"
    assert store.claim("inspectors", "cid", now=T0) == []
    assert store.claim("inspectors", "ann", disputed=True, now=T0) == [], "not by one of the two"
    assert store.claim("inspectors", "cid", disputed=True, now=T0)[0].id == task.id
    assert store.claim("inspectors", "dan", disputed=True, now=T0) == []
    done = store.answer(task.id, "cid", "scratched", now=T0)
    assert (done.state, done.value, done.decided_by) == ("decided", "scratched", "cid")


def test_a_majority_needs_nobody_else(store: ReviewStore) -> None:
    store.create([record("a", ReviewRow(0, raters=3))])
    (id,) = (one.id for one in store.listed("inspectors"))
    for rater, value in (("ann", "clean"), ("bob", "scratched"), ("cid", "clean")):
        store.claim("inspectors", rater, now=T0)
        done = store.answer(id, rater, value, now=T0)
    assert (done.state, done.value, done.decided_by) == ("decided", "clean", "ann, cid")


def test_what_was_undone_is_open_again_and_told_anew(store: ReviewStore) -> None:
    store.create([record("a")])
    task = store.claim("inspectors", "ann", now=T0)[0]
    decided = store.answer(task.id, "ann", "clean", now=T0 + 1)
    assert [one.id for one in store.untold()] == [task.id]
    back = store.undo("ann", now=T0 + 2)
    assert (back.state, back.value) == ("open", None)
    store.told([decided])  # what the keeper had read before the undo
    assert store.claim("inspectors", "bob", now=T0 + 3) == [], "it is hers again"
    again = store.answer(task.id, "ann", "scratched", now=T0 + 4)
    assert store.untold() == [again], "the first label having been written says nothing of the second"
    store.told([again])
    assert store.untold() == []
    assert [(one.value, one.undone) for one in store.answers(task.id)] == [("clean", T0 + 2), ("scratched", 0.0)]
    with pytest.raises(NotFound, match="nothing in the last 10 minutes"):
        store.undo("bob", now=T0 + 5)
    with pytest.raises(NotFound):
        store.undo("ann", now=T0 + 5000)


def test_a_skipped_one_goes_to_others(store: ReviewStore) -> None:
    store.create([record("a")])
    task = store.claim("inspectors", "ann", now=T0)[0]
    store.skip(task.id, "ann", now=T0)
    assert store.claim("inspectors", "ann", now=T0 + 1) == []
    assert store.claim("inspectors", "bob", now=T0 + 1)[0].id == task.id
    store.skip(task.id, "bob", now=T0 + 1)
    assert store.claim("inspectors", "ann", now=T0 + SKIPPED + 1)[0].id == task.id


@pytest.mark.parametrize(
    ("on_timeout", "state", "value", "by"),
    [("people", "open", None, ""), ("model", "decided", "clean", "model"), ("unknown", "decided", "unknown", "rule")],
)
def test_what_is_late(store: ReviewStore, on_timeout: str, state: str, value: object, by: str) -> None:
    store.create([record("a", timeout=60), record("b", timeout=6000), record("c", timeout=60, waits=False)])
    assert store.expire("inspect", on_timeout, T0 + 59) == 0
    assert store.expire("inspect", on_timeout, T0 + 61) == 2
    assert store.expire("inspect", on_timeout, T0 + 62) == 0, "once"
    tasks = {
        one.prediction_id: one for one in [*store.listed("inspectors"), *store.listed("inspectors", state="decided")]
    }
    assert (tasks["a"].state, tasks["a"].value, tasks["a"].decided_by) == (state, value, by)
    assert tasks["b"].state == "open"
    assert (tasks["c"].state, tasks["c"].priority) == ("open", OVERDUE), (
        "nobody waits for a check: people still make it"
    )
    assert store.untold() == [], "what no person said is no label"
    assert store.depths(T0 + 61)[0].overdue == (2 if on_timeout == "people" else 1)


def test_order_by_who_waits_then_by_deadline(store: ReviewStore) -> None:
    store.create([record("check", waits=False, timeout=1), record("slow", timeout=900), record("soon", timeout=30)])
    assert [one.prediction_id for one in store.claim("inspectors", "ann", count=3, now=T0)] == ["soon", "slow", "check"]
    (depth,) = store.depths(T0 + 5)
    assert (depth.open, depth.claimed, depth.disputed, depth.overdue, depth.oldest) == (3, 3, 0, 1, T0)


def test_many_raters_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    with closing(ReviewStore(layout)) as store:
        wanted = {f"p{i}": 2 if i % 5 == 0 else 1 for i in range(60)}
        store.create([record(id, ReviewRow(0, "clean", raters=n)) for id, n in wanted.items()])
        given: list[tuple[str, int]] = []

        def rate(name: str) -> None:
            rng = random.Random(name)
            with closing(ReviewStore(layout)) as mine:
                while found := mine.claim("inspectors", name):
                    if rng.random() < 0.1:
                        mine.skip(found[0].id, name)
                        continue
                    mine.answer(found[0].id, name, "clean")
                    given.append((name, found[0].id))

        people = [threading.Thread(target=rate, args=(f"rater-{n}",)) for n in range(8)]
        for one in people:
            one.start()
        for one in people:
            one.join()
        counts = Counter(id for _, id in given)
        decided = store.listed("inspectors", state="decided", limit=1000)
        assert len(set(given)) == len(given), "nobody rated a thing twice"
        for one in decided:
            assert counts[one.id] == wanted[one.prediction_id] == len(store.answers(one.id))
        left = store.listed("inspectors", limit=1000)
        assert len(decided) + len(left) == 60
        assert len(decided) > 40


def test_erased_predictions_leave_nothing(store: ReviewStore) -> None:
    store.create([record("a"), record("b")])
    task = store.claim("inspectors", "ann", now=T0)[0]
    store.answer(task.id, "ann", "clean", now=T0)
    assert store.erase({"a"}, dry_run=True) == 1
    assert store.erase({"a"}) == 1
    assert store.answers(task.id) == []
    assert [one.prediction_id for one in store.listed("inspectors")] == ["b"]
