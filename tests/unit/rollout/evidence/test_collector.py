"""Evidence from a journal: what counts, for which arm, in which order, and that nothing counts twice or is lost."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.evidence_maker import ERROR, SECOND, START, Worker, plan, state

from tidegate.ingest.upkeep import drop_segments, held
from tidegate.rollout.evidence.collector import Collector, Saved
from tidegate.rollout.evidence.exposure import Exposures
from tidegate.rollout.judge import SRM
from tidegate.rollout.overlay import overlay
from tidegate.routing.assign import point
from tidegate.storage.layout import Layout
from tidegate.storage.options import LogOptions
from tidegate.types.rollouts import Batch, MetricSpec, RolloutState, StepSpec
from tidegate.types.traffic import Arm, EndpointRoute


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / ".tidegate")


def collector(layout: Layout, of: RolloutState, saved: Saved | None = None, **clocks: Any) -> Collector:
    return Collector(layout, of, saved or Saved({}), **clocks)


def gathered(found: Collector) -> dict[str, list[Batch]]:
    found.gather()
    return found.take().batches


def totals(batches: list[Batch]) -> dict[tuple[int, float], tuple[list[int], list[int]]]:
    out: dict[tuple[int, float], tuple[list[int], list[int]]] = {}
    for batch in batches:
        ours, theirs = out.setdefault((batch.step, batch.share), ([0] * len(batch.canary), [0] * len(batch.stable)))
        for i, n in enumerate(batch.canary):
            ours[i] += n
        for i, n in enumerate(batch.stable):
            theirs[i] += n
    return out


def test_units_of_both_arms_by_outcome(layout: Layout) -> None:
    worker = Worker(layout)
    found = collector(layout, state(plan()))
    for status in (200, 400, 504):
        worker.line(canary=True, status=status)
    for status in (200, 200, 503):
        worker.line(status=status)
    worker.line(role="baseline")
    worker.mark()
    batches = gathered(found)
    assert totals(batches["error"]) == {(1, 0.1): ([1, 2], [3, 1])}
    assert totals(batches[SRM]) == {(1, 0.1): ([3], [4])}
    assert gathered(found) == {}, "nothing is counted twice"


def test_what_says_nothing_of_the_comparison_is_left_out(layout: Layout) -> None:
    worker = Worker(layout)
    found = collector(layout, state(plan()))
    worker.line(canary=True, forced=True, assignment="", status=500)
    worker.line(canary=True, assignment="6.1@10", status=500)  # another rollout
    worker.line(canary=True, status=413)
    worker.line(canary=True, status=429)
    worker.line(fallback_of="aa-1", status=500)
    worker.line(canary=True, endpoint="other", status=500)
    worker.write(b'{"endpoint":"e", torn')
    attempt = worker.line(canary=True, status=500)
    worker.line(fallback_of=attempt)  # the answer in its stead: the attempt has counted
    worker.mark()
    assert totals(gathered(found)["error"]) == {(1, 0.1): ([0, 1], [0, 0])}


def test_nothing_counts_before_all_that_was_assigned_before_it(layout: Layout) -> None:
    """A canary that fails at once isn't judged by its failures alone, while the others of that moment are under way."""
    worker = Worker(layout)
    found = collector(layout, state(plan()))
    slow = worker.call()
    for _ in range(5):
        worker.line(canary=True, status=500)
    worker.mark(below=1)
    assert gathered(found) == {}
    worker.line(slow)
    worker.mark()
    assert totals(gathered(found)["error"]) == {(1, 0.1): ([0, 5], [1, 0])}


def test_a_worker_that_was_replaced_holds_nothing_back(layout: Layout) -> None:
    worker = Worker(layout)
    found = collector(layout, state(plan()))
    worker.call()  # killed with this one in flight
    worker.line(canary=True)
    worker.mark(below=1)
    assert gathered(found) == {}
    again = Worker(layout, prefix="bb", segment=1)
    again.line()
    again.mark()
    assert totals(gathered(found)["error"]) == {(1, 0.1): ([1, 0], [1, 0])}


def test_without_marks_it_is_blind_and_counts_nothing(layout: Layout) -> None:
    worker, now = Worker(layout), [0.0]
    found = collector(layout, state(plan()), clock=lambda: now[0])
    worker.mark(below=1)
    worker.line(canary=True)
    assert gathered(found) == {} and found.blind == ""
    now[0] = 6.0
    assert gathered(found) == {} and "g0" in found.blind
    worker.mark()
    assert gathered(found) and found.blind == ""


def test_a_unit_counts_once_a_stage_and_only_where_it_could_go_either_way(layout: Layout) -> None:
    worker = Worker(layout)
    sticky = plan(unit="header:x-user-id")
    found = collector(layout, state(sticky))
    units = [f"u{n}" for n in range(400)]
    for _ in range(3):
        for unit in units:
            worker.line(canary=point(unit, "r7") < 10, unit=unit)
    worker.mark()
    ours = sum(point(unit, "r7") < 10 for unit in units)
    assert totals(gathered(found)["error"]) == {(1, 0.1): ([ours, 0], [400 - ours, 0])}
    found.follow(state(sticky, step=3, weight=50.0))
    for unit in units:
        worker.line(canary=point(unit, "r7") < 50, unit=unit, assignment="7.3@50")
    worker.mark()
    free = [point(unit, "r7") for unit in units if point(unit, "r7") >= 10]
    moved = sum(p < 50 for p in free)
    assert totals(gathered(found)["error"]) == {(3, 40 / 90): ([moved, 0], [len(free) - moved, 0])}


def test_a_unit_is_bad_if_anything_bad_happens_within_the_window(layout: Layout) -> None:
    worker = Worker(layout)
    found = collector(layout, state(plan(unit="header:x", outcome_window=30.0)))
    worker.line(unit="a", time=START)
    worker.line(unit="b", time=START)
    worker.line(unit="a", time=START + 29 * SECOND, status=500)
    worker.line(unit="b", time=START + 31 * SECOND, status=500)
    worker.mark()
    assert totals(gathered(found)["error"]) == {(1, 0.1): ([0, 0], [1, 1])}


def test_requests_that_lack_the_unit_are_units_of_their_own(layout: Layout) -> None:
    worker = Worker(layout)
    found = collector(layout, state(plan(unit="header:x")))
    for _ in range(3):
        worker.line(canary=True)
    worker.mark()
    assert totals(gathered(found)["error"]) == {(1, 0.1): ([3, 0], [0, 0])}


PAIRED = (
    MetricSpec("shadow-error", "error", "paired", "paired"),
    MetricSpec("disagreement", "disagreement", "paired", "paired", guardrail=False),
)


def test_pairs_of_a_request_and_its_copy(layout: Layout) -> None:
    worker = Worker(layout)
    found = collector(layout, state(plan(*PAIRED), step=1, weight=0.0, mirror=100.0))

    def pair(status: int, copy_status: int, value: float = 1.0) -> None:
        first = worker.line(status=status, assignment="7.1@0")
        outputs = msgspec.Raw(b'[{"name":"y","datatype":"FP64","shape":[1],"data":[%f]}]' % value)
        worker.line(
            version="2", role="shadow", mirror_of=first, status=copy_status, assignment="7.1@0", outputs=outputs
        )

    for status, copy_status in ((200, 200), (200, 500), (500, 200), (500, 500)):
        pair(status, copy_status)
    pair(200, 200, 1.5)
    worker.line(assignment="7.1@0")  # was not copied
    worker.mark()
    batches = gathered(found)
    assert totals(batches["shadow-error"]) == {(1, 0.5): ([2, 1, 1, 1], [0, 0, 0, 0])}
    assert totals(batches["disagreement"]) == {(1, 0.5): ([1, 1, 0, 0], [0, 0, 0, 0])}, "of those that both answered"


def test_a_pair_is_complete_or_not_yet_there(layout: Layout) -> None:
    """The mark falls between a request and its copy."""
    worker = Worker(layout)
    found = collector(layout, state(plan(*PAIRED), weight=0.0, mirror=100.0))
    first = worker.line(assignment="7.1@0")
    copy = worker.call()
    worker.mark(below=2)
    saved = Saved({}, found.take().checkpoint) if not found.gather() else None
    assert saved is not None
    worker.line(copy, version="2", role="shadow", mirror_of=first, assignment="7.1@0")
    worker.mark()
    for one in (found, collector(layout, state(plan(*PAIRED), weight=0.0, mirror=100.0), saved)):
        assert totals(gathered(one)["shadow-error"]) == {(1, 0.5): ([1, 0, 0, 0], [0, 0, 0, 0])}


def test_a_person_decides_beside_the_model(layout: Layout) -> None:
    worker = Worker(layout)
    found = collector(layout, state(plan(PAIRED[1], human=True), step=0, weight=0.0))
    for decision, answer in ((1, 1), (0, 1), (1, 1)):
        outputs = msgspec.Raw(b'[{"name":"y","datatype":"INT64","shape":[1],"data":[%d]}]' % answer)
        id = worker.line(version="2", role="shadow", assignment="7.0@0", outputs=outputs)
        worker.mark()
        found.gather()
        worker.feedback(id, type="event", name="decision", value=decision)
    worker.mark()
    found.gather()
    assert totals(found.take().batches["disagreement"]) == {(0, 0.5): ([2, 1, 0, 0], [0, 0, 0, 0])}


def test_the_limit_of_latency_is_frozen_from_the_stable_version_and_compared_with_the_baseline(layout: Layout) -> None:
    worker = Worker(layout)
    metric = MetricSpec("latency", "latency", "rate", "live", quantile=0.9, tolerance=2.0)
    found = collector(layout, state(plan(metric)))
    for n in range(200):
        worker.line(latency_us=1000 + n)
    worker.mark()
    assert gathered(found).keys() == {SRM}, "what the limit is made of doesn't count"
    for role, latency in (("canary", 9000), ("canary", 500), ("baseline", 500), ("baseline", 9000), ("stable", 9000)):
        worker.line(role=role, latency_us=latency)
    worker.mark()
    found.gather()
    update = found.take()
    assert update.thresholds == {"latency": 2.0 * 1180}
    assert totals(update.batches["latency"]) == {(1, 0.5): ([1, 1], [1, 1])}


def test_missing_values_are_null(layout: Layout) -> None:
    worker = Worker(layout)
    found = collector(layout, state(plan(MetricSpec("null", "null", "rate", "live"))))
    for text in (
        b'[{"name":"y","data":[null]}]',
        b"[]",
        b'[{"name":"y","data":[""]}]',
        b'[{"name":"y","data":["null and void"]}]',
    ):
        worker.line(canary=True, outputs=msgspec.Raw(text))
    worker.line(canary=True, status=500, outputs=msgspec.Raw(b"null"))
    worker.mark()
    assert totals(gathered(found)["null"]) == {(1, 0.1): ([2, 3], [0, 0])}


def test_a_function_of_the_users_own(layout: Layout) -> None:
    (layout.root.parent / "own_metric.py").write_text(
        "def large(record, limit):\n    if record['status'] != 200: raise ValueError\n    return record['outputs']['y'][0] > limit\n"
    )
    metric = MetricSpec("large", "own_metric:large", "rate", "live", options={"limit": 0.5})
    worker = Worker(layout)
    found = collector(layout, state(plan(metric)))
    worker.line(canary=True)
    worker.line(outputs=msgspec.Raw(b'[{"name":"y","datatype":"FP64","shape":[1],"data":[0.1]}]'))
    worker.line(status=500)
    worker.mark()
    assert totals(gathered(found)["large"]) == {(1, 0.1): ([0, 1], [1, 0])}


def test_examples_of_what_went_wrong_are_few(layout: Layout) -> None:
    worker = Worker(layout)
    found = collector(layout, state(plan()))
    for _ in range(50):
        worker.line(canary=True, status=500, error="it broke")
    worker.mark()
    found.gather()
    examples = found.take().examples
    assert len(examples) == 20 and examples[0].error == "it broke" and examples[0].metric == "error"


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("unit", ["request", "header:x"])
def test_killed_at_any_moment_it_counts_each_unit_once(layout: Layout, unit: str, seed: int) -> None:
    """Takes that were written, takes that were lost, lives that ended: the sum is that of one life without a fault."""
    chance = random.Random(seed)
    of = state(plan(unit=unit, outcome_window=0.5 if unit != "request" else 0.0))
    workers = [Worker(layout, slot, prefix) for slot, prefix in (("g0", "aa"), ("g1", "bb"))]
    found = collector(layout, of)
    saved = Saved({}, found.take().checkpoint)
    kept: list[Batch] = []
    expected: Counter[tuple[bool, bool]] = Counter()
    under_way: dict[str, dict[str, dict[str, Any]]] = {worker.slot: {} for worker in workers}
    now = 0
    for turn in range(60):
        for _ in range(chance.randint(0, 6)):
            worker = chance.choice(workers)
            now += 1
            name = f"u{now}"
            canary, bad = point(name, "r7") < 10, chance.random() < 0.3
            fields: dict[str, Any] = {"unit": name} if unit != "request" else {}
            under_way[worker.slot][worker.call()] = {
                "canary": canary, "status": 500 if bad else 200, "time": START + now * SECOND, **fields,
            }  # fmt: skip
            expected[canary, bad] += 1
        for worker in workers:
            calls = under_way[worker.slot]
            for id in chance.sample(sorted(calls), len(calls) if turn == 59 else chance.randint(0, len(calls))):
                worker.line(id, **calls.pop(id))  # some calls take long: records come out of order
            worker.mark(below=min((int(id[3:], 16) for id in calls), default=None))
        found.gather()
        happening = chance.random()
        if happening < 0.5:
            update = found.take()
            if happening < 0.35:  # written
                kept += update.batches.get("error", [])
                saved = Saved({}, update.checkpoint)
            else:  # killed before the write
                found.close()
                found = collector(layout, of, saved)
    for worker in workers:  # time goes on, so that all windows end
        worker.line(time=START + (now + 100) * SECOND, assignment="", endpoint="e")
        worker.line(time=START + (now + 101) * SECOND, status=429)
        worker.mark()
    found = collector(layout, of, saved)
    found.gather()
    kept += found.take().batches.get("error", [])
    ours, theirs = totals(kept)[1, 0.1]
    assert [ours[0], ours[1], theirs[0], theirs[1]] == [
        expected[True, False], expected[True, True], expected[False, False], expected[False, True],
    ]  # fmt: skip


def test_without_any_mark_it_is_blind_too(layout: Layout) -> None:
    worker, now = Worker(layout), [0.0]
    found = collector(layout, state(plan()), clock=lambda: now[0])
    worker.line(canary=True)
    assert gathered(found) == {} and found.blind == ""
    now[0] = 6.0
    assert gathered(found) == {} and "g0" in found.blind


def test_a_file_of_units_that_a_full_disk_cut_is_mended(layout: Layout) -> None:
    path = layout.root / "rollouts" / "7" / "units.seen"
    first = Exposures(path, 0)
    first.add("a")
    assert first.save() == 1
    with path.open("ab") as file:
        file.write(b"abc")
    first.add("b")
    assert first.save() == 2
    again = Exposures(path, 2)
    assert "a" in again and "b" in again and "c" not in again


@pytest.mark.parametrize("weight", [100 / 3, 66.66667, 0.1])
def test_any_weight_is_told_apart(layout: Layout, weight: float) -> None:
    steps = (StepSpec("setWeight", weight=weight), StepSpec("pause"), StepSpec("setWeight", weight=100.0))
    of = state(plan(unit="header:x", steps=steps), weight=weight)
    (route,) = [overlay(EndpointRoute("e", "m", [Arm("1", 100.0)]), of)]
    worker = Worker(layout)
    found = collector(layout, of)
    worker.line(unit="a", assignment=route.assignment)
    worker.mark()
    ((_, share),) = totals(gathered(found)["error"])
    assert share == pytest.approx(weight / 100)


def test_the_journal_is_held_until_it_was_read(layout: Layout) -> None:
    Worker(layout)
    found = collector(layout, state(plan()))
    assert held(layout) == {"g0": 0}
    worker = Worker(layout, prefix="bb", segment=1)
    worker.line()
    worker.mark()
    found.gather()
    found.take()
    assert held(layout) == {"g0": 0}, "what was taken is not written yet"
    found.kept()
    assert held(layout) == {"g0": 1}
    assert drop_segments(layout, LogOptions.model_validate({})) == 0, "ingest hasn't got it yet"
    found.follow(state(plan(), phase="Degraded"))
    found.close()
    assert held(layout) == {}


def test_a_journal_that_lost_a_segment_blinds_it(layout: Layout) -> None:
    first = Worker(layout)
    first.line()
    first.mark()
    found = collector(layout, state(plan()))
    saved = Saved({}, found.take().checkpoint)
    Worker(layout, prefix="bb", segment=3).line()
    first.path.unlink()
    again = collector(layout, state(plan()), saved)
    again.gather()
    assert "lost" in again.blind


def test_many_steps_of_one_weight_are_one_stage(layout: Layout) -> None:
    steps = (StepSpec("setWeight", weight=10.0), StepSpec("pause"), StepSpec("analysis"))
    of = plan(ERROR, unit="header:x", steps=steps)
    worker = Worker(layout)
    found = collector(layout, state(of))
    unit = next(f"u{n}" for n in range(1000) if point(f"u{n}", "r7") < 10)
    worker.line(canary=True, unit=unit)
    worker.mark()
    assert totals(gathered(found)["error"]) == {(1, 0.1): ([1, 0], [0, 0])}
    worker.line(canary=True, unit=unit, assignment="7.2@10")
    worker.mark()
    assert "error" not in gathered(found)


def test_examples_of_a_person_go_when_they_are_erased(layout: Layout) -> None:
    from tests.support import journal_maker

    from tidegate.changes import erase_subject
    from tidegate.storage.rollouts import Change, RolloutStore
    from tidegate.types.inference import Signature

    journal_maker.route(layout, {("m", "2"): Signature([], [])}, ["e"])
    worker = Worker(layout)
    found = collector(layout, state(plan()))
    worker.line(canary=True, status=500, error="ann is 42", subject="ann")
    worker.line(canary=True, status=500, error="bob is 43", subject="bob")
    worker.mark()
    found.gather()
    store = RolloutStore(layout)
    started = store.create(Change(state(plan(), id=0)))
    store.write(Change(started, examples=found.take().examples))
    assert erase_subject(layout, "ann", None, dry_run=True, actor="test").examples == 1
    assert erase_subject(layout, "ann", None, actor="test").examples == 1
    assert [example.error for example in store.examples(started.id)] == ["bob is 43"]
    store.close()
