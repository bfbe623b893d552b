"""One incident as a report: cause, members, what moved, examples as rows, what happened when. Read-only.

views.alarms.incident --+
views.timeline ---------+--> IncidentReport
log (examples by id) ---+
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from tidegate.errors import NotFound
from tidegate.storage.layout import Layout
from tidegate.types.monitoring import Incident
from tidegate.views.alarms import IncidentView
from tidegate.views.alarms import incident as read
from tidegate.views.timeline import Moment, timeline

if TYPE_CHECKING:
    import polars as pl

COLUMNS = 8
"""Columns of an example that are shown: those that moved first."""
LONGEST = 200
EARLIER = 2 * 86400.0
"""Seconds before an incident opened in which its examples were predicted."""


class ExampleRow(msgspec.Struct, frozen=True):
    """A prediction to look at. `values` are texts, one for each of the report's columns; None where it had none."""

    prediction_id: str
    time: float
    version: str
    status: int
    latency: float
    """Seconds."""
    values: list[str | None]


class IncidentReport(msgspec.Struct, frozen=True):
    """All that there is to know. `columns` are those of `examples`, `moved` those of them that the incident is about; `gone` are
    examples that the log has no more."""

    view: IncidentView
    timeline: list[Moment]
    columns: list[str]
    moved: list[str]
    examples: list[ExampleRow]
    gone: list[str]


def report(layout: Layout, id: int) -> IncidentReport:
    """Errors: NotFound."""
    view = read(layout, id)
    columns, moved, examples = _examples(layout, view.incident)
    known = {one.prediction_id for one in examples}
    gone = [one for one in view.incident.examples if one not in known]
    return IncidentReport(view, timeline(layout, view.incident, view.alarms), columns, moved, examples, gone)


def _examples(layout: Layout, incident: Incident) -> tuple[list[str], list[str], list[ExampleRow]]:
    if not incident.examples:
        return [], [], []
    import polars as pl

    from tidegate.storage.log.recent import snapshot

    try:
        found = snapshot(layout, incident.endpoint)
    except NotFound:
        return [], [], []
    schema = found.predictions.collect_schema()
    moved = list(dict.fromkeys(one.column for one in incident.findings if one.column in schema))
    outputs = [column.name for column in found.book.columns if column.side == "output" and column.name in schema]
    inputs = [column.name for column in found.book.columns if column.side == "input" and column.name in schema]
    columns = list(dict.fromkeys([*moved, *outputs, *inputs]))[:COLUMNS]
    first = datetime.fromtimestamp(max(incident.opened - EARLIER, 0.0), UTC).date()
    rows = (
        found.predictions.filter(_since(schema, first) & pl.col("prediction_id").is_in(list(incident.examples)))
        .select("prediction_id", "time", "version", "status", "latency_us", *columns)
        .collect(engine="streaming")
    )
    place = {id: number for number, id in enumerate(incident.examples)}
    made = [_row(row, columns) for row in rows.unique("prediction_id", keep="first").iter_rows(named=True)]
    return columns, [name for name in moved if name in columns], sorted(made, key=lambda one: place[one.prediction_id])


def _since(schema: Any, first: date) -> pl.Expr:
    import polars as pl

    return pl.col("date") >= first if "date" in schema else pl.lit(True)


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
