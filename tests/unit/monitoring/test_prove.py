"""A/A: rows in another order hold no drift, so that what is raised is false; and drift that was there does not count."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tidegate.monitoring.prove import prove, shuffled
from tidegate.types.monitoring import Monitor, Rule, Side

SIDES: dict[str, Side] = {"x": "input", "city": "input", "p": "output"}


def log(n: int) -> pl.DataFrame:
    """Rows that drift a long way."""
    draw = np.random.default_rng(1)
    start = datetime(2026, 1, 5, tzinfo=UTC)
    return pl.DataFrame(
        {
            "time": [start + timedelta(seconds=10.0 * i) for i in range(n)],
            "row": [0] * n,
            "model": ["m"] * n,
            "version": ["1"] * n,
            "role": ["stable"] * n,
            "status": [200] * n,
            "mirror_of": pl.Series([None] * n, dtype=pl.String),
            "fallback_of": pl.Series([None] * n, dtype=pl.String),
            "latency_us": [1000] * n,
            "queue_us": [1] * n,
            "infer_us": [1] * n,
            "batch": [1] * n,
            "x": draw.normal(np.linspace(0.0, 5.0, n), 1.0),
            "city": np.where(np.arange(n) < n / 2, draw.choice(["a", "b"], n), draw.choice(["b", "c"], n)),
            "p": draw.beta(2.0, 2.0, n),
        }
    )


def test_what_drifted_is_no_drift_in_another_order() -> None:
    seen: list[tuple[int, int]] = []
    rule = Monitor("e/input.mean.x", "e", "input.mean.x", Rule(max=2.6, over=3600, min_rows=5))
    off = Monitor("e/input.drift.city", "e", "input.drift.city", state="retired")
    proof = prove(
        "e", log(4000), SIDES, limit=math.log(200.0), allowed=2.0, monitors=[rule, off], runs=2,
        progress=lambda done, of: seen.append((done, of)),
    )  # fmt: skip
    assert proof.streams == 2
    assert proof.expected == pytest.approx(2 * 2 * 2000 / 16 / 200.0, rel=0.1)
    assert proof.raised == 0 and proof.holds
    assert proof.high == pytest.approx(3.69, abs=0.01)
    assert proof.by_rule["e/input.mean.x"] >= 2
    assert seen[-1][0] == seen[-1][1]


def test_the_season_stays_where_it_is() -> None:
    rows = log(3000)
    mixed = shuffled(rows, np.random.default_rng(0), season=True)
    hour = pl.col("time").dt.truncate("1h")
    assert mixed["time"].equals(rows["time"])
    assert not mixed["x"].equals(rows["x"])
    assert mixed.group_by(hour).agg(pl.col("x").sum()).sort("time")["x"].to_list() == pytest.approx(
        rows.group_by(hour).agg(pl.col("x").sum()).sort("time")["x"].to_list()
    )


def test_too_few_rows_prove_nothing() -> None:
    with pytest.raises(ValueError, match="at least 400"):
        prove("e", log(300), SIDES, limit=5.0, allowed=2.0)
