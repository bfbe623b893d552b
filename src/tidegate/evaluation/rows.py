"""An error a row: of what callers got, of another version's answers to the same requests, of what a quick model would have said.

log --load--> rows of the window --with a label--> Judged: keys, slices' columns, [n, 2] of error and weight
                 copies and own rows of another version --by request--> the same rows, its errors
"""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl

from tidegate.errors import InvalidRequest
from tidegate.evaluation.base import METRICS, Metric
from tidegate.metrics.base import Labelled
from tidegate.metrics.quality.rows import FoundOut, Roles, Rules, labelled
from tidegate.metrics.quality.sums import sums
from tidegate.metrics.quality.window import Window, load
from tidegate.stats.intervals import Floats
from tidegate.storage.layout import Layout
from tidegate.storage.log.recent import Snapshot, snapshot

KEYS = ["prediction_id", "row"]
ERROR, WEIGHT = "_error", "_weight"


class Judged(msgspec.Struct):
    """`rows`: prediction_id, row, the slices' columns, _error, _weight, of rows that have a label. `traffic`: the slices' columns of all
    rows. `window` is what was read."""

    rows: pl.DataFrame
    traffic: pl.DataFrame
    window: Window
    roles: Roles
    metric: Metric


def judge(
    layout: Layout, endpoint: str, rules: Rules | None, start: float, end: float, *, version: str = "",
    by: list[str] | None = None, inputs: bool = False,
) -> Judged:  # fmt: skip
    """What callers got, from this version or from any. Errors: InvalidRequest where no label has come; those of `load`."""
    window = load(
        layout, endpoint, start, end, version=version, rules=rules or FoundOut(), columns=by or [], inputs=inputs
    )
    if window.roles is None or not window.labels:
        said = f" from version {version}" if version else ""
        raise InvalidRequest(
            f"no answer of {endpoint}{said} in that time has a label: send labels (POST /v2/models/{endpoint}/feedback), or look "
            "further back with --window"
        )
    return Judged(
        errors_of(window.rows, window.roles), window.rows.select(*KEYS, *(by or [])), window, window.roles,
        METRICS[window.roles.task],
    )  # fmt: skip


def errors_of(rows: pl.DataFrame, roles: Roles) -> pl.DataFrame:
    """Rows that have label and answer, with the error and the weight of each."""
    have = rows.filter(pl.col("label").is_not_null() | pl.col("label_text").is_not_null())
    if roles.task != "text":
        have = have.drop_nulls([name for name in roles.columns if name in have.columns and name not in roles.items])
    if roles.task == "regression":
        have = have.filter(pl.col("label").is_not_null())
        if have["label"].dtype.is_float():
            have = have.filter(pl.col("label").is_finite())
    found = errors(labelled(have, roles))
    return have.with_columns(pl.Series(ERROR, found[:, 0]), pl.Series(WEIGHT, found[:, 1]))


def errors(have: Labelled) -> Floats:
    """[n, 2]: error and weight. Where a row can only be right or wrong, its error is 1 or 0."""
    found = sums(have)
    if METRICS[have.task].flipped:
        found = np.column_stack([found[:, 1] - found[:, 0], found[:, 1]])
    return found


def of_version(
    layout: Layout, judged: Judged, endpoint: str, version: str, truth: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The same requests under another version: copies that it was given (shadow, replay), and what it answered itself.

    `truth`: prediction_id, row, label, label_text of the requests, by default those of `judged`. Each request once.
    """
    found = snapshot(layout, endpoint)
    keys = judged.rows.select(KEYS) if truth is None else truth.select(KEYS)
    labels = judged.window.rows.select(*KEYS, "label", "label_text") if truth is None else truth
    answers = _answers(found, version, judged.roles, keys)
    return errors_of(answers.join(labels, KEYS), judged.roles)


def missing(layout: Layout, endpoint: str, rules: Rules | None, *, start: float, end: float, version: str) -> set[str]:
    """Labelled requests that a version hasn't answered, neither callers nor copies. Errors: those of `judge`."""
    judged = judge(layout, endpoint, rules, start, end)
    answers = _answers(snapshot(layout, endpoint), version, judged.roles, judged.rows.select(KEYS))
    return set(judged.rows["prediction_id"]) - set(answers["prediction_id"])


def own(layout: Layout, endpoint: str, version: str, rules: Rules | None, start: float, end: float) -> pl.DataFrame:
    """What a version answered callers, with errors; its rows need not be those of any other. Empty where no label has come."""
    window = load(layout, endpoint, start, end, version=version, rules=rules or FoundOut())
    if window.roles is None or not window.labels:
        return window.rows.clear().with_columns(pl.lit(0.0).alias(ERROR), pl.lit(0.0).alias(WEIGHT))
    return errors_of(window.rows, window.roles)


def _answers(found: Snapshot, version: str, roles: Roles, keys: pl.DataFrame) -> pl.DataFrame:
    there = set(found.predictions.collect_schema().names())
    wanted = [name for name in roles.columns if name in there]
    request = pl.coalesce("mirror_of", "prediction_id").alias("prediction_id")
    rows = (
        found.predictions.filter(pl.col("version") == version, pl.col("status") == 200)
        .select(request, "row", "time", pl.col("mirror_of").is_not_null().alias("_copy"), *wanted)
        .join(keys.lazy(), KEYS, "semi")
        .sort("_copy", "time")  # its own answer to the caller before a copy's, the first of several copies
        .collect()
    )
    return rows.unique(KEYS, keep="first", maintain_order=True)
