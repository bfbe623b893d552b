"""The table that says where to work, on logs with planted errors: people, the literature, quick models, older versions, by slice."""

from __future__ import annotations

import json
import math
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from journal_maker import label, prediction, route, tensor, write

from tidegate.errors import Conflict, InvalidRequest, NotFound
from tidegate.evaluation.adding import add, cited, remove
from tidegate.evaluation.base import Evaluation, Line
from tidegate.evaluation.figures import apart, estimate, paired, z_of
from tidegate.evaluation.standing import standing
from tidegate.evaluation.table import compare, evaluate
from tidegate.storage.baselines import BaselineStore, ratings_file
from tidegate.storage.layout import Layout
from tidegate.types.inference import Signature, TensorSpec

START, END = 1_760_000_000.0 - 3600, 1_760_000_000.0 + 86400
SPOKEN = Signature(
    kind="table",
    inputs=[TensorSpec("condition", "BYTES", [-1]), TensorSpec("loud", "FP64", [-1])],
    outputs=[TensorSpec("word", "BYTES", [-1])],
)
WORDS = ("yes", "no", "maybe")
SHARES = {"clear": 0.6, "car noise": 0.3, "people noise": 0.1}
MODEL = {"clear": 0.05, "car noise": 0.20, "people noise": 0.40}
PEOPLE = {"clear": 0.04, "car noise": 0.19, "people noise": 0.10}
NEWER = {"clear": 0.01, "car noise": 0.10, "people noise": 0.60}
"""Better on average, worse among people."""


def said(rng: np.random.Generator, truth: str, error: float) -> str:
    return str(rng.choice([word for word in WORDS if word != truth])) if rng.random() < error else truth


def heard(
    layout: Layout, rows: int = 1500, people: int = 4, copies: bool = False, seed: int = 0, reference: bool = False
) -> pl.DataFrame:
    """Write a log with labels, and what raters said of it; with `copies` version 2 was given each request as well."""
    rng = np.random.default_rng(seed)
    route(layout, {("m", "1"): SPOKEN, ("m", "2"): SPOKEN})
    lines, ratings = [], []
    for number in range(rows):
        condition = str(rng.choice(list(SHARES), p=list(SHARES.values())))
        truth = WORDS[number % 3]
        inputs = [
            tensor("condition", "BYTES", [1], [condition]),
            tensor("loud", "FP64", [1], [WORDS.index(truth) + rng.normal(0, 0.1)]),
        ]
        record = prediction(inputs, [tensor("word", "BYTES", [1], [said(rng, truth, MODEL[condition])])])
        lines += [record, label(record.id, truth)]
        if copies:
            copied = [tensor("word", "BYTES", [1], [said(rng, truth, NEWER[condition])])]
            lines.append(prediction(inputs, copied, version="2", role="shadow", mirror_of=record.id))
        for rater in range(people):
            ratings.append((record.id, f"r{rater}", said(rng, truth, PEOPLE[condition]), truth))
    write(layout, lines)
    frame = pl.DataFrame(ratings, schema=["prediction_id", "rater", "answer", "reference"], orient="row")
    return frame if reference else frame.drop("reference")


def read(layout: Layout, **more: object) -> Evaluation:
    return evaluate(layout, "loan", start=START, end=END, **{"by": ["condition"], **more})  # type: ignore[arg-type]


def line(found: Evaluation, condition: str) -> Line:
    return next(one for one in found.lines if one.slice == (f"condition = {condition}" if condition else ""))


def test_work_goes_where_people_are_surely_better_and_traffic_is(layout: Layout) -> None:
    """Car noise has three times the traffic and many errors, but people make them too."""
    add(layout, "loan", actor="ana", human=heard(layout, reference=True))
    found = read(layout)
    assert found.metric.name == "accuracy" and found.ceiling == "people"
    assert [one.slice for one in found.lines] == [
        "",
        "condition = clear",
        "condition = car noise",
        "condition = people noise",
    ]
    for condition in SHARES:
        one = line(found, condition)
        (people,) = one.beside
        assert one.share == pytest.approx(SHARES[condition], abs=0.03)
        assert (
            one.model.low < MODEL[condition] < one.model.high
            and people.level.low < PEOPLE[condition] < people.level.high
        )
        assert people.paired and people.gap.low < MODEL[condition] - PEOPLE[condition] < people.gap.high
    assert line(found, "people noise").priority > 0 == line(found, "car noise").priority
    assert found.next.startswith("Work on condition = people noise next: ")
    assert "4 raters on 1,500 items" in found.notes[0] and "judged by the others" not in found.notes[0]
    assert msgspec.json.decode(msgspec.json.encode(found))["lines"][0]["slice"] == ""


def test_people_are_judged_by_the_others_where_nobody_knows_the_truth(layout: Layout) -> None:
    add(layout, "loan", actor="ana", human=heard(layout, people=5))
    found = read(layout)
    (people,) = line(found, "clear").beside
    assert (
        people.level.error == pytest.approx(PEOPLE["clear"], abs=0.02) and "each judged by the others" in found.notes[0]
    )
    assert read(layout, fixable={"condition = people noise": 0.0}).next == "No slice is surely behind people."


def test_all_kinds_stand_side_by_side(layout: Layout, tmp_path: Path) -> None:
    ratings = tmp_path / "raters.csv"
    heard(layout, copies=True, reference=True).write_csv(ratings)
    assert add(layout, "loan", actor="ana", human=ratings).source == "raters.csv: 6,000 answers of 4 raters"
    add(layout, "loan", actor="ana", literature="accuracy 97.1%, Smith 2024, n=1,200")
    add(layout, "loan", actor="ana", quick=True)
    add(layout, "loan", actor="ana", version="2")
    found = read(layout)
    whole = {one.name: one for one in found.lines[0].beside}
    assert list(whole) == ["people", "literature", "quick", "version 2"]
    assert whole["literature"].level.error == pytest.approx(0.029) and whole["literature"].level.low < 0.029
    assert not line(found, "clear").beside[1].level.known, "a figure of other data is no slice's"
    assert whole["quick"].level.error < 0.01 and whole["quick"].gap.low > 0, "how loud it is gives the word away"
    assert any("a small tree" in note or "a linear model" in note for note in found.notes)
    assert whole["version 2"].paired and whole["version 2"].level.rows == 1500
    with pytest.raises(Conflict, match="has a baseline 'people'"):
        add(layout, "loan", actor="ana", human=ratings)
    assert len(list((layout.root / "baselines").iterdir())) == 1, "what wasn't added left no file"
    kept = ratings_file(layout, BaselineStore(layout).listed("loan")[0].file)
    assert kept.exists() and remove(layout, "loan", "people", "ana").kind == "human" and not kept.exists()
    assert read(layout).ceiling == "" and "How many of them people would make too is not known" in read(layout).next
    with pytest.raises(NotFound, match="It has: literature, quick, version 2"):
        remove(layout, "loan", "people", "ana")


def test_a_version_that_is_better_on_average_breaks_a_slice(layout: Layout) -> None:
    heard(layout, people=0, copies=True)
    found = compare(layout, "loan", start=START, end=END, old="1", new="2", by=["condition"])
    by = {one.slice: one for one in found.changes}
    assert by[""].gained and by["condition = clear"].gained and by["condition = people noise"].broken
    assert found.broken == ["condition = people noise"]
    assert by["condition = people noise"].change.low < 0.2 < by["condition = people noise"].change.high
    there = read(layout, version="2")
    assert line(there, "people noise").model.error == pytest.approx(0.6, abs=0.1) and there.lines[0].model.rows == 1500
    with pytest.raises(InvalidRequest, match="version 3 has answered none of the 1,500 labelled requests"):
        read(layout, version="3")


def test_two_versions_that_are_the_same_break_nothing(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds are for all slices together: of 40 comparisons of equals at most a few may name any slice (19 in 20 name none)."""
    rng = np.random.default_rng(0)
    broken = 0
    for _ in range(400):
        errors = (rng.random((2, 900)) < 0.2).astype(float)
        place = rng.integers(0, 9, 900)
        z = z_of(10)
        named = [
            paired(
                np.column_stack([errors[1][mask], np.ones(mask.sum())]),
                np.column_stack([errors[0][mask], np.ones(mask.sum())]),
                z,
            )
            for mask in [np.ones(900, bool), *(place == slice for slice in range(9))]
        ]
        broken += any(one.low > 0 or one.high < 0 for one in named)
    assert broken <= 400 * 0.05 + 3 * math.sqrt(400 * 0.05 * 0.95), broken


def test_bounds_of_ratios() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(400):
        words = rng.integers(1, 20, 150).astype(float)
        found = estimate(np.column_stack([rng.binomial(words.astype(int), 0.2), words]), 1.96, share=False)
        inside += found.low <= 0.2 <= found.high
    assert 0.92 <= inside / 400 <= 0.975
    one, other = (
        estimate(np.array([[1.0, 1]] * 30 + [[0.0, 1]] * 70), 1.96, share=True),
        estimate(np.tile([0.0, 1.0], (50, 1)), 1.96, share=True),
    )
    assert apart(one, other, 1.96).low == pytest.approx(0.3 - math.hypot(0.3 - one.low, other.high))
    assert not estimate(np.zeros((0, 2)), 1.96, share=True).known


def test_what_is_no_figure_is_refused_in_words(layout: Layout, tmp_path: Path) -> None:
    assert cited("WER 4.3, Moonshine paper") == ("quality.wer", 0.043, 0, "Moonshine paper")
    assert cited("mae: 12.5, last year's report") == ("quality.mae", 12.5, 0, "last year's report")
    for text, why in (
        ("4.3", "is not METRIC VALUE, SOURCE"),
        ("WER 4.3", "say where the figure is from"),
        ("BLEU 30, a paper", "metrics: MAE, WER, accuracy, nDCG"),
        ("accuracy 130, a paper", "above 100%"),
    ):
        with pytest.raises(InvalidRequest, match=why):
            add(layout, "loan", actor="ana", literature=text)
    with pytest.raises(
        InvalidRequest, match="exactly one of human, queue, literature, quick and version; you gave none"
    ):
        add(layout, "loan", actor="ana")
    for content, why in (
        ("item,answer\n1,a\n", "no column rater"),
        ("rater,answer\nx,a\n", "needs a column prediction_id"),
        ("item,rater,answer\n1,x,a\n2,x,b\n", "one rater alone"),
    ):
        file = tmp_path / "bad.csv"
        file.write_text(content)
        with pytest.raises(InvalidRequest, match=why):
            add(layout, "loan", actor="ana", human=file)
    heard(layout, rows=60)
    add(layout, "loan", actor="ana", literature="WER 4.3, Moonshine paper")
    assert "a figure of quality.wer" in read(layout).notes[0]
    with pytest.raises(InvalidRequest, match="no baseline 'humans'; it has: literature"):
        read(layout, against="humans")
    with pytest.raises(InvalidRequest, match="has a label"):
        evaluate(layout, "loan", start=0.0, end=10.0)


def test_items_that_are_no_predictions_have_slices_of_their_own(layout: Layout, tmp_path: Path) -> None:
    heard(layout)
    rng = np.random.default_rng(5)
    rows = [
        {
            "item": f"clip {item}",
            "condition": condition,
            "rater": f"r{rater}",
            "answer": said(rng, WORDS[item % 3], PEOPLE[condition]),
        }
        for item, condition in enumerate(rng.choice(list(SHARES), 300))
        for rater in range(5)
    ]
    file = tmp_path / "clips.parquet"
    pl.from_dicts(json.loads(json.dumps(rows, default=str))).write_parquet(file)
    add(layout, "loan", actor="ana", human=file)
    found = read(layout)
    (people,) = line(found, "people noise").beside
    assert not people.paired and people.level.rows == pytest.approx(100, abs=25)
    assert people.gap.error == pytest.approx(0.3, abs=0.12) and line(found, "people noise").priority > 0


def test_a_rollout_s_versions_stand_beside_what_could_be_hoped_for(layout: Layout) -> None:
    ratings = heard(layout, 400, copies=True)
    assert standing(layout, "loan", ["1", "2"], start=START, end=END) == [], "no baseline yet"
    ratings.write_parquet(layout.root / "ratings.parquet")
    add(layout, "loan", actor="ana", name="people", human=layout.root / "ratings.parquet")
    found = standing(layout, "loan", ["1", "2", "9"], start=START, end=END)
    assert [one.version for one in found] == ["1", "2"], "version 9 has answered nothing"
    assert all([beside.name for beside in one.line.beside] == ["people"] for one in found)
    assert found[1].line.model.error < found[0].line.model.error
