"""Columns that come and go, change their type, have ten thousand values, or follow the hours of the week."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from tidegate.detectors.groups import Group
from tidegate.profiles.reference import HOURS, Reference, centres, decode, hour_of_week, make
from tidegate.types.monitoring import StreamView

RNG = np.random.default_rng(8)
LIMIT = math.log(1e6 / 16)


def reference_of(frame: pl.DataFrame, season: pl.Series | None = None) -> Reference:
    return decode(make(frame, dict.fromkeys(frame.columns, "input"), "test", season=season).encode())


def after(reference: Reference, *batches: pl.DataFrame, effect: float = 0.03) -> dict[str, StreamView]:
    group = Group("e", "input", "", reference, effect, set())
    for batch in batches:
        group.feed(batch)
    return {view.column: view for view, _ in group.views()}


def rows(n: int) -> pl.DataFrame:
    return pl.DataFrame({
        "x": RNG.normal(size=n), "size": RNG.integers(0, 5, n), "colour": RNG.choice(["red", "green", "blue"], n),
        "ok": RNG.random(n) < 0.7,
    })  # fmt: skip


USUAL = reference_of(rows(5000))


def test_clean_rows_are_no_drift_whatever_else_comes() -> None:
    frame = rows(6000).with_columns(pl.lit([1.0]).alias("vector"), pl.lit("new").alias("unknown"))
    found = after(USUAL, frame)
    assert set(found) == {"x", "size", "colour", "ok"}
    assert max(view.peak for view in found.values()) < LIMIT


def test_whole_numbers_that_travel_as_floats_are_the_same() -> None:
    frame = rows(3000).with_columns(pl.col("size").cast(pl.Float32), pl.col("x").cast(pl.Float32))
    assert max(view.peak for view in after(USUAL, frame).values()) < LIMIT
    broken = after(USUAL, frame.with_columns(pl.col("size") + 0.5))
    assert broken["size"].top == "(new)"
    assert broken["size"].peak > LIMIT


def test_a_column_that_disappears_is_missing() -> None:
    found = after(USUAL, rows(500), rows(500).drop("x", "colour"))
    assert (found["x"].top, found["colour"].top) == ("missing", "(missing)")
    assert min(found[name].peak for name in ("x", "colour")) > LIMIT
    assert max(found[name].peak for name in ("size", "ok")) < LIMIT


def test_a_type_that_changes_is_seen() -> None:
    found = after(USUAL, rows(500).with_columns(pl.lit("a").alias("x"), pl.lit(3.5).alias("colour")))
    assert min(found[name].peak for name in ("x", "colour")) > LIMIT


def test_nulls_infinities_and_huge_values() -> None:
    wild = pl.DataFrame({
        "x": [None, math.inf, -math.inf, math.nan, 1e308] * 60, "size": [None, 9, -(2**62)] * 100,
        "colour": [None, "", "x" * 10_000] * 100, "ok": [None, True, True] * 100,
    })  # fmt: skip
    for view in after(USUAL, wild, rows(50)).values():
        assert view.rows == 350
        assert math.isfinite(view.log_m)
        assert math.isfinite(view.peak)


@pytest.mark.parametrize("values", [900, 10_000])
def test_values_never_seen_before_are_expected(values: int) -> None:
    """Of long tails a tenth of all rows has a value that the reference hasn't: Good's estimate says so."""
    shares = 1 / np.arange(1, values + 1)

    def draw(n: int) -> pl.DataFrame:
        return pl.DataFrame({"word": RNG.choice(values, n, p=shares / shares.sum()).astype(str)})

    found = after(reference_of(draw(2000)), draw(30_000), effect=0.0)
    assert found["word"].peak < LIMIT


@pytest.mark.parametrize("frame", [
    pl.DataFrame({"x": pl.Series([None] * 50, dtype=pl.Float64)}), pl.DataFrame({"x": [4.5]}), pl.DataFrame({"x": [4.5] * 500}),
    pl.DataFrame({"x": pl.Series([], dtype=pl.Float64)}),
])  # fmt: skip
def test_poor_references_raise_no_alarm_of_their_own(frame: pl.DataFrame) -> None:
    for view in after(reference_of(frame), pl.concat([frame] * 20), pl.concat([frame] * 20)).values():
        assert view.peak < LIMIT


def wave(n: int, heavy: bool) -> pl.DataFrame:
    hours = np.arange(n) * 8 * HOURS / n
    noise = RNG.standard_cauchy(n) if heavy else RNG.normal(size=n)
    moments = np.datetime64("2026-01-05", "us") + (hours * 3.6e9).astype("timedelta64[us]")
    return pl.DataFrame({"x": 3 * np.sin(hours * np.pi / 12) + noise, "time": moments}).with_columns(
        pl.col("time").dt.replace_time_zone("UTC")
    )


@pytest.mark.parametrize("heavy", [False, True])
def test_hours_of_the_week_are_no_drift(heavy: bool) -> None:
    before, now = wave(8000, heavy), wave(16_000, heavy)
    seasonal = reference_of(before.select("x"), before["time"])
    assert after(seasonal, now)["x"].peak < LIMIT
    assert after(seasonal, now.with_columns(pl.col("x") + 2))["x"].peak > LIMIT
    plain = reference_of(before.select("x"))
    assert after(plain, now)["x"].peak > LIMIT  # without the season each night would be one


def test_usual_hours_are_medians_and_fall_back() -> None:
    hours = np.repeat([0, 1, 25], [30, 5, 30])
    found = centres(np.repeat([1.0, 100.0, 7.0], [30, 5, 30]), hours)
    assert (found[0], found[1], found[25], found[2]) == (1.0, 7.0, 7.0, 7.0)
    assert hour_of_week(wave(336, False)["time"])[:5].tolist() == [0, 4, 8, 12, 16]
