"""The desired state, the keys and the audit: what people decided, kept for good in one small database.

    cli, api --change + audit, one transaction--> state.db --desired()--> controller --run/*.json--> everything else

SQLite (WAL, full sync) in the state folder, or PostgreSQL by URL. Each method is one transaction: after kill -9 a
change is there with its audit entry, or neither is. Times are unix seconds.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from tidegate.errors import Conflict, NotFound, StateError
from tidegate.storage import schema
from tidegate.storage.database import Database
from tidegate.types.traffic import KeyEntry


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


class StateStore(Database):
    """Open the database of a state folder (or a database URL), bringing its schema up to date.

    Cheap to make and safe to share between threads. Errors of every method: StateError when the database can't be used.
    """

    # -- what should be running ---------------------------------------------------------------------------------------

    def desired(self) -> Desired:
        """The newest revision."""
        with self._read() as connection:
            return newest(connection)

    def revision(self) -> int:
        """Number of the newest revision; cheap enough to ask many times a second."""
        column = schema.revision.c.id
        with self._read() as connection:
            return connection.execute(select(column).order_by(column.desc()).limit(1)).scalar() or 0

    def set_desired(
        self,
        project_json: str,
        base: str,
        *,
        actor: str,
        action: str = "apply",
        applied: dict[str, dict[str, float]] | None = None,
        seen: int | None = None,
    ) -> int:
        """Make a project the desired state; returns its revision.

        Versions unloaded by hand stay so while the project has them. `applied` is each endpoint's split as the file has
        it, where a rollout's result stands instead. Errors: Conflict where `seen` is no longer the newest revision.
        """
        versions = _versions(project_json)
        with self._write() as connection:
            before = newest(connection)
            if seen is not None and before.revision != seen:
                raise Conflict("the project was changed by somebody else at the same moment; try again")
            unloaded = [name for name in before.unloaded if name in versions]
            revision = add_revision(connection, project_json, base, unloaded, actor, action)
            was = json.loads(before.project) if before.project else None
            add_audit(connection, actor, action, f"revision {revision}", was, json.loads(project_json))
            if applied is not None:
                _set_applied(connection, applied)
            return revision

    def set_applied(self, splits: dict[str, dict[str, float]]) -> None:
        """Note what the project file says of splits, where it says nothing new for what should be running."""
        with self._write() as connection:
            _set_applied(connection, splits)

    def applied_splits(self) -> dict[str, dict[str, float]]:
        """Each endpoint's split as the project file last said it."""
        with self._read() as connection:
            return {row[0]: json.loads(row[1]) for row in connection.execute(select(schema.applied))}

    def set_loaded(self, model: str, version: str, loaded: bool, *, actor: str) -> int:
        """Take a version into service or out of it; returns the revision. No change, no new revision.

        Errors: NotFound for a version that the project doesn't have.
        """
        name = f"{model}:{version}"
        with self._write() as connection:
            before = newest(connection)
            if not before.revision or name not in _versions(before.project):
                raise NotFound(f"the project has no model {model!r} with a version {version!r}")
            if (name not in before.unloaded) == loaded:
                return before.revision
            unloaded = [n for n in before.unloaded if n != name] if loaded else [*before.unloaded, name]
            action = "load" if loaded else "unload"
            revision = add_revision(connection, before.project, before.base, unloaded, actor, action)
            add_audit(connection, actor, action, name, {"loaded": not loaded}, {"loaded": loaded})
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
            add_audit(connection, actor, "keys create", entry.id, None, _public(stored))
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
            add_audit(connection, actor, "keys revoke", key_id, _public(before), _public(after))
        return after

    # -- audit and secrets --------------------------------------------------------------------------------------------

    def record(self, actor: str, action: str, target: str, before: Any = None, after: Any = None) -> None:
        """Note a change that lives elsewhere (an erasure, an export). Values must be JSON-ready."""
        with self._write() as connection:
            add_audit(connection, actor, action, target, before, after)

    def audit(
        self, limit: int = 100, since: float = 0.0, *, action: str = "", find: str = "", before: int = 0
    ) -> list[AuditEntry]:
        """Newest first, at or after `since`; of one action where it is named; with `find` in who, what or on what, whatever its case;
        older than entry `before`, for the next page."""
        t = schema.audit.c
        query = select(schema.audit).where(t.time >= since).order_by(t.id.desc()).limit(limit)
        if action:
            query = query.where(t.action == action)
        if find:
            query = query.where(
                or_(*(column.icontains(find, autoescape=True) for column in (t.actor, t.action, t.target)))
            )
        if before:
            query = query.where(t.id < before)
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


def newest(connection: Connection) -> Desired:
    """The newest revision, within somebody's transaction."""
    t = schema.revision.c
    query = select(t.id, t.project, t.base, t.unloaded).order_by(t.id.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return Desired(row[0], row[1], row[2], json.loads(row[3])) if row else Desired(0, "", "", [])


def _set_applied(connection: Connection, splits: dict[str, dict[str, float]]) -> None:
    connection.execute(delete(schema.applied))
    for endpoint, split in splits.items():
        connection.execute(insert(schema.applied).values(endpoint=endpoint, split=json.dumps(split)))


def add_revision(connection: Connection, project: str, base: str, unloaded: list[str], actor: str, action: str) -> int:
    """Write a revision, within somebody's transaction; its number."""
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


def add_audit(connection: Connection, actor: str, action: str, target: str, before: Any, after: Any) -> None:
    """Write an entry of the audit, within somebody's transaction."""
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
