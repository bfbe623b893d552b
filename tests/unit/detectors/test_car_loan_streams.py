"""The known answer: 25,000 clean rows of car loans without an alarm at A = 10^6 rows, then the four features that moved."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tidegate.detectors.groups import Group
from tidegate.profiles.reference import decode, make
from tidegate.stats import shift
from tidegate.types.monitoring import StreamView

DATA = Path(__file__).parents[2] / "data"
REFERENCE, SHIFT = 10_000, 25_000
LIMIT = math.log(1e6 / shift.BLOCK)


def frames() -> tuple[pl.DataFrame, pl.DataFrame]:
    rows = pl.read_parquet(DATA / "car_loan_features.parquet").with_columns(
        pl.col("salary_range", "size_of_downpayment").cast(pl.String)
    )
    score = np.load(DATA / "car_loan.npz")["score"].astype(float)
    analysis = rows.height - REFERENCE
    scores = np.concatenate([score[:50_000:5], score[50_000 : 50_000 + analysis]])
    rows = rows.with_columns(pl.Series("y_pred_proba", scores))
    return rows[:REFERENCE], rows[REFERENCE:]


def views(group: Group) -> list[StreamView]:
    return [view for view, _ in group.views()]


@pytest.mark.parametrize(
    ("effect", "most"),
    [
        (
            0.0,
            {
                "car_value": 100,
                "repaid_loan_on_prev_car": 160,
                "y_pred_proba": 480,
                "loan_length": 500,
                "salary_range": 480,
            },
        ),
        (
            0.03,
            {
                "car_value": 100,
                "repaid_loan_on_prev_car": 200,
                "y_pred_proba": 900,
                "loan_length": 900,
                "salary_range": 900,
            },
        ),
    ],
)
def test_what_moved_is_found_and_nothing_before(effect: float, most: dict[str, int]) -> None:
    reference, rows = frames()
    made = make(reference, dict.fromkeys(reference.columns, "input"), "car loan")
    group = Group("loans", "input", "", decode(made.encode()), effect, set())
    for at in range(0, SHIFT, 2500):
        group.feed(rows[at : at + 2500])
    assert len(group.numbers) + len(group.categories) == 8
    assert max(view.peak for view in views(group)) < LIMIT
    found: dict[str, int] = {}
    for at in range(SHIFT, SHIFT + 960, shift.BLOCK):
        group.feed(rows[at : at + shift.BLOCK])
        for view in views(group):
            if view.peak >= LIMIT:
                found.setdefault(view.column, at + shift.BLOCK - SHIFT)
    assert set(found) == set(most)
    assert {name: rows for name, rows in found.items() if rows > most[name]} == {}
    for view in views(group):
        if view.column in most and effect:  # without one, chance holds M above its mark for long
            assert view.since_rows <= 960 + 16 * shift.BLOCK  # the change is dated about where it was


def test_a_stream_goes_on_where_it_was_stored() -> None:
    reference, rows = frames()
    made = make(reference, dict.fromkeys(reference.columns, "input"), "car loan")
    one, other = (Group("loans", "input", "", made, 0.03, set()) for _ in range(2))
    one.feed(rows[24_000:25_100])
    other.feed(rows[24_000:24_607])
    stored = {view.column: state for view, state in other.views()}
    other = Group("loans", "input", "", made, 0.03, set())
    other.restore(stored)
    other.feed(rows[24_607:25_100])
    for a, b in zip(views(one), views(other), strict=True):
        assert (a.column, a.rows, a.since_rows, a.top) == (b.column, b.rows, b.since_rows, b.top)
        assert (a.log_m, a.peak, a.log_e, a.effect) == pytest.approx((b.log_m, b.peak, b.log_e, b.effect), abs=2e-4)
