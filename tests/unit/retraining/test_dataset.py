"""The rows of a training: cut by time, kept by content, queried, joined with files; and taken out with whom they are about."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from journal_maker import label, prediction, route, tensor, write

from tidegate.errors import ConfigError, InvalidRequest
from tidegate.retraining import dataset
from tidegate.retraining.options import RetrainingOptions
from tidegate.storage.layout import Layout
from tidegate.types.inference import Signature, TensorSpec

END = 1_760_000_000.0 + 86400
LOANS = Signature(
    kind="table",
    inputs=[TensorSpec("debt (k)", "FP64", [-1]), TensorSpec("city", "BYTES", [-1]), TensorSpec("time", "INT64", [-1])],
    outputs=[TensorSpec("predict", "INT64", [-1])],
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "state")


def fill(layout: Layout, rows: int = 100, text: bool = False) -> list[str]:
    """Labelled rows; every fifth has no label, and one is a copy for a shadow."""
    route(layout, {("m", "1"): LOANS})
    lines: list[Any] = []
    ids = []
    for number in range(rows):
        inputs = [
            tensor("debt (k)", "FP64", [1], [number / 2]), tensor("city", "BYTES", [1], ["Ulm" if number % 2 else "Bonn"]),
            tensor("time", "INT64", [1], [number]),
        ]  # fmt: skip
        record = prediction(inputs, [tensor("predict", "INT64", [1], [1])])
        ids.append(record.id)
        lines.append(record)
        if number % 5:
            lines.append(label(record.id, ("good", "bad")[number % 2] if text else number % 2))
        if number == 7:
            copy = prediction(
                inputs, [tensor("predict", "INT64", [1], [0])], version="2", role="shadow", mirror_of=record.id
            )
            lines += [copy, label(copy.id, 1)]
    write(layout, lines)
    return ids


def options(**more: Any) -> RetrainingOptions:
    return RetrainingOptions.model_validate({"trainer": "t:f", "minRows": 10, "window": "3650d", **more})


def test_what_judges_came_after_what_is_learned(layout: Layout) -> None:
    ids = fill(layout)
    made = dataset.collect(layout, "loan", options(), None, END)
    rows = dataset.read(layout, made.digest)
    assert rows.columns == ["part", "prediction_id", "row", "time", "debt (k)", "city", "input_time", "label"]
    assert made.inputs == ["debt (k)", "city", "input_time"], "the model's own names, but for one that is taken"
    assert rows["prediction_id"].to_list() == [id for number, id in enumerate(ids) if number % 5]
    learn, judge = rows.filter(pl.col("part") == "learn"), rows.filter(pl.col("part") == "judge")
    assert (made.learned, made.judged) == (learn.height, judge.height) == (64, 16)
    assert learn["time"].max() < judge["time"].min()  # type: ignore[operator]
    assert made.labels == {"1": 40, "0": 40} and rows["label"].dtype == pl.Int64
    path = dataset.folder(layout) / f"{made.digest}.parquet"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == made.digest and path.stat().st_mode & 0o77 == 0
    again = dataset.collect(layout, "loan", options(), None, END)
    assert again == made and len(list(dataset.folder(layout).iterdir())) == 1, "the same rows are kept once"
    assert dataset.trained_on(layout, made.digest, ids[1]) == "learn"
    assert dataset.trained_on(layout, made.digest, ids[99]) == "judge"
    assert dataset.trained_on(layout, made.digest, ids[0]) == ""


def test_too_few_is_said_and_a_dry_run_keeps_nothing(layout: Layout) -> None:
    fill(layout)
    with pytest.raises(InvalidRequest, match="80 labelled rows of loan"):
        dataset.collect(layout, "loan", options(minRows=81), None, END)
    made = dataset.collect(layout, "loan", options(minRows=81), None, END, keep=False)
    assert made.learned == 64 and not list(dataset.folder(layout).iterdir())
    assert dataset.available(layout, "loan", options(), None, END, enough=1000) == 80
    assert dataset.available(layout, "loan", options(), None, END, enough=30) == 30, "no more is read than is asked for"


def test_a_query_chooses_and_says_what_it_lacks(layout: Layout) -> None:
    fill(layout)
    made = dataset.collect(layout, "loan", options(query="select * from data where city = 'Ulm'"), None, END)
    assert set(dataset.read(layout, made.digest)["city"]) == {"Ulm"}
    with pytest.raises(ConfigError, match="lacks the column 'prediction_id'"):
        dataset.collect(layout, "loan", options(query="select city from data"), None, END)
    with pytest.raises(ConfigError, match="the table is `data`"):
        dataset.collect(layout, "loan", options(query="select * from loans"), None, END)


def test_files_are_learned_from_and_never_judge(layout: Layout, tmp_path: Path) -> None:
    fill(layout, text=True)
    more = pl.DataFrame({"label": ["good"] * 5, "city": ["Rom"] * 5, "debt (k)": [1] * 5, "input_time": [2] * 5})
    more.write_csv(tmp_path / "older.csv")
    made = dataset.collect(layout, "loan", options(base=[str(tmp_path / "older.csv")]), None, END)
    rows = dataset.read(layout, made.digest)
    assert made.base_rows == 5 and set(rows.filter(pl.col("city") == "Rom")["part"]) == {"base"}
    assert made.base == {str(tmp_path / "older.csv"): hashlib.sha256((tmp_path / "older.csv").read_bytes()).hexdigest()}
    more.drop("city").write_parquet(tmp_path / "less.parquet")
    with pytest.raises(ConfigError, match="no column 'city'"):
        dataset.collect(layout, "loan", options(base=[str(tmp_path / "less.parquet")]), None, END)
    more.with_columns(input_time=pl.lit("noon")).write_parquet(tmp_path / "words.parquet")
    with pytest.raises(ConfigError, match="doesn't fit the log's types"):
        dataset.collect(layout, "loan", options(base=[str(tmp_path / "words.parquet")]), None, END)


def test_an_erased_person_leaves_every_data_set(layout: Layout) -> None:
    ids = fill(layout)
    made = dataset.collect(layout, "loan", options(), None, END)
    assert dataset.erase(layout, {ids[1], ids[0]}) == 1
    rows = dataset.read(layout, made.digest)
    assert ids[1] not in rows["prediction_id"] and rows.height == 79
    assert dataset.erase(layout, {ids[1]}) == 0


def test_what_nothing_refers_to_goes_after_an_hour(layout: Layout) -> None:
    import os

    fill(layout)
    made = dataset.collect(layout, "loan", options(), None, END)
    assert dataset.forget(layout, set()) == []
    path = dataset.folder(layout) / f"{made.digest}.parquet"
    os.utime(path, (0, 0))
    assert dataset.forget(layout, {made.digest}) == []
    assert dataset.forget(layout, set()) == [made.digest]
    with pytest.raises(InvalidRequest, match="no longer kept"):
        dataset.read(layout, made.digest)


def test_a_matrix_of_numbers_is_columns(layout: Layout) -> None:
    from journal_maker import MATRIX, matrix

    route(layout, {("m", "1"): MATRIX})
    rng = np.random.default_rng(0)
    lines: list[Any] = []
    for _ in range(20):
        record = matrix(rng.random((2, 3)).tolist())
        lines += [record, label(record.id, "yes", row=0), label(record.id, "no", row=1)]
    write(layout, lines)
    made = dataset.collect(layout, "loan", options(), None, END)
    assert made.inputs == ["x_0", "x_1", "x_2"] and not made.whole
    assert (made.learned + made.judged == 40 and made.labels == {"yes": 20, "no": 20}) or made.labels == {
        "no": 20,
        "yes": 20,
    }
