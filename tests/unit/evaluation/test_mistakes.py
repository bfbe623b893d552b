"""Mistakes one by one, their tags, what each kind is worth; and what erasure takes with it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from journal_maker import label, prediction, route, tensor, write

from tidegate.changes import erase_subject
from tidegate.errors import InvalidRequest
from tidegate.evaluation.adding import add
from tidegate.evaluation.mistakes import add_tags, exported, listed, place, remove_tags, summary, tags_of, to_review
from tidegate.storage.baselines import BaselineStore, ratings_file
from tidegate.storage.layout import Layout
from tidegate.storage.tags import TagStore
from tidegate.types.inference import Signature, TensorSpec

START, END = 1_760_000_000.0 - 3600, 1_760_000_000.0 + 86400
WINDOW = {"start": START, "end": END}
SPOKEN = Signature(
    kind="table",
    inputs=[TensorSpec("noise", "BYTES", [-1]), TensorSpec("loud", "FP64", [-1])],
    outputs=[TensorSpec("word", "BYTES", [-1]), TensorSpec("p", "FP64", [-1, 2])],
    classes=["no", "yes"],
)
NUMBER = Signature(kind="table", inputs=[TensorSpec("x", "FP64", [-1])], outputs=[TensorSpec("y", "FP64", [-1])])


def heard(layout: Layout) -> dict[str, list[str]]:
    """40 rows, 10 wrong: 6 of them in a car, 4 with music. Ids by what they are."""
    route(layout, {("m", "1"): SPOKEN})
    ids: dict[str, list[str]] = {"car": [], "music": [], "right": []}
    lines = []
    for number in range(40):
        kind = "car" if number < 6 else "music" if number < 10 else "right"
        truth = ("no", "yes")[number % 2]
        word = truth if kind == "right" else ("yes", "no")[number % 2]
        sure = 0.5 + number / 100
        p = [sure, 1 - sure] if word == "no" else [1 - sure, sure]
        inputs = [tensor("noise", "BYTES", [1], [kind]), tensor("loud", "FP64", [1], [float(number)])]
        outputs = [tensor("word", "BYTES", [1], [word]), tensor("p", "FP64", [1, 2], p)]
        record = prediction(inputs, outputs, subject=f"person {number}")
        ids[kind].append(record.id)
        lines += [record, label(record.id, truth)]
    write(layout, lines)
    return ids


def test_mistakes_are_listed_by_what_one_looks_for(layout: Layout) -> None:
    ids = heard(layout)
    found = listed(layout, "loan", **WINDOW)
    assert {one.prediction_id for one in found} == {*ids["car"], *ids["music"]}
    one = next(one for one in found if one.prediction_id == ids["car"][1])
    assert (one.answered, one.label, one.error, one.row) == ("no", "yes", 1.0, 0) and one.sure == pytest.approx(0.51)
    assert one.inputs == {"noise": "car", "loud": 1.0}
    surest = listed(layout, "loan", **WINDOW, sort="confident", limit=2)
    assert [one.prediction_id for one in surest] == ids["music"][:1:-1], "wrong, and the surest of it"
    assert [one.prediction_id for one in listed(layout, "loan", **WINDOW, sort="newest", limit=1)] == ids["music"][-1:]
    drawn = [one.prediction_id for one in listed(layout, "loan", **WINDOW, sort="random", limit=5)]
    assert len(set(drawn)) == 5 and drawn == [
        one.prediction_id for one in listed(layout, "loan", **WINDOW, sort="random", limit=5)
    ]
    loud = listed(layout, "loan", **WINDOW, where="noise = 'music' and loud > 7")
    assert [one.inputs["loud"] for one in sorted(loud, key=lambda one: one.time)] == [8.0, 9.0]
    for bad, said in (
        ({"where": "no_such = 1"}, "can't be used"),
        ({"where": "drop table"}, "can't be used"),
        ({"sort": "worst"}, "is not one of error, random"),
    ):
        with pytest.raises(InvalidRequest, match=said):
            listed(layout, "loan", **WINDOW, **bad)  # type: ignore[arg-type]


def test_the_worst_number_is_first(layout: Layout) -> None:
    route(layout, {("m", "1"): NUMBER})
    lines = []
    for number in range(20):
        record = prediction([tensor("x", "FP64", [1], [1.0])], [tensor("y", "FP64", [1], [float(number)])])
        lines += [record, label(record.id, 5.0)]
    write(layout, lines)
    assert [one.error for one in listed(layout, "loan", **WINDOW, limit=3)] == [14.0, 13.0, 12.0]
    assert summary(layout, "loan", **WINDOW).mistakes == 19


def test_a_tag_is_worth_its_share_of_what_was_looked_at(layout: Layout) -> None:
    ids = heard(layout)
    assert summary(layout, "loan", **WINDOW).kinds == []
    looked = [*ids["car"][:3], ids["music"][0]]  # four of ten were looked at
    assert add_tags(layout, "loan", [place(id) for id in looked[:3]], ["car  noise"], "ana") == 3
    assert add_tags(layout, "loan", [place(f"{looked[3]}:0")], ["music", "quiet"], "ana") == 2
    assert add_tags(layout, "loan", [place(looked[0])], ["car noise"], "ben") == 0, "it is there"
    add_tags(layout, "loan", [place(ids["right"][0])], ["car noise"], "ana")  # no mistake: counts for none
    found = summary(layout, "loan", **WINDOW)
    assert (found.rows, found.mistakes, found.looked_at, found.now) == (40, 10, 4, 0.75)
    assert [(one.tag, one.errors, one.share) for one in found.kinds] == [
        ("car noise", 3, 0.75),
        ("music", 1, 0.25),
        ("quiet", 1, 0.25),
    ]
    car = found.kinds[0]
    assert car.without == pytest.approx(1 - 0.25 * 0.25) and car.low < 0.6 < car.high, "in truth 6 of 10"
    tagged = listed(layout, "loan", **WINDOW, tag="music")
    assert [one.prediction_id for one in tagged] == [ids["music"][0]] and tagged[0].tags == ["music", "quiet"]
    assert remove_tags(layout, "loan", [place(looked[3])], ["quiet", "loud"]) == 1
    assert tags_of(layout, "loan")[ids["music"][0], 0] == ["music"]
    for names, said in (([], "it is empty"), ([" "], "it is empty"), (["x" * 101], "at most 100")):
        with pytest.raises(InvalidRequest, match=said):
            add_tags(layout, "loan", [place("x")], names, "ana")


def test_what_was_tagged_goes_back_to_be_learned_from(layout: Layout) -> None:
    ids = heard(layout)
    add_tags(layout, "loan", [place(ids["car"][0]), place(ids["right"][0])], ["car noise"], "ana")
    table = exported(layout, "loan", **WINDOW, tag="car noise").sort("loud")
    assert table["prediction_id"].to_list() == [ids["car"][0], ids["right"][0]] and table["error"].to_list() == [
        1.0,
        0.0,
    ]
    assert table.select("noise", "answered", "label", "tags").row(0) == ("car", "yes", "no", "car noise")
    assert exported(layout, "loan", **WINDOW, where="noise = 'car'").height == 6


def test_erasure_takes_tags_and_what_raters_said(layout: Layout, tmp_path: Path) -> None:
    ids = heard(layout)
    add_tags(layout, "loan", [place(ids["car"][0]), place(ids["car"][1])], ["car noise"], "ana")
    answers = [
        {"prediction_id": id, "rater": rater, "answer": "no"} for id in ids["car"][:2] for rater in ("ana", "ben")
    ]
    file = tmp_path / "raters.parquet"
    pl.from_dicts(answers).write_parquet(file)
    add(layout, "loan", actor="ana", human=file)
    erase_subject(layout, "person 0", None, actor="ana")
    with closing(TagStore(layout)) as store, closing(BaselineStore(layout)) as baselines:
        assert [one.prediction_id for one in store.listed("loan")] == [ids["car"][1]]
        kept = pl.read_parquet(ratings_file(layout, baselines.listed("loan")[0].file))
    assert set(kept["prediction_id"]) == {ids["car"][1]}


def test_mistakes_go_to_people_who_see_neither_label_nor_answer_and_what_they_say_is_the_label(layout: Layout) -> None:
    import asyncio
    import time

    from tidegate import reviewing
    from tidegate.review.keeper import Keeper

    ids = heard(layout)
    rows = listed(layout, "loan", **WINDOW, where="noise = 'car'")  # type: ignore[arg-type]
    assert to_review(layout, "loan", rows, "labels", actor="ana") == 6
    assert to_review(layout, "loan", rows, "labels", actor="ana") == 0, "once each"
    items = reviewing.claim(layout, "labels", "ben", count=10)
    assert {item.task.prediction_id for item in items} == set(ids["car"])
    assert all(item.opinion is None and not item.outputs and item.choices == ["no", "yes"] for item in items)
    before = {one.prediction_id: one for one in rows}
    for item in items:
        reviewing.answer(layout, item.task.id, "ben", before[item.task.prediction_id].answered)
    asyncio.run(Keeper(layout, dict).step(time.time()))
    left = listed(layout, "loan", **WINDOW)  # type: ignore[arg-type]
    assert not {one.prediction_id for one in left} & set(ids["car"]), "the model was right: the labels were wrong"
    for wrong, why in (({"queue": "no such/queue"}, "queue"), ({"queue": "q", "raters": 0}, "raters")):
        with pytest.raises(InvalidRequest, match=why):
            to_review(layout, "loan", rows, actor="ana", **wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="no row"):
        to_review(layout, "loan", [], "labels", actor="ana")
