"""Ids are understood or refused with a hint, and each metric of a profile says what the rows say."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from tidegate.errors import ConfigError
from tidegate.metrics import registry
from tidegate.profiles.fold import add_column
from tidegate.profiles.profile import Profile
from tidegate.profiles.reference import Reference, make
from tidegate.types.monitoring import Side

SIDES: dict[str, Side] = {
    "age": "input", "city": "input", "p": "output", "label": "output", "reply": "output", "reply_length": "output",
}  # fmt: skip


def usual() -> Reference:
    frame = pl.DataFrame(
        {
            "age": np.linspace(20.0, 60.0, 400),
            "city": ["Lyon", "Graz"] * 200,
            "p": np.linspace(0.01, 0.99, 400),
            "label": ["yes", "no"] * 200,
            "reply": ["hello there"] * 400,
            "reply_length": [11] * 400,
        }
    )
    return make(frame, SIDES, "test")


@pytest.fixture
def profile() -> Profile:
    made = Profile(0.0, 100.0, rows=200, null=10)
    reference = usual()
    columns = {
        "age": pl.Series([None] * 20 + [30.0] * 80 + [70.0] * 98 + [10.0, math.inf]),
        "city": pl.Series(["Lyon"] * 150 + ["Oslo"] * 50),
        "p": pl.Series(np.linspace(0.0, 1.0, 200)),
        "label": pl.Series(["yes"] * 150 + ["no"] * 50),
        "reply": pl.Series(["abcd"] * 200),
        "reply_length": pl.Series([4] * 200),
    }
    for name, values in columns.items():
        add_column(made, name, SIDES[name], values, reference)
    return made


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        ("input.missing.age", 20 / 200),
        ("input.out_of_range.age", 100 / 180),
        ("input.new_categories.city", 50 / 200),
        ("input.mean.age", (80 * 30 + 98 * 70 + 10) / 179),
        ("input.distinct.age", 3.0),
        ("input.volume", 2.0),
        ("output.null", 0.05),
        ("output.share.label=yes", 0.75),
        ("output.share.label=never", 0.0),
        ("output.share.label", 0.75),
        ("output.entropy.label", -0.75 * math.log2(0.75) - 0.25 * math.log2(0.25)),
        ("output.length.reply", 4.0),
        ("output.mean.p", 0.5),
    ],
)
def test_a_metric_says_what_the_rows_say(profile: Profile, id: str, expected: float) -> None:
    found = registry.metric_value(id, profile, usual())
    assert found is not None
    assert found.value == pytest.approx(expected)
    assert found.n > 0


def test_metrics_of_probabilities_are_read_from_the_sketch(profile: Profile) -> None:
    sure = registry.metric_value("output.confidence.p", profile, usual())
    bits = registry.metric_value("output.entropy.p", profile, usual())
    assert sure is not None and sure.value == pytest.approx(0.75, abs=0.02)
    assert bits is not None and bits.value == pytest.approx(1.0 / (2.0 * math.log(2.0)), abs=0.02)


def test_every_id_that_is_listed_has_a_value_and_its_own_side(profile: Profile) -> None:
    ids = [id for id in registry.metric_ids(profile, usual()) if not id.startswith("software.")]
    assert "input.missing.age" in ids
    assert "output.share.label=no" in ids
    assert "output.length.reply" in ids
    assert not [id for id in ids if id.startswith("output.") and id.endswith((".age", ".city"))]
    for id in ids:
        assert registry.metric_value(id, profile, usual()) is not None, id


def test_nothing_is_said_without_rows() -> None:
    empty = Profile(0.0, 60.0)
    assert registry.metric_value("output.null", empty) is None
    assert registry.metric_value("input.missing.age", empty) is None
    nothing = registry.metric_value("input.volume", empty)
    assert nothing is not None and nothing.value == 0.0


@pytest.mark.parametrize(
    ("id", "hint"),
    [
        ("input.mising.age", 'Did you mean "input.missing"'),
        ("input.missing", "write input.missing.COLUMN"),
        ("input.missing.aeg", 'Did you mean "age"'),
        ("input.missing.p", "there is no such input column"),
        ("output.null.p", "takes no column"),
        ("weather", "Known: "),
    ],
)
def test_an_id_that_is_wrong_is_refused_with_the_fix(id: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        registry.check(id, SIDES)


def test_values_are_shown_in_their_unit() -> None:
    assert registry.shown("input.missing.age", 0.05) == "5%"
    assert registry.shown("input.mean.age", 41.26) == "41.26"
