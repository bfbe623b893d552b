"""Slices that nobody named: planted ones are found, chance makes none, and a rare class is not hidden by the average."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from journal_maker import label, prediction, route, tensor, write

from tidegate.evaluation.base import METRICS
from tidegate.evaluation.rows import ERROR, WEIGHT, Judged, judge
from tidegate.evaluation.search import classes, search
from tidegate.metrics.quality.rows import Roles
from tidegate.metrics.quality.window import Window
from tidegate.storage.layout import Layout
from tidegate.types.inference import Signature, TensorSpec

CITIES = ["Ulm", "Bonn", "Rom", "Kiel"]


def judged(rows: int, seed: int, base: float = 0.1, city: float = 0.0, both: float = 0.0, far: float = 0.0) -> Judged:
    """Rows with an error each: `city` more in Rom, `far` more where km is above 80, `both` more where it is Kiel at night."""
    draw = np.random.default_rng(seed)
    where, night = draw.choice(CITIES, rows), draw.random(rows) < 0.4
    km = draw.uniform(0, 100, rows)
    chance = base + city * (where == "Rom") + far * (km > 80) + both * ((where == "Kiel") & night)
    frame = pl.DataFrame(
        {
            "prediction_id": [f"p{n}" for n in range(rows)], "row": [0] * rows, "city": where, "night": night, "km": km,
            **{f"noise{n}": draw.normal(size=rows) for n in range(10)},
            ERROR: (draw.random(rows) < chance).astype(float), WEIGHT: np.ones(rows),
        }
    )  # fmt: skip
    roles = Roles("binary", answer="y")
    inputs = [name for name in frame.columns if name not in ("prediction_id", "row", ERROR, WEIGHT)]
    return Judged(
        frame,
        frame.select("prediction_id", "row"),
        Window(frame, pl.DataFrame(), roles, [], inputs),
        roles,
        METRICS["binary"],
    )


def test_planted_slices_are_found_and_told_from_rows_that_did_not_find_them() -> None:
    found = search(judged(6000, 1, city=0.15, far=0.12))
    told = {one.slice: one for one in found.found}
    assert "city = Rom" in told and any(name.startswith("km >") for name in told)
    one = told["city = Rom"]
    assert one.error.low > one.whole and one.share == pytest.approx(0.25, abs=0.03)
    assert 1200 > one.error.rows > 500, "half of the slice's rows tell"
    assert min(one.whole, one.error.error) < one.shrunk <= one.error.error


def test_a_pair_of_conditions_is_found_where_neither_alone_is_as_bad() -> None:
    found = search(judged(8000, 2, both=0.4))
    best = max(found.found, key=lambda one: one.error.error)
    assert "city = Kiel" in best.slice and "night = true" in best.slice


def test_chance_makes_few_slices() -> None:
    """Sets without any: the half that tells lets a slice through about once in forty for each that is told, at most eight."""
    wrong = sum(bool(search(judged(1000, seed)).found) for seed in range(120))
    assert wrong <= 4, f"{wrong} of 120 clean sets had a slice"


def test_few_rows_say_nothing() -> None:
    assert search(judged(100, 0, city=0.5)).tried == 0


def test_rare_classes_from_a_log(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    signature = Signature(
        kind="table", inputs=[TensorSpec("x", "FP64", [-1])], outputs=[TensorSpec("word", "BYTES", [-1])]
    )
    route(layout, {("m", "1"): signature}, ["loan"])
    lines = []
    for number in range(200):
        truth = "rare" if number % 40 == 0 else ("yes", "no")[number % 2]
        record = prediction(
            [tensor("x", "FP64", [1], [float(number)])],
            [tensor("word", "BYTES", [1], ["yes" if truth == "rare" else truth])],
        )
        lines += [record, label(record.id, truth)]
    write(layout, lines)
    found = classes(judge(layout, "loan", None, 1_759_990_000.0, 1_760_090_000.0, inputs=True))
    assert found[0].label == "rare" and found[0].rare and found[0].missed.error == 1.0
    assert {one.label for one in found if not one.rare} == {"yes", "no"}


def test_the_quick_model_of_a_ranking_is_what_most_people_wanted() -> None:
    from tidegate.evaluation.quick import quick
    from tidegate.evaluation.rows import errors_of

    draw = np.random.default_rng(4)
    wanted = draw.choice(["tea", "coffee", "milk", "water"], 200, p=[0.7, 0.2, 0.05, 0.05]).tolist()
    rows = pl.DataFrame(
        {
            "prediction_id": [f"p{n}" for n in range(200)],
            "row": [0] * 200,
            "items": [["milk", "water", "coffee", "tea"]] * 200,
            "label": pl.Series([None] * 200, dtype=pl.Float64),
            "label_text": wanted,
        }
    )
    roles = Roles("ranking", answer="items", items=("items",))
    window = Window(rows, pl.DataFrame(), roles, [], [])
    made = quick(Judged(errors_of(rows, roles), rows.select("prediction_id", "row"), window, roles, METRICS["ranking"]))
    assert not isinstance(made, str) and made.name == "the most popular items" and made.learned_on == 100
    late = wanted[100:]
    gain = {"tea": 1.0, "coffee": 1 / np.log2(3)}
    first_two = np.mean([gain.get(one, 0.0) for one in late])
    assert 1 - made.rows[ERROR].mean() > first_two, "the others are in the list as well"
    assert 1 - made.rows[ERROR].mean() == pytest.approx(first_two + 0.1 * 0.46, abs=0.05)


def test_the_quick_model_of_speech_is_how_loud_it_is() -> None:
    """An energy detector: found among the quick models where a column of loudness is there, whichever way the classes stand."""
    from tidegate.evaluation.quick import Features, energy

    draw = np.random.default_rng(5)
    speech = draw.random(400) < 0.5
    rows = pl.DataFrame(
        {"seconds": draw.random(400), "audio_loudness": np.where(speech, -20.0, -50.0) + draw.normal(0, 6, 400)}
    )
    features = Features(rows)
    place = features.place("loudness")
    assert place == 2 and Features(rows.select("seconds")).place("loudness") is None
    for words in (("quiet", "speech"), ("words", "nothing")):
        said = np.where(speech, words[1], words[0]).astype(object)
        learned = energy(place)(features.of(rows)[:200], said[:200])
        assert (learned(features.of(rows)[200:]) == said[200:]).mean() > 0.95
    assert set(energy(place)(features.of(rows)[:5], np.array(["a"] * 5, object))(features.of(rows)[:3])) == {"a"}
