"""Feedback records -> rows, each key once; and the latest label of each instance for reading.

A value is typed: numbers and booleans in `value_double` (true is 1), texts in `value_text`, booleans also in
`value_bool`. Unknown prediction ids are kept: the prediction may be late, or of another machine. Time is when it
became true, `received` when we heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from tidegate.types.records import FeedbackRecord

_TIME = pl.Datetime("us", "UTC")

FEEDBACK_SCHEMA: dict[str, Any] = {
    "prediction_id": pl.String, "row": pl.Int32, "time": _TIME, "received": _TIME, "type": pl.String, "name": pl.String,
    "value_double": pl.Float64, "value_text": pl.String, "value_bool": pl.Boolean, "actor": pl.String, "key": pl.String,
    "subject": pl.String,
}  # fmt: skip


def feedback_frame(records: Sequence[FeedbackRecord]) -> pl.DataFrame:
    """One row a record, in order; of records with the same key the first alone."""
    rows: list[tuple[Any, ...]] = []
    seen: set[str] = set()
    for r in records:
        if r.key:
            if r.key in seen:
                continue
            seen.add(r.key)
        value = r.value
        number = float(value) if isinstance(value, (bool, int, float)) else None
        text = value if isinstance(value, str) else None
        if type(value) is int and number is not None and int(number) != value:
            text = str(value)  # beyond a double's 53 bits: exact as text
        truth = value if isinstance(value, bool) else None
        rows.append(
            (
                r.prediction_id,
                r.row,
                r.time // 1000,
                r.received // 1000,
                r.type,
                r.name or None,
                number,
                text,
                truth,
                r.actor or None,
                r.key or None,
                r.subject or None,
            )
        )
    raw = {**FEEDBACK_SCHEMA, "time": pl.Int64, "received": pl.Int64}
    frame = pl.DataFrame(rows, schema=raw, orient="row")
    return frame.with_columns(pl.col("time", "received").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))


def without_known_keys(frame: pl.DataFrame, table: pl.LazyFrame | None) -> pl.DataFrame:
    """Drop the rows whose key the table has already. Reads the table's `key` column, as a stream."""
    keys = frame["key"].drop_nulls()
    if table is None or keys.is_empty():
        return frame
    known = table.select("key").filter(pl.col("key").is_in(keys.implode())).collect(engine="streaming")["key"]
    return frame.filter(pl.col("key").is_null() | ~pl.col("key").is_in(known.implode()))


def latest_labels(feedback: pl.LazyFrame) -> pl.LazyFrame:
    """prediction_id, row, label, label_text, label_time: of each instance the label that was received last."""
    return (
        feedback.filter(pl.col("type") == "label")
        .sort("received", "time", maintain_order=True)
        .group_by("prediction_id", "row")
        .last()
        .select(
            "prediction_id",
            "row",
            pl.col("value_double").alias("label"),
            pl.col("value_text").alias("label_text"),
            pl.col("time").alias("label_time"),
        )
    )
