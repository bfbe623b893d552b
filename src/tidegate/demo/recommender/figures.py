"""How good slates are, from the log alone: what customers did and bought, by the versions that chose for them.

log of a span of time --by version--> click-through, rank clicked (events); precision, nDCG (labels); coverage (what was shown)
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import polars as pl

from tidegate.demo.recommender.clickstream import PRODUCTS
from tidegate.demo.recommender.visits import ENDPOINT
from tidegate.metrics.quality.window import behaviour, load, part, quality
from tidegate.storage.layout import Layout
from tidegate.types.monitoring import Value


class Line(msgspec.Struct, frozen=True):
    """One version of the whole. `visits` are answers of it; the values have 95% bounds. `coverage` is a share of all products."""

    version: str
    visits: int
    clicks: Value
    precision: Value
    ndcg: Value
    coverage: float


def read(layout: Layout, start: float, end: float) -> list[Line]:
    """A line a version that answered in [start, end) (unix seconds). Errors: those of the log."""
    window = load(layout, ENDPOINT, start, end)
    found = []
    for version in sorted(window.rows["version"].unique().to_list()):
        mine = part(window, pl.col("version") == version)
        values = {**quality(mine.rows, mine.roles), **behaviour(mine)}
        shown = [mine.rows[name].to_list() for name in (mine.roles.items if mine.roles else ())]
        nothing = Value(0.0)
        found.append(
            Line(
                version, mine.rows.height, values.get("behaviour.click", nothing),
                values.get("quality.precision_at_k", nothing), values.get("quality.ndcg", nothing),
                coverage(zip(*shown, strict=True), len(PRODUCTS)),
            )
        )  # fmt: skip
    return found


def coverage(slates: Iterable[Iterable[str]], catalogue: int) -> float:
    """The share of a catalogue of so many items that anybody was shown.

    Source: Ge, Delgado-Battenfeld & Jannach 2010, "Beyond accuracy".

    >>> coverage([["a", "b"], ["b", "c"]], 4)
    0.75
    """
    return len({item for slate in slates for item in slate}) / catalogue
