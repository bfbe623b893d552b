"""Right or wrong, in the order in which labels arrived: what a detector of rising errors is fed with.

    feedback received after `since` --the predictions it is about--> (received, prediction id, version, wrong)

Of classes: the answer is not the label. Of numbers: the error is larger than nine of ten were in the first labels of the version,
by half (a tenth of rows is wrong then, by definition). Of texts: any word differs; of rankings: the first item is not relevant.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import polars as pl

from tidegate.metrics.quality.relevance import grades
from tidegate.metrics.quality.rows import PROBE, FoundOut, Rules, find_roles, labelled
from tidegate.storage.layout import Layout
from tidegate.storage.log.recent import snapshot

FREEZE = 200
"""Labels of a version that the limit of a number's error is taken from."""
TOLERANCE = 1.5
INSTANCE = ["prediction_id", "row"]


class Outcome(msgspec.Struct, frozen=True):
    """One label that came. `received` is unix seconds; `row` the instance within the request."""

    received: float
    prediction_id: str
    version: str
    wrong: bool
    row: int = 0
    truth: str = ""


def errors_since(
    layout: Layout, endpoint: str, since_received: float = 0.0, *, rules: Rules | None = None, version: str = ""
) -> list[Outcome]:
    """Labels received after that moment (unix seconds), oldest first; of an instance labelled twice the first counts.

    Errors: NotFound for an unknown endpoint.
    """
    found = snapshot(layout, endpoint)
    since = datetime.fromtimestamp(since_received, UTC)
    every = (
        found.feedback.filter(pl.col("type") == "label")
        .sort("received", "time", maintain_order=True)
        .select(
            "prediction_id",
            "row",
            "received",
            pl.col("value_double").alias("label"),
            pl.col("value_text").alias("label_text"),
        )
    )
    there = set(found.predictions.collect_schema().names())
    outputs = [column for column in found.book.columns if column.side == "output" and column.name in there]
    mine = (pl.col("status") == 200) & pl.col("mirror_of").is_null()
    if version:
        mine &= pl.col("version") == version
    kept = ["prediction_id", "row", "version", *(column.name for column in outputs)]
    predictions = found.predictions.filter(mine).select(kept)

    def about(labels: pl.LazyFrame) -> pl.LazyFrame:
        first = labels.unique(INSTANCE, keep="first", maintain_order=True)
        return first.join(predictions, on=INSTANCE, how="inner").sort("received", "prediction_id", "row")

    fresh = every.filter(pl.col("received") > since)
    known = every.filter(pl.col("received") <= since).join(fresh, on=INSTANCE, how="semi").select(INSTANCE)
    rows = about(fresh.join(known, on=INSTANCE, how="anti")).collect()
    if not rows.height:
        return []
    # what the answers are is seen of the first labels too: those that are new may be of one class, or a handful
    probe = pl.concat([about(every.head(PROBE)).collect(), rows]) if since_received else rows
    roles = find_roles(outputs, probe, rules or FoundOut())
    if roles is None:
        return []
    usable = [name for name in roles.columns if name in rows.columns and name not in roles.items]
    if roles.task not in ("text", "ranking"):
        rows = rows.drop_nulls(usable)
    if roles.task == "regression":
        rows = rows.filter(pl.col("label").is_not_null() & pl.col("label").is_finite())
    have = labelled(rows, roles)
    wrong = np.zeros(len(have), bool)
    if roles.task == "regression":
        off = np.abs(have.truth - have.answer)
        versions = rows["version"].to_numpy()
        for name, limit in _limits(about(every), roles.answer).items():
            wrong |= (versions == name) & (off > limit)
    elif roles.task == "ranking":
        assert have.items is not None
        wrong[:] = [not items or items[0] not in grades(t) for items, t in zip(have.items, have.truth, strict=True)]
    else:
        wrong[:] = have.truth != have.answer
    columns: list[list[Any]] = [rows[name].to_list() for name in ("received", "prediction_id", "version", "row")]
    return [
        Outcome(when.timestamp(), id, arm, bool(bad), int(row), str(truth))
        for when, id, arm, row, bad, truth in zip(*columns, wrong, have.truth.tolist(), strict=True)
    ]


def _limits(rows: pl.LazyFrame, answer: str) -> dict[str, float]:
    """How large an error of numbers is usual, by version: of those with FREEZE labels."""
    off = (pl.col("label") - pl.col(answer).cast(pl.Float64)).abs()
    first = (
        rows.filter(off.is_finite())
        .group_by("version", maintain_order=True)
        .agg(off.head(FREEZE).alias("off"))
        .filter(pl.col("off").list.len() >= FREEZE)
        .collect()
    )
    return {name: float(np.quantile(errors, 0.9)) * TOLERANCE for name, errors in first.iter_rows()}
