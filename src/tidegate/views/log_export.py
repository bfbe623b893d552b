"""The log, or a part of it, as one file: Parquet, CSV or NDJSON by the suffix. Streams: memory doesn't grow with the
log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from tidegate.errors import InvalidRequest
from tidegate.metrics.descriptors.dispatch import describe
from tidegate.storage.layout import Layout
from tidegate.storage.log.recent import snapshot

Progress = Callable[[int, int], None]
"""Called with (rows written, rows in all)."""

FORMATS = (".parquet", ".csv", ".ndjson")


def export(
    layout: Layout,
    endpoint: str,
    path: Path | str,
    *,
    where: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    version: str = "",
    labels: bool = True,
    progress: Progress | None = None,
) -> int:
    """Write the rows that fit to `path`, whole or not at all; how many.

    `where` is a SQL condition on the log's columns; `since` (included) and `until` (not) are times, UTC where they
    name no zone. In CSV a list is JSON text. Errors: NotFound for an unknown endpoint, InvalidRequest for a suffix or
    a condition that can't be read.
    """
    target = Path(path)
    if target.suffix not in FORMATS:
        raise InvalidRequest(f"{target.name}: the suffix says the format; use one of {', '.join(FORMATS)}")
    found = snapshot(layout, endpoint, describe)
    rows = found.labelled() if labels else found.predictions
    if since is not None:
        rows = rows.filter(pl.col("time") >= _utc(since))
    if until is not None:
        rows = rows.filter(pl.col("time") < _utc(until))
    if version:
        rows = rows.filter(pl.col("version") == version)
    temporary = target.with_name(f".{target.name}.part")
    try:
        if where:
            rows = rows.filter(pl.sql_expr(where))
        total = int(rows.select(pl.len()).collect(engine="streaming").item())
        rows = _counted(rows, total, progress)
        if target.suffix == ".parquet":
            rows.sink_parquet(temporary, compression="zstd")
        elif target.suffix == ".csv":
            _flat(rows).sink_csv(temporary)
        else:
            rows.sink_ndjson(temporary)
        temporary.replace(target)
    except PolarsError as exc:
        raise InvalidRequest(f"the export can't be made: {exc}") from exc
    finally:
        temporary.unlink(missing_ok=True)
    if progress is not None:
        progress(total, total)
    return total


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _counted(rows: pl.LazyFrame, total: int, progress: Progress | None) -> pl.LazyFrame:
    if progress is None:
        return rows
    done = 0

    def count(batch: pl.DataFrame) -> pl.DataFrame:
        nonlocal done
        done += batch.height
        progress(done, total)
        return batch

    return rows.map_batches(count, schema=rows.collect_schema(), streamable=True)


def _flat(rows: pl.LazyFrame) -> pl.LazyFrame:
    """CSV has no lists: they become JSON text."""
    lists = {name: kind for name, kind in rows.collect_schema().items() if isinstance(kind, pl.List)}
    return rows.with_columns(
        pl.format("[{}]", pl.col(name).list.eval(_json(kind)).list.join(",")).alias(name)
        for name, kind in lists.items()
    )


def _json(kind: pl.List) -> pl.Expr:
    """An element as JSON text."""
    element = pl.element()
    if kind.inner == pl.String:
        escaped = element.str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
        return pl.format('"{}"', escaped).fill_null("null")
    return element.cast(pl.String).fill_null("null")
