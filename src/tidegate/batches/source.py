"""The rows of a run, the same however often it is begun again.

files: names, sizes and times noted, and checked again     Delta: one version     SQL: all rows kept in the run's folder first
    --above the cursor--> a lazy frame in an order that doesn't change
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from tidegate.batches.options import SourceOptions
from tidegate.errors import InvalidRequest
from tidegate.storage.layout import write_atomic

SQL_ROWS = 50_000
"""Rows of a query in memory at once."""

Types = Mapping[str, Any]


class Pinned(msgspec.Struct):
    """What a run reads. `files`: path, size, time of change in ns; `version` of a Delta table. `above`: rows whose cursor is higher;
    `cursor`: the highest of them (both JSON, empty where there is none)."""

    kind: str
    files: list[tuple[str, int, int]] = []
    version: int = 0
    above: str = ""
    cursor: str = ""
    rows: int = 0


def pin(options: SourceOptions, column: str, above: Any, folder: Path, types: Types) -> Pinned:
    """Fix what a run reads. `column`: its cursor, empty for none; `above`: the highest of earlier runs; `types`: of CSV columns.

    Errors: InvalidRequest for a source that isn't there or has no such column.
    """
    found = Pinned(options.kind, above="" if above is None else json.dumps(above))
    if options.sql is not None:
        found.files = [_stamp(path) for path in _kept(options, column, above, folder)]
    elif options.kind == "delta":
        found.version = _delta(options.path).version()
    else:
        path = Path(options.path)
        paths = (
            [path]
            if path.is_file()
            else [each for each in Path(path.anchor).glob(str(path.relative_to(path.anchor))) if each.is_file()]
        )
        if not paths:
            raise InvalidRequest(f"source.{options.kind}: there is no file {options.path}")
        found.files = [_stamp(each) for each in sorted(paths)]
    rows = read(options, column, found, types)
    if column:
        figures = rows.select(pl.len().alias("rows"), pl.col(column).max().alias("highest")).collect().row(0)
        found.rows = int(figures[0])
        found.cursor = found.above if figures[1] is None else json.dumps(_plain(figures[1], column))
    else:
        found.rows = int(rows.select(pl.len()).collect().item())
    return found


def read(options: SourceOptions, column: str, pinned: Pinned, types: Types) -> pl.LazyFrame:
    """The rows. Errors: InvalidRequest where a file is not what it was."""
    for path, size, changed in pinned.files:
        if not Path(path).is_file() or _stamp(Path(path)) != (path, size, changed):
            raise InvalidRequest(
                f"source.{pinned.kind}: {path} was changed while it was read; write a new file under another name and move it there"
            )
    paths = [path for path, *_ in pinned.files]
    if pinned.kind == "delta":
        rows = pl.scan_delta(options.path, version=pinned.version)
    elif not paths:
        return pl.LazyFrame()
    elif pinned.kind == "csv":
        header = pl.scan_csv(paths[0], infer_schema=False).collect_schema().names()
        known = {name: types[name] for name in header if name in types}
        rows = pl.scan_csv(paths, schema_overrides=known, infer_schema_length=10_000)
    else:
        rows = pl.scan_parquet(paths)
    if column and pinned.kind != "sql":
        if column not in rows.collect_schema().names():
            raise InvalidRequest(
                f"cursor: the source has no column {column!r}; it has {', '.join(rows.collect_schema().names())}"
            )
        if pinned.above:
            rows = rows.filter(pl.col(column) > _typed(pinned.above, rows.collect_schema()[column]))
    return rows


def _stamp(path: Path) -> tuple[str, int, int]:
    info = path.stat()
    return str(path), info.st_size, info.st_mtime_ns


def _delta(path: str) -> Any:
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    try:
        return DeltaTable(path)
    except TableNotFoundError as exc:
        raise InvalidRequest(f"source.delta: there is no Delta table at {path}") from exc


def _kept(options: SourceOptions, column: str, above: Any, folder: Path) -> list[Path]:
    """A query's rows as files of the run: a database gives no second reading of the same moment."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    assert options.sql is not None
    query = options.sql.query.strip().rstrip(";")
    if column:
        where = f" WHERE {column} > :above" if above is not None else ""
        query = f"SELECT * FROM ({query}) AS rows_of_the_batch{where} ORDER BY {column}"
    paths: list[Path] = []
    try:
        engine = create_engine(options.sql.address())
        with engine.connect().execution_options(stream_results=True) as connection:
            bound = {"above": above} if column and above is not None else {}
            frames = pl.read_database(
                text(query), connection, iter_batches=True, batch_size=SQL_ROWS, execute_options={"parameters": bound}
            )
            schema: pl.Schema | None = None
            for number, frame in enumerate(frames):
                if not frame.height:
                    continue
                schema = schema or pl.Schema(
                    {name: pl.String if kind == pl.Null else kind for name, kind in frame.schema.items()}
                )
                paths.append(folder / f"source-{number:06d}.parquet")
                frame.cast(schema).write_parquet(paths[-1])
        engine.dispose()
    except ValueError as exc:
        raise InvalidRequest(f"source.{exc}") from exc
    except (SQLAlchemyError, ModuleNotFoundError, pl.exceptions.PolarsError) as exc:
        raise InvalidRequest(f"source.sql: {getattr(exc, 'orig', None) or exc}") from exc
    return paths


def _plain(value: Any, column: str) -> Any:
    if isinstance(value, (int, float, str)):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise InvalidRequest(f"cursor: {column} must hold numbers, texts or times; it holds {type(value).__name__}")


def _typed(text: str, kind: Any) -> pl.Expr:
    value = json.loads(text)
    if kind.is_temporal() and isinstance(value, str):
        return (
            pl.lit(value).str.to_datetime(time_zone=getattr(kind, "time_zone", None)).cast(kind)
            if kind != pl.Date
            else pl.lit(value).str.to_date()
        )
    return pl.lit(value)


def load(path: Path) -> Pinned | None:
    """What was fixed before, if it was."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Pinned)
    except FileNotFoundError:
        return None


def save(path: Path, pinned: Pinned) -> None:
    """Before the first row is sent."""
    write_atomic(path, msgspec.json.encode(pinned))
