"""The log, or a part of it, as one file: Parquet, CSV or NDJSON by the suffix. Streams: memory doesn't grow with the
log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from tidegate.errors import InvalidRequest
from tidegate.metrics.descriptors.dispatch import describe
from tidegate.metrics.quality.rows import Rules
from tidegate.storage.layout import Layout
from tidegate.storage.log.recent import snapshot
from tidegate.views.log_filter import Filter, fitting

Progress = Callable[[int, int], None]
"""Called with (rows written, rows in all)."""

FORMATS = (".parquet", ".csv", ".ndjson")


def export(
    layout: Layout,
    endpoint: str,
    path: Path | str,
    wanted: Filter = Filter(),
    *,
    labels: bool = True,
    most: int | None = None,
    rules: Rules | None = None,
    progress: Progress | None = None,
) -> int:
    """Write the rows that fit to `path`, whole or not at all; how many. Of more than `most` the newest are written.

    In CSV a list is JSON text. Errors: NotFound for an unknown endpoint, InvalidRequest for a suffix or a condition that can't
    be read.
    """
    target = Path(path)
    if target.suffix not in FORMATS:
        raise InvalidRequest(f"{target.name}: the suffix says the format; use one of {', '.join(FORMATS)}")
    found = snapshot(layout, endpoint, describe)
    temporary = target.with_name(f".{target.name}.part")
    try:
        rows = fitting(found, wanted, rules)
        total = int(rows.select(pl.len()).collect(engine="streaming").item())
        if most is not None and total > most:
            total, rows = most, _newest(rows, most)
        if labels and not wanted.needs_labels:
            rows = rows.join(found.labels(), on=["prediction_id", "row"], how="left")
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


def _newest(rows: pl.LazyFrame, count: int) -> pl.LazyFrame:
    """So many of them, told by their times alone: whole rows are never all in memory."""
    times = rows.select(pl.col("time").top_k(count)).collect(engine="streaming")["time"]
    cut = times.min()
    as_old = int((times == cut).sum())
    return pl.concat([rows.filter(pl.col("time") > cut), rows.filter(pl.col("time") == cut).head(as_old)])


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
