"""Predictions one looks for, and one of them with all that is known of it. Read-only.

    Filter --> the keys of the newest rows that fit --> those rows, whole: a page at a time (journal rows are among them)
    id     --> its rows, the copies that shadows answered, its labels and events

A page is bounded by `limit`, and the next one is asked for with the last row's place: no page gets slower with the log's length
than the files that its conditions can't rule out.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from tidegate.errors import InvalidRequest, NotFound
from tidegate.metrics.descriptors.dispatch import describe
from tidegate.metrics.quality.rows import Rules
from tidegate.storage.layout import Layout
from tidegate.storage.log.columns import META
from tidegate.storage.log.feedback import latest_labels
from tidegate.storage.log.recent import Snapshot, snapshot
from tidegate.views.log_filter import Filter, fitting
from tidegate.views.payloads import Media, media

LONGEST = 2000
"""Characters of a value that are shown; what is longer says how long it is."""
MOST = 1000
KEY = ["time", "prediction_id", "row"]
DOWN = [True, False, False]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Found(msgspec.Struct, frozen=True):
    """One prediction in a list: its record, inputs and outputs by column as they are written to JSON, and its label if one has come."""

    id: str
    row: int
    time: float
    version: str
    role: str
    status: int
    error: str
    latency_ms: float | None
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    label: Any = None


class Page(msgspec.Struct, frozen=True):
    """Newest first. `next` is what the next page is asked for with (`after`); empty at the end."""

    rows: list[Found]
    next: str


class Said(msgspec.Struct, frozen=True):
    """One label or event. `value` is a number, a text or a truth."""

    time: float
    type: str
    name: str
    value: Any
    actor: str
    row: int


class StageCall(msgspec.Struct, frozen=True):
    """One call of a pipeline's stage: a prediction of the endpoint `NAME.STAGE`."""

    stage: str
    endpoint: str
    id: str
    version: str
    role: str
    status: int
    rows: int
    latency_ms: float


class Opened(msgspec.Struct, frozen=True):
    """One prediction: its instances, what shadows answered to the same request, what came afterwards, and the rest of its record."""

    id: str
    endpoint: str
    rows: list[Found]
    copies: list[Found]
    """What shadows answered to the same request; of a shadow's, what the caller got."""
    said: list[Said]
    record: dict[str, Any]
    spent: dict[str, float]
    """Milliseconds by part: queue, model, gateway."""
    media: list[Media] = []
    """Pictures and recordings among the instances' values."""
    stages: list[StageCall] = []
    """Of a pipeline: what its stages were asked for this request, in order."""


def find(layout: Layout, endpoint: str, wanted: Filter, *, rules: Rules | None = None, limit: int = 50) -> Page:
    """The newest that fit. `rules` are the project's about labels, for `wrong`.

    Errors: NotFound for an unknown endpoint, InvalidRequest for a condition that can't be read.
    """
    limit = max(1, min(limit, MOST))
    seen = snapshot(layout, endpoint, describe)
    try:
        rows = fitting(seen, wanted, rules)
        if wanted.after:
            rows = rows.filter(_after(wanted.after))
        keys = rows.select(KEY).sort(KEY, descending=DOWN).head(limit).collect(engine="streaming")
    except PolarsError as exc:
        first = str(exc).partition("\n")[0]
        raise InvalidRequest(
            f'where: {first}. It is a condition on the log\'s columns, such as "age > 40 and status = 200"'
        ) from exc
    found = [_found(row, seen) for row in _whole(seen, keys).iter_rows(named=True)]
    if len(found) < limit:
        return Page(found, "")
    last = keys.row(-1, named=True)
    micros = (last["time"] - _EPOCH) // timedelta(microseconds=1)
    return Page(found, f"{micros}.{last['row']}.{last['prediction_id']}")


def _whole(seen: Snapshot, keys: pl.DataFrame) -> pl.DataFrame:
    """All columns of a few rows, with their labels: read from where they lie in time, and from nowhere else."""
    if keys.is_empty():
        return keys
    first, last = keys["time"].min(), keys["time"].max()
    rows = seen.predictions.filter(pl.col("time").is_between(first, last)).join(keys.lazy(), on=KEY, how="semi")
    said = seen.feedback.filter(pl.col("prediction_id").is_in(keys["prediction_id"].unique().implode()))
    labels = latest_labels(said)
    return (
        rows.join(labels, on=["prediction_id", "row"], how="left")
        .sort(KEY, descending=DOWN)
        .collect(engine="streaming")
    )


def open_one(layout: Layout, endpoint: str, id: str) -> Opened:
    """Everything of one prediction. Errors: NotFound."""
    seen = snapshot(layout, endpoint, describe)
    mine = pl.col("prediction_id") == id
    rows = seen.labelled()
    if "mirror_of" not in seen.predictions.collect_schema():  # a log from before there were shadows
        rows = rows.with_columns(mirror_of=pl.lit(None, pl.String))
    frame = rows.filter(mine | (pl.col("mirror_of") == id)).sort("row").collect(engine="streaming")
    own = frame.filter(mine)
    if not own.is_empty() and own["mirror_of"][0] is not None:  # itself a copy: beside what callers got
        original = rows.filter(pl.col("prediction_id") == own["mirror_of"][0]).sort("row").collect(engine="streaming")
        frame = pl.concat([frame, original])
    if own.is_empty():
        raise NotFound(
            f"the log of {endpoint!r} has no prediction {id!r}: it may be past its retention, erased, or of another endpoint"
        )
    told = seen.feedback.filter(mine).sort("time").collect()
    first = own.row(0, named=True)
    record = {name: _plain(first[name]) for name in META if first.get(name) is not None and name not in ("row", "date")}
    return Opened(
        id,
        endpoint,
        [_found(row, seen) for row in own.iter_rows(named=True)],
        [_found(row, seen) for row in frame.filter(~mine).iter_rows(named=True)],
        [_said(row) for row in told.iter_rows(named=True)],
        record,
        _spent(first),
        [one for row in own.iter_rows(named=True) for one in _media(layout, row)],
        _stages(layout, endpoint, id, first["time"]),
    )


def vector(layout: Layout, endpoint: str, id: str, column: str, row: int = 0) -> list[float]:
    """A column of numbers of one instance, whole; empty where it has none."""
    rows = snapshot(layout, endpoint, describe).predictions
    if not isinstance(rows.collect_schema().get(column), pl.List):
        return []
    mine = rows.filter((pl.col("prediction_id") == id) & (pl.col("row") == row)).select(column).head(1)
    found = mine.collect(engine="streaming").to_series()
    return [] if not len(found) or found[0] is None else [float(one) for one in found[0] if one is not None]


def _stages(layout: Layout, endpoint: str, id: str, began: datetime) -> list[StageCall]:
    """The parts of a pipeline's request, from the logs of its stages: they lie within what a request may take, a day."""
    found: list[tuple[datetime, StageCall]] = []
    for name in sorted(path.name for path in (layout.root / "log").glob(f"{endpoint}.*")):
        rows = snapshot(layout, name, describe).predictions
        if "part_of" not in rows.collect_schema():
            continue
        near = pl.col("time").is_between(began, began + timedelta(days=1))
        calls = rows.filter(near & (pl.col("part_of") == id)).group_by("prediction_id").agg(
            pl.col("time", "version", "role", "status", "latency_us").first(), pl.len().alias("rows")
        )  # fmt: skip
        for one in calls.collect(engine="streaming").iter_rows(named=True):
            stage = name.removeprefix(f"{endpoint}.")
            took = one["latency_us"] / 1000
            call = StageCall(
                stage, name, one["prediction_id"], one["version"], one["role"], one["status"], one["rows"], took
            )
            found.append((one["time"], call))
    return [call for _, call in sorted(found, key=lambda pair: (pair[0], pair[1].id))]


def _media(layout: Layout, row: dict[str, Any]) -> list[Media]:
    return media(layout, row["row"], {name: value for name, value in row.items() if name not in META})


def _after(mark: str) -> pl.Expr:
    """What comes after a place: rows of one request share their time."""
    micros, _, rest = mark.partition(".")
    row, _, id = rest.partition(".")
    if not (micros.isdecimal() and len(micros) < 18 and row.isdecimal() and len(row) < 10):
        raise InvalidRequest("after: take the `next` of the page before, as it is")
    moment, mine = pl.lit(_EPOCH + timedelta(microseconds=int(micros))), pl.col("prediction_id")
    same = (mine > id) | ((mine == id) & (pl.col("row") > int(row)))
    return (pl.col("time") <= moment) & ((pl.col("time") < moment) | same)


def _found(row: dict[str, Any], seen: Snapshot) -> Found:
    inputs: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    sides = {column.name: column.side for column in seen.book.columns}
    for name, value in row.items():
        if name in META or value is None:
            continue
        (outputs if sides.get(name) == "output" else inputs)[name] = _plain(value)
    label = row.get("label") if row.get("label") is not None else row.get("label_text")
    latency = row.get("latency_us")
    return Found(
        row["prediction_id"],
        row["row"],
        row["time"].timestamp(),
        row["version"] or "",
        row["role"] or "",
        row["status"],
        row["error"] or "",
        None if latency is None else latency / 1000,
        inputs,
        outputs,
        _plain(label),
    )


def _said(row: dict[str, Any]) -> Said:
    values = (row["value_double"], row["value_text"], row["value_bool"])
    value = next((_plain(each) for each in values if each is not None), None)
    return Said(row["time"].timestamp(), row["type"], row["name"] or "", value, row["actor"] or "", row["row"] or 0)


def _spent(row: dict[str, Any]) -> dict[str, float]:
    known = {name: row[f"{name}_us"] / 1000 for name in ("queue", "infer") if row.get(f"{name}_us") is not None}
    found = {"queue": known["queue"]} if "queue" in known else {}
    if "infer" in known:
        found["model"] = known["infer"]
    if row.get("latency_us") is not None:
        found["gateway"] = max(0.0, row["latency_us"] / 1000 - sum(found.values()))
    return found


def _plain(value: Any) -> Any:
    """As JSON has it: a value that isn't finite is its name, bytes say how many, long texts are cut."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return value if len(value) <= LONGEST else f"{value[:LONGEST]}… ({len(value):,} characters)"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        shown = [_plain(each) for each in value[:100]]
        return shown if len(value) <= 100 else [*shown, f"… {len(value) - 100:,} more"]
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    return value if value is None or isinstance(value, (int, bool)) else str(value)
