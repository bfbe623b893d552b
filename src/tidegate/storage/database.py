"""The state database's engine and its two kinds of transaction. Each store of this package is one of these.

SQLite (WAL, full sync) in the state folder, or PostgreSQL by URL --> _read(), _write() --> StateStore, RolloutStore
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from tidegate.errors import ConfigError, StateError
from tidegate.storage.layout import Layout
from tidegate.storage.migrate import ensure_schema

BUSY_SECONDS = 10.0


class Database:
    """The database of a state folder, or of a URL, at this program's schema.

    Cheap to make and safe to share between threads. Errors of every method: StateError when the database can't be used.
    """

    def __init__(self, place: Layout | str) -> None:
        self._path = place.database if isinstance(place, Layout) else None
        url = f"sqlite:///{self._path}" if self._path else str(place)
        if self._path is not None and not self._path.exists():
            # SQLite would make it readable to all; it holds digests of keys and the secret of hashed fields.
            os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600))
        self._engine = _engine(url)
        with self._errors():
            ensure_schema(self._engine)

    def close(self) -> None:
        """Give back the connections."""
        self._engine.dispose()

    # -- transactions -------------------------------------------------------------------------------------------------

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with (
            self._errors(),
            self._engine.connect().execution_options(tidegate_write=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as exc:
            where = self._path or self._engine.url.render_as_string(hide_password=True)
            raise StateError(f"the state database {where} can't be used: {exc.orig}") from exc


def _engine(url: str) -> Engine:
    try:
        engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    except Exception as exc:  # an unknown dialect, a missing driver, a malformed URL: all are the user's URL
        raise ConfigError(f"can't open the state database at this URL: {exc}") from exc
    if engine.dialect.name != "sqlite":
        return engine

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the driver's own comes too late to lock
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes the lock at once: two that read first and write later would fail instead of waiting.
        write = connection.get_execution_options().get("tidegate_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
