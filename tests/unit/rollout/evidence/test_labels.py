"""Metrics that need the truth, from a real log: after maturation, in the order of assignment, late labels left out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support import journal_maker
from tests.support.evidence_maker import SECOND, Worker, plan, state
from tests.support.journal_maker import tensor

from tidegate.rollout.evidence.labels import Labels
from tidegate.rollout.judge import LABELS
from tidegate.storage.layout import Layout
from tidegate.types.inference import Signature, TensorSpec
from tidegate.types.rollouts import Batch, MetricSpec

WRONG = MetricSpec("wrong", "wrong", "rate", "labels", maturation=60.0)
SIGNATURE = Signature(
    inputs=[TensorSpec("x", "FP64", [-1])], outputs=[TensorSpec("predict", "INT64", [-1])], classes=["0", "1"]
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / ".tidegate")
    journal_maker.route(layout, {("m", "1"): SIGNATURE, ("m", "2"): SIGNATURE}, ["e"])
    return layout


class Story:
    """Predictions so many seconds ago, and labels so many seconds after them."""

    def __init__(self, layout: Layout) -> None:
        self.worker = Worker(layout)
        self.now = time.time_ns()

    def tell(
        self, ago: float, answer: int, label: int | None, after: float = 1.0, x: float = 1.0, **fields: Any
    ) -> str:
        when = self.now - int(ago * SECOND)
        outputs = msgspec.Raw(b'[{"name":"predict","datatype":"INT64","shape":[1],"data":[%d]}]' % answer)
        request = msgspec.Raw(b'{"inputs":[{"name":"x","datatype":"FP64","shape":[1],"data":[%f]}]}' % x)
        id = self.worker.line(time=when, outputs=outputs, request=request, **fields)
        if label is not None:
            moment = when + int(after * SECOND)
            self.worker.feedback(id, value=label, time=moment, received=moment)
        return id


def look(labels: Labels) -> dict[str, list[Batch]]:
    assert labels.poll(1000.0) == {}, "a look takes place in a thread"
    labels.close()
    assert labels.error == ""
    return labels.poll(1000.1)


def made(layout: Layout, spec: MetricSpec = WRONG, more: tuple[MetricSpec, ...] = (), **fields: Any) -> Labels:
    of = state(plan(spec, *more, **fields), created=time.time() - 1000)
    return Labels(layout, of, of.created, {})


def test_wrong_answers_by_arm_once_they_have_matured(layout: Layout) -> None:
    story = Story(layout)
    for answer, label in ((1, 1), (1, 0), (0, 1), (0, None)):
        story.tell(100, answer, label, canary=True)
    for answer, label in ((1, 1), (0, 0), (1, 0)):
        story.tell(100, answer, label)
    story.tell(30, 1, 0, canary=True)  # not yet
    story.tell(100, 1, 0, after=70, canary=True)  # too late
    story.tell(100, 1, 0, canary=True, forced=True, assignment="")
    attempt = story.tell(100, 1, None, canary=True, status=500)
    story.tell(100, 1, 0, fallback_of=attempt)  # the stable version's answer, in the canary's arm
    labels = made(layout)
    found = look(labels)
    (wrong,) = found["wrong"]
    assert (wrong.step, wrong.share, wrong.canary, wrong.stable) == (1, 0.1, (1, 3), (2, 1))
    (labelled,) = found[LABELS]
    assert (labelled.canary, labelled.stable) == ((4,), (3,))
    assert look_again(labels) == {}, "each prediction is counted once"


def test_a_slice_is_counted_apart(layout: Layout) -> None:
    """Better on average, worse where x is 2: the slice's own metric has the counts that say so."""
    story = Story(layout)
    for _ in range(6):
        story.tell(100, 1, 1, canary=True)
        story.tell(100, 1, 0)
    for _ in range(3):
        story.tell(100, 1, 0, canary=True, x=2.0)
        story.tell(100, 1, 1, x=2.0)
    part = msgspec.structs.replace(WRONG, name="wrong[x=2]", part={"x": "2"})
    gone = msgspec.structs.replace(WRONG, name="wrong[region=EU]", part={"region": "EU"})
    found = look(made(layout, WRONG, more=(part, gone)))
    assert (found["wrong"][0].canary, found["wrong"][0].stable) == ((6, 3), (3, 6))
    assert (found["wrong[x=2]"][0].canary, found["wrong[x=2]"][0].stable) == ((0, 3), (3, 0))
    assert "wrong[region=EU]" not in found, "a column that isn't there has no rows"


def test_events_count_for_every_prediction_that_has_matured(layout: Layout) -> None:
    story = Story(layout)
    spec = MetricSpec("redo", "behaviour.redo", "rate", "labels", maturation=60.0)

    def event(id: str, name: str, after: float) -> None:
        moment = story.now + int((after - 100) * SECOND)
        story.worker.feedback(id, type="event", name=name, value=1, time=moment, received=moment)

    event(story.tell(100, 1, None, canary=True), "redo", 5)
    event(story.tell(100, 1, None, canary=True), "click", 5)
    event(story.tell(100, 1, None, canary=True), "redo", 70)  # too late
    story.tell(100, 1, None)
    event(story.tell(100, 1, None), "redo", 1)
    found = look(made(layout, spec))
    (redo,) = found["redo"]
    assert (redo.canary, redo.stable) == ((2, 1), (1, 1))
    assert LABELS not in found, "an endpoint that hears of events alone has no labels to be biased"
    clicks = msgspec.structs.replace(spec, name="click", measure="behaviour.click")
    (click,) = look(made(layout, clicks))["click"]
    assert (click.canary, click.stable) == ((1, 2), (0, 2)), "bad is that nobody clicked"


def test_a_stage_is_judged_on_what_became_of_the_whole(layout: Layout) -> None:
    journal_maker.route(layout, {("m", "1"): SIGNATURE, ("m", "2"): SIGNATURE}, ["e", "p", "p.e"])
    story = Story(layout)

    def ask(said: str, label: str | None, *, canary: bool, status: int = 200, calls: int = 1) -> None:
        when = story.now - 100 * SECOND
        whole = story.worker.call()
        for _ in range(calls):
            story.tell(100, 1, None, canary=canary, endpoint="p.e", part_of=whole)
        body, outputs = {"inputs": [tensor("audio", "BYTES", [1], ["..."])]}, [tensor("text", "BYTES", [1], [said])]
        story.worker.line(
            whole, time=when - SECOND, endpoint="p", model="p", version="e:1", assignment="", status=status,
            request=msgspec.Raw(msgspec.json.encode(body)), outputs=msgspec.Raw(msgspec.json.encode(outputs)),
        )  # fmt: skip
        if label is not None:
            story.worker.feedback(whole, endpoint="p", value=label, time=when + SECOND, received=when + SECOND)

    ask("the tide", "the tide turns now", canary=True)
    ask("the tide turns now", "the tide turns now", canary=True, calls=3)
    ask("the tide", None, canary=True, status=500)
    ask("the tide", None, canary=True, status=404)
    for _ in range(3):
        ask("the tide", "the tide", canary=False)
    specs = {
        "final.error": ((2, 1), (3, 0)), "final.wrong": ((1, 1), (3, 0)), "final.behaviour.redo": ((2, 0), (3, 0)),
    }  # fmt: skip
    wer = MetricSpec("words", "final.wer", "score", "labels", maturation=60.0)
    rates = [MetricSpec(name, name, "rate", "labels", maturation=60.0) for name in specs]
    of = state(plan(*rates, wer), created=time.time() - 1000, endpoint="p.e")
    found = look(Labels(layout, of, of.created, {}))
    for name, (canary, stable) in specs.items():
        (batch,) = found[name]
        assert (batch.step, batch.share, batch.canary, batch.stable) == (1, 0.1, canary, stable), name
    (words,) = found["words"]
    assert (words.canary[0], words.canary[50], sum(words.canary), words.stable[0]) == (1, 1, 2, 3)
    (labelled,) = found[LABELS]
    assert (labelled.canary, labelled.stable) == ((2,), (3,))


def look_again(labels: Labels) -> dict[str, list[Batch]]:
    labels.poll(2000.0)
    labels.close()
    return labels.poll(2000.1)


def test_a_unit_counts_once_also_after_a_restart(layout: Layout) -> None:
    story = Story(layout)
    story.tell(200, 1, 0, unit="a")
    story.tell(190, 1, 0, unit="a")
    labels = made(layout, unit="header:x")
    assert look(labels)["wrong"][0].stable == (0, 1)
    story.tell(30, 1, 0, after=0.5, unit="a")
    story.tell(30, 1, 0, after=0.5, unit="b")
    again = Labels(layout, labels._state, labels.until, {})
    again._maturation = 1.0
    found = look(again)
    assert found["wrong"][0].stable == (0, 1), "b alone: a was counted in an earlier life"


def test_a_number_is_wrong_beyond_the_stable_versions_usual_worst(layout: Layout) -> None:
    labels = made(layout)
    spec = labels._specs[0]
    for n in range(200):
        assert labels._category(spec, {"y": 100.0 + n / 10, "label": 100.0, "label_text": None}, ["y"], False) is None
    assert labels.limits["wrong"] == pytest.approx(18.0)
    far = {"y": 130.0, "label": 100.0, "label_text": None}
    assert labels._category(spec, far, ["y"], True) == 1
    assert labels._category(spec, {**far, "y": 110.0}, ["y"], True) == 0
