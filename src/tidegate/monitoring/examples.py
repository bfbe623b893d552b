"""Predictions to look at: the rows of the last while with the most unusual values of what moved, or that went wrong.

findings, alarms --log since `start`, newest ROWS rows--> how unusual each row is --the first of each kind--> prediction ids

A number is unusual as it is far out on the side that it moved to; a category as it is rare in the reference; a missing
value where missing values are the news; a request as it failed, or was slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidegate.profiles.reference import Reference
from tidegate.storage.layout import Layout
from tidegate.types.monitoring import Alarm, Finding

if TYPE_CHECKING:
    import polars as pl

MOST = 6
ROWS = 50_000
COLUMNS = 3


def find(
    layout: Layout,
    endpoint: str,
    findings: Sequence[Finding],
    alarms: Sequence[Alarm],
    reference: Reference | None,
    start: float,
) -> list[str]:
    """At most MOST prediction ids of rows since `start` (unix seconds), the most telling first."""
    import polars as pl

    from tidegate.storage.log.recent import snapshot

    frame = snapshot(layout, endpoint).predictions
    there = frame.collect_schema()
    wanted = [one for one in findings if one.column in there][:COLUMNS]
    names = dict.fromkeys(["prediction_id", "time", "status", "version", "latency_us", *(one.column for one in wanted)])
    since = datetime.fromtimestamp(start, UTC)
    moment: Any = since if getattr(there["time"], "time_zone", None) else since.replace(tzinfo=None)
    rows = frame.select(list(names)).filter(pl.col("time") >= moment).tail(ROWS).collect()
    if not rows.height:
        return []
    kinds: list[list[str]] = []
    if any(alarm.kind == "burn" or alarm.metric.startswith("software.") for alarm in alarms) or not wanted:
        wrong = rows.filter((pl.col("status") >= 500) | (pl.col("status") == 429))
        kinds.append(_ids(wrong.sort("time", descending=True)))
        if any("latency" in alarm.metric for alarm in alarms):
            kinds.append(_ids(rows.sort("latency_us", descending=True, nulls_last=True)))
    kinds += [_ids(_unusual(rows, one, reference)) for one in wanted]
    return _in_turn(kinds)


def _unusual(rows: pl.DataFrame, finding: Finding, reference: Reference | None) -> pl.DataFrame:
    import polars as pl

    of = pl.col(finding.column)
    rows = rows.filter(pl.col("status") == 200)
    if finding.version:
        rows = rows.filter(pl.col("version") == finding.version)
    if "missing" in finding.what:
        return rows.filter(of.is_null()).sort("time", descending=True)
    rows = rows.filter(of.is_not_null())
    usual = reference.columns.get(finding.column) if reference is not None else None
    if rows.schema[finding.column].is_numeric() and (reference is None or not reference.is_categorical(finding.column)):
        if "lower" in finding.what:
            return rows.sort(of)
        middle = usual.quantile(0.5) if usual is not None and "higher" not in finding.what else None
        far = (of - middle).abs() if middle is not None else of
        return rows.sort(far, descending="narrower" not in finding.what)
    shares = reference.shares(finding.column) if reference is not None else {}
    as_text = rows[finding.column].cast(pl.String)
    rarity = [shares.get(value, 0.0) for value in as_text.to_list()]
    counted = as_text.value_counts().rows()
    now = {value: count / rows.height for value, count in counted}
    gain = [now.get(value, 0.0) - usual for value, usual in zip(as_text.to_list(), rarity, strict=True)]
    return rows.with_columns(pl.Series("_gain", gain, pl.Float64)).sort("_gain", descending=True)


def _ids(rows: pl.DataFrame) -> list[str]:
    return list(dict.fromkeys(rows.head(4 * MOST)["prediction_id"].to_list()))


def _in_turn(kinds: Sequence[Sequence[str]]) -> list[str]:
    """One of each kind, then the second of each, and so on; nobody twice."""
    found: dict[str, None] = {}
    for place in range(MOST):
        for ids in kinds:
            if place < len(ids):
                found[ids[place]] = None
    return list(found)[:MOST]
