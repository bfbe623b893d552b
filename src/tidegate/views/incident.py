"""One incident as a report: cause, members, what moved, examples as rows, what happened when. Read-only.

views.alarms.incident --+
views.timeline ---------+--> IncidentReport
log (examples by id) ---+
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from tidegate.errors import NotFound
from tidegate.storage.layout import Layout
from tidegate.types.monitoring import Alarm, Incident
from tidegate.views.alarms import IncidentView
from tidegate.views.alarms import incident as read
from tidegate.views.timeline import Moment, timeline

if TYPE_CHECKING:
    import polars as pl

COLUMNS = 8
"""Columns of an example that are shown: those that moved first."""
LONGEST = 200
EARLIER, LATER = 86400.0, 86400.0
"""Seconds before an incident opened and after its last alarm in which its examples were predicted."""


class ExampleRow(msgspec.Struct, frozen=True):
    """A prediction to look at. `values` are texts, one for each of the report's columns; None where it had none."""

    prediction_id: str
    time: float
    version: str
    status: int
    latency: float
    """Seconds."""
    values: list[str | None]


class Examples(msgspec.Struct, frozen=True):
    """An incident's examples as rows. `columns` are those shown, `moved` those of them that the incident is about; `gone` are
    examples that the log has no more."""

    columns: list[str] = []
    moved: list[str] = []
    rows: list[ExampleRow] = []
    gone: list[str] = []


class IncidentReport(msgspec.Struct, frozen=True):
    """All that there is to know; `examples` cost a look into the log and are asked for apart."""

    view: IncidentView
    timeline: list[Moment]
    examples: Examples | None = None


def report(layout: Layout, id: int, *, rows: bool = True) -> IncidentReport:
    """One incident; without its examples' rows where `rows` is False. Errors: NotFound."""
    view = read(layout, id)
    found = examples(layout, view.incident, view.alarms) if rows else None
    return IncidentReport(view, timeline(layout, view.incident, view.alarms), found)


def examples(layout: Layout, incident: Incident, alarms: Sequence[Alarm] = ()) -> Examples:
    """Its examples, in their order, from the stretch of the log in which they were found."""
    if not incident.examples:
        return Examples()
    import polars as pl

    from tidegate.storage.log.recent import snapshot

    try:
        found = snapshot(layout, incident.endpoint)
    except NotFound:
        return Examples(gone=list(incident.examples))
    schema = found.predictions.collect_schema()
    moved = list(dict.fromkeys(one.column for one in incident.findings if one.column in schema))
    outputs = [column.name for column in found.book.columns if column.side == "output" and column.name in schema]
    inputs = [column.name for column in found.book.columns if column.side == "input" and column.name in schema]
    columns = list(dict.fromkeys([*moved, *outputs, *inputs]))[:COLUMNS]
    last = max([incident.opened, *(alarm.fired for alarm in alarms)]) + LATER
    frame = (
        found.predictions.filter(_within(incident.opened - EARLIER, last))
        .filter(pl.col("prediction_id").is_in(list(incident.examples)))
        .select("prediction_id", "time", "version", "status", "latency_us", *columns)
        .collect(engine="streaming")
    )
    place = {id: number for number, id in enumerate(incident.examples)}
    rows = [_row(row, columns) for row in frame.unique("prediction_id", keep="first").iter_rows(named=True)]
    rows.sort(key=lambda one: place[one.prediction_id])
    known = {one.prediction_id for one in rows}
    return Examples(
        columns,
        [name for name in moved if name in columns],
        rows,
        [one for one in incident.examples if one not in known],
    )


def _within(start: float, end: float) -> pl.Expr:
    """By day first: the log is kept by days."""
    import polars as pl

    first, last = (datetime.fromtimestamp(max(at, 0.0), UTC) for at in (start, end))
    return pl.col("date").is_between(first.date(), last.date()) & pl.col("time").is_between(first, last)


def _row(row: dict[str, Any], columns: Sequence[str]) -> ExampleRow:
    moment = row["time"] if row["time"].tzinfo is not None else row["time"].replace(tzinfo=UTC)
    return ExampleRow(
        row["prediction_id"], moment.timestamp(), str(row["version"] or ""), int(row["status"] or 0),
        float(row["latency_us"] or 0) / 1e6, [_text(row[name]) for name in columns],
    )  # fmt: skip


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
