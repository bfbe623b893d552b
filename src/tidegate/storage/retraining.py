"""Runs of retraining: one transaction a call.

    queue --> queued --change--> ... --change--> done | rejected | failed | cancelled

An endpoint has at most one run that isn't over, and one for each mark (an incident, a due time), so that of two triggers at once, in two
processes or one, one makes a run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from tidegate.errors import Conflict, NotFound
from tidegate.storage.database import Database
from tidegate.storage.schema import retraining as runs
from tidegate.storage.state import add_audit
from tidegate.types.retraining import LIVE, Cause, Retraining


class RetrainingStore(Database):
    """Open the runs of a state folder (or a database URL). Errors of every method: StateError."""

    def queue(
        self, endpoint: str, cause: Cause, options: dict[str, Any], *, actor: str, text: str = "", mark: str = ""
    ) -> Retraining:
        """A run to be started. Errors: Conflict while another of the endpoint isn't over, or where the mark had its run."""
        now = time.time()
        made = Retraining(
            0, endpoint, cause, actor, "queued", options, now, text=text, mark=mark, steps={"queued": now}
        )
        with self._write() as connection:
            at = connection.execute(select(runs.c.id, runs.c.state).where(runs.c.live == endpoint)).first()
            if at is not None:
                raise Conflict(
                    f"retraining {at.id} of {endpoint} is {at.state}; `tidegate retraining cancel {at.id}` ends it"
                )
            try:
                row = connection.execute(insert(runs).values(**_columns(made)))
            except IntegrityError as exc:
                raise Conflict(f"{endpoint} has had its retraining because of {mark}") from exc
            assert row.inserted_primary_key is not None
            made = msgspec.structs.replace(made, id=int(row.inserted_primary_key[0]))
            connection.execute(update(runs).where(runs.c.id == made.id).values(**_columns(made)))
            add_audit(
                connection, actor, "retraining.start", endpoint, None, {"run": made.id, "cause": cause, "why": text}
            )
        return made

    def get(self, id: int) -> Retraining:
        """Errors: NotFound."""
        with self._read() as connection:
            return _get(connection, id)

    def listed(self, endpoint: str = "", limit: int = 50) -> list[Retraining]:
        """Newest first."""
        query = select(runs).order_by(runs.c.id.desc()).limit(limit)
        with self._read() as connection:
            return [
                _run(row) for row in connection.execute(query.where(runs.c.endpoint == endpoint) if endpoint else query)
            ]

    def live(self) -> list[Retraining]:
        """Those that aren't over, oldest first."""
        query = select(runs).where(runs.c.live.is_not(None)).order_by(runs.c.id)
        with self._read() as connection:
            return [_run(row) for row in connection.execute(query)]

    def of_version(self, model: str, version: str) -> Retraining | None:
        """The newest run that made a version."""
        query = select(runs).where(runs.c.model == model, runs.c.version == version).order_by(runs.c.id.desc()).limit(1)
        with self._read() as connection:
            row = connection.execute(query).first()
        return _run(row) if row is not None else None

    def marked(self, endpoint: str, mark: str) -> bool:
        """Whether something has had its run."""
        query = select(runs.c.id).where(runs.c.endpoint == endpoint, runs.c.mark == mark)
        with self._read() as connection:
            return connection.execute(query).first() is not None

    def change(
        self, id: int, make: Callable[[Retraining], Retraining], *, audit: tuple[str, str] | None = None
    ) -> Retraining:
        """Write what `make` makes of the run as it is now; what is over stays as it was. `audit` is (actor, action).

        Errors: NotFound; whatever `make` raises, and then nothing is written.
        """
        with self._write() as connection:
            before = _get(connection, id)
            if before.over:
                return before
            after = make(before)
            if after.state != before.state:
                now = time.time()
                after = msgspec.structs.replace(
                    after, tries=0, steps={**after.steps, after.state: now}, ended=now if after.over else 0.0
                )
            connection.execute(update(runs).where(runs.c.id == id).values(**_columns(after)))
            if audit is not None:
                shown = {"run": id, "state": after.state, "version": after.version}
                add_audit(connection, audit[0], audit[1], after.endpoint, {"state": before.state}, shown)
        return after


def _get(connection: Connection, id: int) -> Retraining:
    row = connection.execute(select(runs).where(runs.c.id == id)).first()
    if row is None:
        raise NotFound(f"there is no retraining {id}; `tidegate retraining list` shows them")
    return _run(row)


def _columns(run: Retraining) -> dict[str, Any]:
    return {
        "endpoint": run.endpoint, "cause": run.cause, "mark": run.mark or None, "state": run.state, "created": run.created,
        "ended": run.ended, "model": run.model, "version": run.version, "run": msgspec.json.encode(run).decode(),
        "live": run.endpoint if run.state in LIVE else None,
    }  # fmt: skip


def _run(row: Row[Any]) -> Retraining:
    return msgspec.structs.replace(msgspec.json.decode(row.run, type=Retraining), id=row.id)
