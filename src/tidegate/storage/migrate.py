"""Bring the state database to this program's schema, once, however many processes open it together.

version row at HEAD -> nothing to do (Alembic isn't even imported)
older or none       -> lock, look again, migrate in one transaction
unknown             -> StateError: a newer Tidegate wrote it
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from tidegate.errors import StateError

HEAD: Final = "0008"
_KNOWN: Final = ("", "0001", "0002", "0003", "0004", "0005", "0006", "0007", HEAD)
_LOCK: Final = 7_319_402  # any fixed number: the name of our advisory lock in PostgreSQL


def ensure_schema(engine: Engine) -> None:
    """Errors: StateError when the database is newer than this program."""
    with engine.connect() as connection:
        if _version(connection) == HEAD:
            return
    with engine.connect().execution_options(tidegate_write=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _LOCK})
        found = _version(connection)  # another process may have done it while we waited for the lock
        if found == HEAD:
            return
        if found not in _KNOWN:
            raise StateError(
                f"the state database has schema {found!r}, which this Tidegate doesn't know (it knows up to {HEAD}): "
                "it was written by a newer one. Upgrade Tidegate, or use another state folder"
            )
        _upgrade(connection)


def _version(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "tidegate.storage:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
