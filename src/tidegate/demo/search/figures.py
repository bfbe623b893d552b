"""What people did with the answers, from the prediction log alone: click-through and the others of metrics.behaviour.

log (predictions, feedback of type event) --> Events --> behaviour.click, .rank, .redo, .typed, and searches without a result
"""

from __future__ import annotations

from typing import Any

import msgspec
import polars as pl

from tidegate.errors import NotFound
from tidegate.metrics.quality.window import events_of
from tidegate.metrics.registry import event_metrics
from tidegate.storage.layout import Layout
from tidegate.storage.log.recent import snapshot

METRICS = ("behaviour.click", "behaviour.rank", "behaviour.redo", "behaviour.typed")


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """A metric as the page shows it."""

    id: str
    help: str
    value: float | None = None
    low: float | None = None
    high: float | None = None


class Figures(msgspec.Struct, frozen=True):
    """`searches` answered, how many found nothing, events by name, and the metrics."""

    searches: int
    empty: int
    events: dict[str, int]
    metrics: list[Figure]


def read(layout: Layout, endpoint: str) -> Figures:
    """Now; all that was ever searched. Errors: StateError and others of the log."""
    try:
        found = snapshot(layout, endpoint)
    except NotFound:
        return Figures(0, 0, {}, [])
    there = set(found.predictions.collect_schema().names())
    kept = [name for name in ("prediction_id", "found") if name in there]
    asked = found.predictions.filter((pl.col("status") == 200) & (pl.col("role") != "shadow")).select(kept).collect()
    heard = (
        found.feedback.filter(pl.col("type") == "event")
        .select("prediction_id", "name", pl.col("value_double").alias("value"))
        .join(asked.lazy().select("prediction_id"), on="prediction_id", how="semi")
        .collect()
    )
    metrics = event_metrics()
    events = events_of(asked["prediction_id"].n_unique(), heard)
    figures = [_figure(metrics[id], metrics[id].of(events)) for id in METRICS if id in metrics]
    empty = int((asked["found"] == 0).sum()) if "found" in there else 0
    counts = dict(heard["name"].drop_nulls().value_counts(sort=True).iter_rows())
    return Figures(asked.height, empty, counts, figures)


def _figure(metric: Any, value: Any) -> Figure:
    if value is None:
        return Figure(metric.id, metric.help)
    return Figure(metric.id, metric.help, value.value, value.low, value.high)
