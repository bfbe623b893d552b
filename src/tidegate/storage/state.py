"""The desired state, the keys and the audit: what people decided, kept for good in one small database.

    cli, api --change + audit, one transaction--> state.db --desired()--> controller --run/*.json--> everything else

SQLite (WAL, full sync) in the state folder, or PostgreSQL by URL. Each method is one transaction: after kill -9 a
change is there with its audit entry, or neither is. Times are unix seconds.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, create_engine, event, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from tidegate.errors import ConfigError, NotFound, StateError
from tidegate.storage import schema
from tidegate.storage.layout import Layout
from tidegate.storage.migrate import ensure_schema
from tidegate.types.traffic import KeyEntry

BUSY_SECONDS = 10.0


class Desired(msgspec.Struct, frozen=True):
    """What should be running. `project` is the resolved project as JSON, `base` the folder its relative paths start
    from, `unloaded` the versions taken out of service by hand, as `model:version`. Revision 0: nothing was applied yet.
    """

    revision: int
    project: str
    base: str
    unloaded: list[str]


class Revision(msgspec.Struct, frozen=True):
    """One row of the history of desired states."""

    revision: int
    time: float
    actor: str
    action: str


class StoredKey(msgspec.Struct, frozen=True):
    """A key with what people want to know of it. `expires` and `revoked` are 0 when they don't apply."""

    id: str
    digest: str
    role: str
    name: str
    created: float
    expires: float = 0.0
    revoked: float = 0.0

    def valid(self, now: float) -> bool:
        """Whether it opens anything at `now` (unix seconds)."""
        return not self.revoked and (not self.expires or now < self.expires)

    def entry(self) -> KeyEntry:
        """As the gateway and the control API check it."""
        return msgspec.convert(
            {"id": self.id, "digest": self.digest, "role": self.role, "expires": self.expires}, KeyEntry
        )


class AuditEntry(msgspec.Struct, frozen=True):
    """One change: who, what, on what, and how it was and became. `before` and `after` are JSON values or None."""

    id: int
    time: float
    actor: str
    action: str
    target: str
    before: Any
    after: Any


class StateStore:
    """Open the database of a state folder (or a database URL), bringing its schema up to date.

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

    # -- what should be running ---------------------------------------------------------------------------------------

    def desired(self) -> Desired:
        """The newest revision."""
        with self._read() as connection:
            return _newest(connection)

    def revision(self) -> int:
        """Number of the newest revision; cheap enough to ask many times a second."""
        column = schema.revision.c.id
        with self._read() as connection:
            return connection.execute(select(column).order_by(column.desc()).limit(1)).scalar() or 0

    def set_desired(self, project_json: str, base: str, *, actor: str, action: str = "apply") -> int:
        """Make a project the desired state; returns its revision.

        Versions unloaded by hand stay so while the project has them.
        """
        versions = _versions(project_json)
        with self._write() as connection:
            before = _newest(connection)
            unloaded = [name for name in before.unloaded if name in versions]
            revision = _add_revision(connection, project_json, base, unloaded, actor, action)
            was = json.loads(before.project) if before.project else None
            _audit(connection, actor, action, f"revision {revision}", was, json.loads(project_json))
            return revision

    def set_loaded(self, model: str, version: str, loaded: bool, *, actor: str) -> int:
        """Take a version into service or out of it; returns the revision. No change, no new revision.

        Errors: NotFound for a version that the project doesn't have.
        """
        name = f"{model}:{version}"
        with self._write() as connection:
            before = _newest(connection)
            if not before.revision or name not in _versions(before.project):
                raise NotFound(f"the project has no model {model!r} with a version {version!r}")
            if (name not in before.unloaded) == loaded:
                return before.revision
            unloaded = [n for n in before.unloaded if n != name] if loaded else [*before.unloaded, name]
            action = "load" if loaded else "unload"
            revision = _add_revision(connection, before.project, before.base, unloaded, actor, action)
            _audit(connection, actor, action, name, {"loaded": not loaded}, {"loaded": loaded})
            return revision

    def revision_history(self, limit: int = 50) -> list[Revision]:
        """Newest first."""
        t = schema.revision.c
        query = select(t.id, t.time, t.actor, t.action).order_by(t.id.desc()).limit(limit)
        with self._read() as connection:
            return [Revision(*row) for row in connection.execute(query)]

    def project_at(self, revision: int) -> Desired:
        """An earlier desired state. Errors: NotFound."""
        t = schema.revision.c
        query = select(t.id, t.project, t.base, t.unloaded).where(t.id == revision)
        with self._read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFound(f"there is no revision {revision}")
        return Desired(row[0], row[1], row[2], json.loads(row[3]))

    # -- keys ---------------------------------------------------------------------------------------------------------

    def add_key(self, entry: KeyEntry, *, name: str = "", expires: float = 0.0, actor: str) -> StoredKey:
        """Keep a new key (see auth.keys.create). Errors: StateError when the id is taken."""
        stored = StoredKey(entry.id, entry.digest, entry.role, name, time.time(), expires or entry.expires, 0.0)
        with self._write() as connection:
            try:
                connection.execute(insert(schema.key).values(**msgspec.structs.asdict(stored)))
            except IntegrityError as exc:
                raise StateError(f"there is a key {entry.id!r} already; create another") from exc
            _audit(connection, actor, "keys create", entry.id, None, _public(stored))
        return stored

    def list_keys(self, *, valid_only: bool = False) -> list[StoredKey]:
        """Oldest first; with `valid_only`, those that are neither revoked nor past their end."""
        with self._read() as connection:
            rows = connection.execute(select(schema.key).order_by(schema.key.c.created)).mappings().all()
        keys = [StoredKey(**row) for row in rows]
        now = time.time()
        return [key for key in keys if key.valid(now)] if valid_only else keys

    def revoke_key(self, key_id: str, *, actor: str) -> StoredKey:
        """End a key now. Revoking twice changes nothing. Errors: NotFound."""
        t = schema.key.c
        with self._write() as connection:
            row = connection.execute(select(schema.key).where(t.id == key_id)).mappings().one_or_none()
            if row is None:
                raise NotFound(f"there is no key {key_id!r}; `tidegate keys list` shows them")
            before = StoredKey(**row)
            if before.revoked:
                return before
            after = msgspec.structs.replace(before, revoked=time.time())
            connection.execute(update(schema.key).where(t.id == key_id).values(revoked=after.revoked))
            _audit(connection, actor, "keys revoke", key_id, _public(before), _public(after))
        return after

    # -- audit and secrets --------------------------------------------------------------------------------------------

    def record(self, actor: str, action: str, target: str, before: Any = None, after: Any = None) -> None:
        """Note a change that lives elsewhere (an erasure, an export). Values must be JSON-ready."""
        with self._write() as connection:
            _audit(connection, actor, action, target, before, after)

    def audit(self, limit: int = 100, since: float = 0.0) -> list[AuditEntry]:
        """Newest first, at or after `since`."""
        t = schema.audit.c
        query = select(schema.audit).where(t.time >= since).order_by(t.id.desc()).limit(limit)
        with self._read() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            AuditEntry(**{**row, "before": json.loads(row["before"]), "after": json.loads(row["after"])})
            for row in rows
        ]

    def secret(self, name: str) -> str:
        """A random value of 256 bits (hex), made at the first asking and the same ever after."""
        column = schema.secret.c
        with self._write() as connection:
            value = connection.execute(select(column.value).where(column.name == name)).scalar()
            if value is None:
                value = secrets.token_hex(32)
                connection.execute(insert(schema.secret).values(name=name, value=value))
        return str(value)

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


def _newest(connection: Connection) -> Desired:
    t = schema.revision.c
    query = select(t.id, t.project, t.base, t.unloaded).order_by(t.id.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return Desired(row[0], row[1], row[2], json.loads(row[3])) if row else Desired(0, "", "", [])


def _add_revision(connection: Connection, project: str, base: str, unloaded: list[str], actor: str, action: str) -> int:
    values = {
        "time": time.time(),
        "actor": actor,
        "action": action,
        "project": project,
        "base": base,
        "unloaded": json.dumps(unloaded),
    }
    result = connection.execute(insert(schema.revision).values(**values))
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


def _audit(connection: Connection, actor: str, action: str, target: str, before: Any, after: Any) -> None:
    values = {
        "time": time.time(),
        "actor": actor,
        "action": action,
        "target": target,
        "before": json.dumps(before),
        "after": json.dumps(after),
    }
    connection.execute(insert(schema.audit).values(**values))


def _versions(project_json: str) -> set[str]:
    models = json.loads(project_json).get("models", {}) if project_json else {}
    return {f"{model}:{version}" for model, options in models.items() for version in options.get("versions", {})}


def _public(key: StoredKey) -> dict[str, Any]:
    """A key as the audit shows it: never the digest."""
    return {k: v for k, v in msgspec.structs.asdict(key).items() if k != "digest"}
