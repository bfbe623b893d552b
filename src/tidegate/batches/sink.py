"""Where a run's answers go, each part once however often it is begun again.

file   parts stay in the run's folder; whole and at once at the end
Delta  each part is a commit that carries the run and the part's number (the table's own transaction)
SQL    each part is a transaction with a row in `tidegate_batches`
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import polars as pl

from tidegate.batches.options import TargetOptions
from tidegate.errors import InvalidRequest

PARTS = 10**7
"""More parts than any run has."""
NOTES = "tidegate_batches"


class Sink(Protocol):
    """Where answers go. `where` names it."""

    where: str

    def put(self, number: int, part: Path) -> None:
        """Take a part, unless it was taken before. Errors: InvalidRequest."""

    def end(self, parts: list[Path]) -> None:
        """All parts are there."""


def open_sink(options: TargetOptions, name: str, run: int, due: float, zone: str) -> Sink:
    """Errors: InvalidRequest."""
    if options.sql is not None:
        try:
            return SqlSink(options.sql.address(), options.sql.table, name, run)
        except ValueError as exc:
            raise InvalidRequest(f"target.{exc}") from exc
    if options.kind == "delta":
        return DeltaSink(options.path, name, run)
    when = datetime.fromtimestamp(due, ZoneInfo(zone))
    path = Path(options.path.format(date=f"{when:%Y-%m-%d}", time=f"{when:%H%M%S}", run=run))
    return FileSink(path, options.kind)


class FileSink:
    """One Parquet or CSV file."""

    def __init__(self, path: Path, kind: str) -> None:
        self._path, self._kind = path, kind
        self.where = str(path)

    def put(self, number: int, part: Path) -> None:
        """Nothing: it is in the run's folder."""

    def end(self, parts: list[Path]) -> None:
        """Put all together beside the target, and move it there. Errors: OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        frame = pl.scan_parquet(parts)
        if self._kind == "csv":
            frame.sink_csv(temporary)
        else:
            frame.sink_parquet(temporary)
        temporary.replace(self._path)


class DeltaSink:
    """A Delta table that is appended to."""

    def __init__(self, path: str, name: str, run: int) -> None:
        self.where = path
        self._app, self._first = f"tidegate-batch-{name}", run * PARTS

    def put(self, number: int, part: Path) -> None:
        """Commit it."""
        from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
        from deltalake.exceptions import DeltaError

        version = self._first + number
        if (
            DeltaTable.is_deltatable(self.where)
            and (DeltaTable(self.where).transaction_version(self._app) or -1) >= version
        ):
            return
        noted = CommitProperties(app_transactions=[Transaction(self._app, version)])
        try:
            write_deltalake(
                self.where, pl.read_parquet(part), mode="append", schema_mode="merge", commit_properties=noted
            )
        except DeltaError as exc:
            raise InvalidRequest(f"target.delta: {exc}") from exc

    def end(self, parts: list[Path]) -> None:
        """Nothing: each part is there."""


class SqlSink:
    """A table of a database."""

    def __init__(self, url: str, table: str, name: str, run: int) -> None:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self._engine = create_engine(url)
        except (SQLAlchemyError, ModuleNotFoundError) as exc:
            raise InvalidRequest(f"target.sql.url: {exc}") from exc
        self._table, self._name, self._run = table, name, run
        self.where = f"{self._engine.url.render_as_string(hide_password=True)} {table}"

    def put(self, number: int, part: Path) -> None:
        """Insert it, in one transaction with the note that it was."""
        from sqlalchemy import Column, Integer, MetaData, String, Table, insert, inspect, select
        from sqlalchemy.exc import SQLAlchemyError

        frame = pl.read_parquet(part)
        try:
            metadata = MetaData()
            notes = Table(
                NOTES, metadata,
                Column("batch", String(100), primary_key=True),
                Column("run", Integer, primary_key=True),
                Column("part", Integer, primary_key=True),
            )  # fmt: skip
            there = inspect(self._engine).has_table(self._table)
            table = (
                Table(self._table, metadata, autoload_with=self._engine)
                if there
                else Table(self._table, metadata, *[Column(name, _type(kind)) for name, kind in frame.schema.items()])
            )
            metadata.create_all(self._engine)
            missing = [name for name in frame.columns if name not in table.columns]
            if missing:
                raise InvalidRequest(f"target.sql.table: {self._table} has no column {', '.join(missing)}")
            mark = {"batch": self._name, "run": self._run, "part": number}
            with self._engine.begin() as connection:
                if connection.execute(select(notes).filter_by(**mark)).first() is not None:
                    return
                connection.execute(insert(notes).values(**mark))
                connection.execute(insert(table), frame.to_dicts())
        except SQLAlchemyError as exc:
            raise InvalidRequest(f"target.sql: {getattr(exc, 'orig', None) or exc}") from exc

    def end(self, parts: list[Path]) -> None:
        """Nothing: each part is there."""
        self._engine.dispose()


def _type(kind: Any) -> Any:
    """SQL's type of a Polars column. Errors: InvalidRequest for one that no table holds, such as a list."""
    from sqlalchemy import BigInteger, Boolean, Date, DateTime, Double, Text

    if kind == pl.Boolean:
        return Boolean
    if kind.is_integer():
        return BigInteger
    if kind.is_numeric():
        return Double
    if kind == pl.Date:
        return Date
    if kind.is_temporal():
        return DateTime(timezone=bool(getattr(kind, "time_zone", None)))
    if kind in (pl.String, pl.Null, pl.Categorical):
        return Text
    raise InvalidRequest(f"target.sql: a column of {kind} can't be kept in a table; choose others with `outputs`")
