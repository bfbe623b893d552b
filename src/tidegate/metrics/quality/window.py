"""A window of an endpoint's log with what became known of it, and every metric of quality and behaviour over it.

    log + journal --load--> Window (answered rows, their labels with the time they came, events, which columns hold the answer)
                              --values--> {"quality.auc": Value, "behaviour.redo": Value, ...}

Rows are placed by the time of prediction. Copies for a shadow version aren't counted: nobody was given their answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
import polars as pl

from tidegate.errors import ConfigError
from tidegate.metrics import registry
from tidegate.metrics.base import Events, QualityMetric
from tidegate.metrics.quality.rows import FoundOut, Roles, Rules, find_roles, labelled
from tidegate.plugins import load_object, nearest
from tidegate.storage.layout import Layout
from tidegate.storage.log.columns import Column
from tidegate.storage.log.recent import Snapshot, snapshot
from tidegate.types.monitoring import Value

FIRST_REACH = 3600.0


class Window(msgspec.Struct):
    """`rows`: prediction_id, row, time, version, role, label, label_text, label_received, answers and the columns asked for; in the
    order of time. `events`: prediction_id, name, value, received. `roles` is None where no column holds an answer."""

    rows: pl.DataFrame
    events: pl.DataFrame
    roles: Roles | None
    outputs: list[Column]
    inputs: list[str]

    @property
    def labels(self) -> int:
        """Rows whose label has come."""
        return self.rows.select(_known().sum()).item() if self.rows.height else 0


def load(
    layout: Layout,
    endpoint: str,
    start: float,
    end: float,
    *,
    version: str = "",
    rules: Rules | None = None,
    columns: Iterable[str] = (),
    inputs: bool = False,
    with_labels: bool = False,
    of: Snapshot | None = None,
) -> Window:
    """Predictions made in [start, end) (unix seconds). `columns` are inputs to bring along (all of them with `inputs`). With
    `with_labels` only the rows whose label has come are read; `of` is a snapshot that was taken already.

    Errors: NotFound for an unknown endpoint, ConfigError for an unknown column, naming those that are known.
    """
    found = of or snapshot(layout, endpoint)
    there = set(found.predictions.collect_schema().names())
    outputs = [column for column in found.book.columns if column.side == "output" and column.name in there]
    features = [column.name for column in found.book.columns if column.side == "input" and column.name in there]
    asked = list(columns)
    for name in asked:
        if name not in there:
            known = ", ".join([*features, *(column.name for column in outputs)])
            raise ConfigError(f"the log of {endpoint!r} has no column {name!r}.{nearest(name, there)} Known: {known}")
    first, last = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
    mine = (
        pl.col("date").is_between(first.date(), last.date())
        & (pl.col("time") >= first)
        & (pl.col("time") < last)
        & (pl.col("status") == 200)
        & pl.col("mirror_of").is_null()
    )
    if version:
        mine &= pl.col("version") == version
    kept = ["prediction_id", "row", "time", "version", "role", *(column.name for column in outputs)]
    kept = list(dict.fromkeys([*kept, *asked, *(features if inputs else [])]))
    rows = (
        found.predictions.filter(mine)
        .select(kept)
        .join(_labels(found.feedback), on=["prediction_id", "row"], how="inner" if with_labels else "left")
        .sort("time", "prediction_id", "row")
        .collect()
    )
    events = (
        found.feedback.filter(pl.col("type") == "event")
        .join(rows.lazy().select("prediction_id").unique(), on="prediction_id", how="semi")
        .select("prediction_id", "name", pl.col("value_double").alias("value"), "received")
        .collect()
    )
    return Window(rows, events, find_roles(outputs, rows, rules or FoundOut()), outputs, features)


def newest_labelled(
    layout: Layout,
    endpoint: str,
    start: float,
    end: float,
    most: int,
    *,
    version: str = "",
    rules: Rules | None = None,
    inputs: bool = False,
) -> Window:
    """The newest `most` rows of [start, end) that have a label. It reaches back step by step, so that a log of any length takes no
    more memory than these rows (and some times as many). Errors: as `load`."""
    of = snapshot(layout, endpoint)
    reach = FIRST_REACH
    while True:
        found = load(
            layout, endpoint, max(start, end - reach), end, version=version, rules=rules, inputs=inputs, with_labels=True,
            of=of,
        )  # fmt: skip
        if found.rows.height >= most or end - reach <= start:
            return of_rows(found, found.rows.tail(most))
        reach *= 4.0


def values(
    layout: Layout,
    endpoint: str,
    start: float,
    end: float,
    version: str = "",
    *,
    rules: Rules | None = None,
    segment: str = "",
    custom: Sequence[str] = (),
) -> dict[str, Value]:
    """Every metric of quality and behaviour that has a meaning for the predictions made in [start, end), by id.

    `segment` is COLUMN=VALUE. Of young predictions few have labels, and not just any: let the window end a maturation time ago.
    """
    column, _, value = segment.partition("=")
    window = load(layout, endpoint, start, end, version=version, rules=rules, columns=[column] if column else ())
    if column:
        window = part(window, pl.col(column).cast(pl.String) == value)
    return {**quality(window.rows, window.roles, custom), **behaviour(window)}


def part(window: Window, where: pl.Expr) -> Window:
    """Those of its rows for which this holds, with their events."""
    return of_rows(window, window.rows.filter(where))


def of_rows(window: Window, rows: pl.DataFrame) -> Window:
    """The window of these of its rows alone, with their events."""
    events = window.events.join(rows.select("prediction_id").unique(), on="prediction_id", how="semi")
    return msgspec.structs.replace(window, rows=rows, events=events)


def quality(rows: pl.DataFrame, roles: Roles | None, custom: Sequence[str] = ()) -> dict[str, Value]:
    """Metrics of labelled rows by id; those of `custom` (module:object) too."""
    if roles is None:
        return {}
    have = labelled(rows, roles)
    found: dict[str, Value] = {}
    if not len(have):
        return found
    for id, metric in metrics_of(have.task, custom).items():
        value = metric.of(have)
        if value is not None:
            found[id] = value
    return found


def metrics_of(task: str, custom: Sequence[str] = ()) -> dict[str, QualityMetric]:
    """Those that have a meaning for a task, the most telling first. Errors: ConfigError for what is no metric."""
    found = dict(registry.quality_metrics())
    for target in custom:
        metric = registry.made(load_object(target))
        if not all(hasattr(metric, name) for name in ("id", "of", "tasks", "higher_is_better")):
            raise ConfigError(f"{target!r} is no metric: it needs id, help, higher_is_better, tasks and of(rows)")
        found[metric.id] = metric
    return {id: metric for id, metric in found.items() if task in metric.tasks}


def events_of(predictions: int, heard: pl.DataFrame) -> Events:
    """What people did after so many predictions. `heard` has prediction_id, name and value, a row an event."""
    named = heard.drop_nulls("name")
    sets = named.group_by("prediction_id").agg(pl.col("name").unique())["name"].to_list()
    numbers = {
        str(name): part["value"].to_numpy().astype(np.float64)
        for (name,), part in named.drop_nulls("value").partition_by("name", as_dict=True).items()
    }
    return Events(predictions, [frozenset(names) for names in sets], numbers)


def behaviour(window: Window, sent: Collection[str] = ()) -> dict[str, Value]:
    """Metrics of events by id. An event that nobody ever sends is not measured: its rate of 0 would say that all is well. `sent`
    names events that are known to be sent, though not of these predictions."""
    events = events_of(window.rows["prediction_id"].n_unique(), window.events)
    seen = {*sent, *(name for names in events.names for name in names)}
    if not seen:
        return {}
    found = {id: metric.of(events) for id, metric in registry.event_metrics().items()}
    return {
        id: value
        for id, value in found.items()
        if value is not None and (id.rpartition(".")[2] in seen or value.value > 0)
    }


def _known() -> pl.Expr:
    return pl.col("label").is_not_null() | pl.col("label_text").is_not_null()


def _labels(feedback: pl.LazyFrame) -> pl.LazyFrame:
    """The latest label of each instance, and when its first one came."""
    return (
        feedback.filter(pl.col("type") == "label")
        .sort("received", "time", maintain_order=True)
        .group_by("prediction_id", "row")
        .agg(
            pl.col("value_double").last().alias("label"),
            pl.col("value_text").last().alias("label_text"),
            pl.col("received").first().alias("label_received"),
        )
    )
