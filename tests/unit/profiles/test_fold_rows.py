"""Rows become profiles of minutes: counts are those of the rows, and columns that come, go or change break nothing."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from tidegate.profiles.fold import Minutes, add_column, fold
from tidegate.profiles.profile import Key, Profile, decode
from tidegate.profiles.reference import make
from tidegate.types.monitoring import Side

START = datetime(2026, 1, 5, tzinfo=UTC)
SIDES: dict[str, Side] = {"x": "input", "size": "input", "colour": "input", "label": "output"}
RNG = np.random.default_rng(7)


def frame(n: int, **columns: Any) -> pl.DataFrame:
    """`n` requests of one row, one a second."""
    named = {
        "x": RNG.normal(size=n),
        "size": RNG.integers(0, 5, n),
        "colour": ["red", "blue"] * (n // 2),
        "label": RNG.random(n),
    }
    fixed = {
        "time": [START + timedelta(seconds=i) for i in range(n)], "model": "m", "version": "1", "role": "stable", "status": 200,
        "row": 0, "fallback_of": None, "mirror_of": None, "latency_us": 900, "queue_us": 10, "infer_us": 500, "batch": 3,
    }  # fmt: skip
    made = pl.DataFrame({**named, **columns})
    return made.with_columns(
        *(
            pl.Series(name, value) if isinstance(value, list) else pl.lit(value).alias(name)
            for name, value in fixed.items()
        )
    ).with_columns(pl.col("fallback_of", "mirror_of").cast(pl.String))


def total(minutes: Minutes, segment: str = "") -> Profile:
    out = Profile()
    for (key, _), profile in minutes.items():
        if key.segment == segment:
            out.merge(decode(profile.encode()))
    return out


def test_a_frame_in_any_pieces_is_the_recomputation() -> None:
    rows = frame(600).with_columns(status=pl.when(pl.col("x") > 2).then(503).otherwise(200))
    whole = fold("e", rows, SIDES)
    assert {start for _, start in whole} == {int(START.timestamp()) + 60 * i for i in range(10)}
    pieces = Profile()
    for at in range(0, 600, 77):
        pieces.merge(total(fold("e", rows[at : at + 77], SIDES)))
    good = rows.filter(pl.col("status") == 200)
    for one in (total(whole), pieces):
        assert (one.requests, one.rows, one.answered) == (600, good.height, good.height)
        assert one.errors == {"overload": 600 - good.height}
        assert one.columns["x"].mean == pytest.approx(good["x"].mean())
        assert one.columns["x"].std == pytest.approx(good["x"].std())
        assert one.columns["colour"].items() == dict(good["colour"].value_counts().iter_rows())
        sizes = {str(size): count for size, count in good["size"].value_counts().iter_rows()}
        assert one.columns["size"].items() == sizes
        assert one.columns["label"].side == "output"


def test_a_request_of_many_rows_counts_once() -> None:
    rows = frame(60).with_columns(row=pl.int_range(60) % 6)
    one = total(fold("e", rows, SIDES))
    assert (one.requests, one.rows, sum(one.latency.values())) == (10, 60, 10)


def test_segments_sum_up_and_unknown_values_are_together() -> None:
    rows = frame(120)
    known = {"colour": {"red"}}
    minutes = fold("e", rows, SIDES, segments=["colour", "nowhere"], known=known)
    assert {key for key, _ in minutes} == {
        Key("e", "1", "stable", segment=s) for s in ("", "colour=red", "colour=(other)")
    }
    assert total(minutes, "colour=red").rows + total(minutes, "colour=(other)").rows == total(minutes).rows == 120


def test_columns_that_come_go_and_change_type() -> None:
    reference = make(frame(500).select(list(SIDES)), SIDES, "test")
    profile = Profile()
    for rows in (
        frame(60),
        frame(60).drop("colour"),
        frame(60, colour=RNG.normal(size=60), x=["text"] * 60),
        frame(60, later=RNG.normal(size=60), vector=[[1.0]] * 60),
    ):
        sides: dict[str, Side] = {**SIDES, "later": "input", "vector": "input"}
        profile.merge(total(fold("e", rows, sides, reference=reference)))
    assert profile.rows == 240
    assert {name: column.rows for name, column in profile.columns.items()} == {
        "x": 240, "size": 240, "colour": 180, "label": 240, "later": 60,
    }  # fmt: skip
    assert profile.columns["x"].kind == "number"
    assert profile.columns["x"].fresh >= 60
    assert profile.columns["colour"].fresh >= 60


def test_a_change_of_type_within_a_minute_counts_new_values_once() -> None:
    profile = Profile()

    reference = make(pl.DataFrame({"x": [1.0, 2.0]}), {"x": "input"}, "test")
    add_column(profile, "x", "input", pl.Series("x", [1.0, None]), reference)
    add_column(profile, "x", "input", pl.Series("x", ["a", None, "b"]), reference)
    assert (profile.columns["x"].rows, profile.columns["x"].missing, profile.columns["x"].fresh) == (5, 2, 2)


def test_null_infinite_and_ten_thousand_categories() -> None:
    n = 12_000
    rows = frame(
        n, x=pl.Series([None, math.inf, -math.inf, math.nan] * (n // 4), dtype=pl.Float64),
        size=pl.Series([None] * n, dtype=pl.Int64), colour=[f"c{i % 10_000}" for i in range(n)],
        label=pl.Series([None] * n, dtype=pl.Float64),
    ).with_columns(time=pl.lit(START))  # fmt: skip
    one = total(fold("e", rows, SIDES))
    x, size, colour = (one.columns[name] for name in ("x", "size", "colour"))
    assert (x.rows, x.missing, x.infinite, x.present) == (n, n // 2, n // 2, 0)
    assert (size.rows, size.missing, size.items()) == (n, n, {})
    assert (colour.rows, colour.missing) == (n, 0)
    assert colour.distinct == pytest.approx(10_000, rel=0.27)
    assert one.null == n


def test_out_of_range_and_new_values_against_a_reference() -> None:
    reference = make(pl.DataFrame({"x": [0.0, 1.0, 2.0], "colour": ["red", "blue", None]}), SIDES, "test")
    rows = frame(8, x=[-1.0, 0.0, 2.0, 3.0, 4.0, None, math.inf, 1.0], colour=["red", "green", None, "blue"] * 2)
    one = total(fold("e", rows, SIDES, reference=reference))
    assert one.columns["x"].below == 1
    assert one.columns["x"].above == 3  # the infinity is above the range, too
    assert one.columns["colour"].fresh == 2
