"""Groups: rates by hand, bounds, and that equals are not told apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from journal_maker import label, prediction, route, tensor, write

from tidegate.errors import ConfigError, InvalidRequest
from tidegate.evaluation.fairness import fairness
from tidegate.storage.layout import Layout
from tidegate.types.inference import Signature, TensorSpec

WINDOW = {"start": 1_760_000_000.0 - 3600, "end": 1_760_000_000.0 + 86400}
LOANS = Signature(
    kind="table",
    inputs=[TensorSpec("sex", "BYTES", [-1])],
    outputs=[TensorSpec("p", "FP64", [-1, 2])],
    classes=["0", "1"],
)


def decided(layout: Layout, rows: list[tuple[str | None, int, float]]) -> None:
    """Rows of group, truth, probability of yes."""
    route(layout, {("m", "1"): LOANS})
    lines = []
    for group, truth, p in rows:
        record = prediction([tensor("sex", "BYTES", [1], [group])], [tensor("p", "FP64", [1, 2], [1 - p, p])])
        lines += [record, label(record.id, truth)]
    write(layout, lines)


def test_by_hand(layout: Layout) -> None:
    """a: 40 of 50 truly yes are found, 10 of 50 others accused; b: 20 of 40, 12 of 60."""
    rows: list[tuple[str | None, int, float]] = (
        [("a", 1, 0.9)] * 40 + [("a", 1, 0.2)] * 10 + [("a", 0, 0.9)] * 10 + [("a", 0, 0.2)] * 40
    )
    rows += [("b", 1, 0.9)] * 20 + [("b", 1, 0.2)] * 20 + [("b", 0, 0.9)] * 12 + [("b", 0, 0.2)] * 48
    decided(layout, rows)
    found = fairness(layout, "loan", by="sex", **WINDOW)
    a, b = sorted(found.groups, key=lambda one: one.name)
    assert (a.rows, a.positives, b.rows, b.positives) == (100, 50, 100, 40)
    assert [one.here.error for one in (a.selection, a.true_positive, a.false_positive, a.precision)] == [
        0.5,
        0.8,
        0.2,
        0.8,
    ]
    assert [one.here.error for one in (b.selection, b.true_positive, b.false_positive, b.precision)] == [
        0.32,
        0.5,
        0.2,
        0.625,
    ]
    assert found.demographic_parity_difference == pytest.approx(0.18)
    assert found.demographic_parity_ratio == pytest.approx(0.64)
    assert found.equalized_odds_difference == pytest.approx(0.3)
    assert (
        a.true_positive.differs and not a.false_positive.differs and a.true_positive.beyond.error == pytest.approx(0.3)
    )
    assert a.calibration == pytest.approx(0.5 * 0.9 + 0.5 * 0.2 - 0.5)
    assert "can't all be equal" in found.notes[0]


def test_equals_are_not_told_apart_more_often_than_said(layout: Layout) -> None:
    """5 groups, 4 rates: bounds hold for all groups of a rate, so that each rate names some group in at most 5% of trials."""
    from tidegate.evaluation.fairness import _group
    from tidegate.evaluation.figures import z_of

    rng = np.random.default_rng(0)
    named = 0
    for _ in range(300):
        truth, group = rng.random(1000) < 0.4, rng.integers(0, 5, 1000)
        yes = rng.random(1000) < np.where(truth, 0.8, 0.1)
        named += any(_group(str(g), group == g, truth, yes, None, z_of(5)).true_positive.differs for g in range(5))
    assert named <= 300 * 0.05 + 3 * math.sqrt(300 * 0.05 * 0.95), named


def test_small_and_missing_groups_and_wrong_questions(layout: Layout) -> None:
    decided(layout, [("a", 1, 0.9)] * 30 + [("a", 0, 0.1)] * 30 + [(None, 0, 0.9)])
    found = fairness(layout, "loan", by="sex", **WINDOW)
    missing = found.groups[1]
    assert (missing.name, missing.rows) == ("missing", 1) and not missing.true_positive.here.known
    assert found.equalized_odds_difference == 1.0 and not missing.true_positive.differs
    with pytest.raises(ConfigError, match="no column 'age'"):
        fairness(layout, "loan", by="age", **WINDOW)
    with pytest.raises(InvalidRequest, match="has a label"):
        fairness(layout, "loan", by="sex", start=0.0, end=1.0)
