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
from tidegate.metrics.quality.rows import FoundOut, Rules, find_roles, labelled
from tidegate.storage.layout import Layout
from tidegate.storage.log.recent import snapshot

FREEZE = 200
"""Labels of a version that the limit of a number's error is taken from."""
TOLERANCE = 1.5


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
    labels = (
        found.feedback.filter(pl.col("type") == "label")
        .sort("received", "time", maintain_order=True)
        .unique(["prediction_id", "row"], keep="first", maintain_order=True)
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
    # numbers need the first labels of all, for their limit; of the rest only what is new is read
    whole = all(column.type in ("double", "float") for column in outputs)
    wanted = labels if whole else labels.filter(pl.col("received") > since)
    rows = (
        wanted.join(found.predictions.filter(mine).select(kept), on=["prediction_id", "row"], how="inner")
        .sort("received", "prediction_id", "row")
        .collect()
    )
    roles = find_roles(outputs, rows, rules or FoundOut())
    if roles is None or not rows.height:
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
        for name in np.unique(versions):
            places = np.flatnonzero(versions == name)
            if len(places) >= FREEZE:
                limit = np.quantile(off[places[:FREEZE]], 0.9) * TOLERANCE
                wrong[places] = off[places] > limit
    elif roles.task == "ranking":
        assert have.items is not None
        wrong[:] = [not items or items[0] not in grades(t) for items, t in zip(have.items, have.truth, strict=True)]
    else:
        wrong[:] = have.truth != have.answer
    keep = (rows["received"] > since).to_numpy()
    columns: list[list[Any]] = [rows[name].to_list() for name in ("received", "prediction_id", "version", "row")]
    return [
        Outcome(when.timestamp(), id, arm, bool(bad), int(row), str(truth))
        for when, id, arm, row, bad, truth, new in zip(*columns, wrong, have.truth.tolist(), keep, strict=True)
        if new
    ]
