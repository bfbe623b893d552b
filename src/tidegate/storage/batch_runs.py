"""Runs of batches that recur: which were due, which runs, what came of each. One transaction a call.

    queue --> queued --take--> running --finish--> done | failed | cancelled
                                  \\-- cancel: cancelling, which the worker reads when it says how far it is

A name has at most one run that isn't over, and one a due time, so two schedulers that see the same minute make one run.
"""

from __future__ import annotations

import json
import time
from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from tidegate.errors import Conflict, NotFound
from tidegate.storage.database import Database
from tidegate.storage.schema import batch as runs
from tidegate.storage.state import add_audit

State = Literal["armed", "queued", "running", "cancelling", "done", "failed", "cancelled"]
Over = Literal["done", "failed", "cancelled"]
LIVE = ("queued", "running", "cancelling")
SCHEDULE = "schedule"
"""Who starts a run that was due."""


class Run(msgspec.Struct, frozen=True):
    """One run. Times are unix seconds, 0 where they don't apply; `options` are the batch's as they were; `tries` are processes that worked
    on it; `rows` of `total` are answered; `cursor` is the highest that it has read (JSON), empty where there is none."""

    id: int
    name: str
    due: float
    actor: str
    options: dict[str, Any]
    state: State
    tries: int
    started: float
    seen: float
    ended: float
    rows: int
    total: int
    cursor: str
    target: str
    error: str

    @property
    def over(self) -> bool:
        """Whether nothing will be done for it any more."""
        return self.state not in LIVE


class BatchStore(Database):
    """Open the runs of a state folder (or a database URL). Errors of every method: StateError."""

    def arm(self, name: str, due: float, options: dict[str, Any]) -> None:
        """Note a time up to which nothing is to be run: that of a schedule which has just been written."""
        with self._write() as connection:
            connection.execute(runs.delete().where(runs.c.name == name, runs.c.state == "armed"))
            if not connection.execute(select(runs.c.id).where(runs.c.name == name, runs.c.due == due)).first():
                connection.execute(insert(runs).values(**_new(name, due, SCHEDULE, options, "armed")))

    def queue(self, name: str, due: float, actor: str, options: dict[str, Any]) -> Run:
        """A run to be started. Errors: Conflict while another of this name isn't over, or where this time had its run."""
        with self._write() as connection:
            at = connection.execute(select(runs.c.id, runs.c.state).where(runs.c.live == name)).first()
            if at is not None:
                raise Conflict(f"run {at.id} of batch {name} is {at.state}; `tidegate batch cancel {at.id}` ends it")
            try:
                made = connection.execute(insert(runs).values(**_new(name, due, actor, options, "queued")))
            except IntegrityError as exc:
                raise Conflict(f"batch {name} had its run of {due:.0f}") from exc
            assert made.inserted_primary_key is not None
            id = int(made.inserted_primary_key[0])
            if actor != SCHEDULE:
                add_audit(connection, actor, "batch.run", name, None, {"run": id})
            row = connection.execute(select(runs).where(runs.c.id == id)).one()
        return _run(row)

    def get(self, id: int) -> Run:
        """Errors: NotFound."""
        with self._read() as connection:
            row = connection.execute(select(runs).where(runs.c.id == id, runs.c.state != "armed")).first()
        if row is None:
            raise NotFound(f"there is no batch run {id}; `tidegate batch list` shows them")
        return _run(row)

    def listed(self, name: str = "", limit: int = 20) -> list[Run]:
        """Newest first."""
        query = select(runs).where(runs.c.state != "armed").order_by(runs.c.id.desc()).limit(limit)
        with self._read() as connection:
            return [_run(row) for row in connection.execute(query.where(runs.c.name == name) if name else query)]

    def live(self) -> list[Run]:
        """Those that aren't over, oldest first."""
        with self._read() as connection:
            return [
                _run(row)
                for row in connection.execute(select(runs).where(runs.c.live.is_not(None)).order_by(runs.c.id))
            ]

    def scheduled(self, name: str) -> Run | None:
        """The newest run that its schedule started, or the time from which on it counts (`armed`)."""
        query = select(runs).where(runs.c.name == name, runs.c.actor == SCHEDULE).order_by(runs.c.due.desc()).limit(1)
        with self._read() as connection:
            row = connection.execute(query).first()
        return _run(row) if row is not None else None

    def cursor(self, name: str) -> Any:
        """The highest that a finished run has read; None where none has."""
        query = (
            select(runs.c.cursor)
            .where(runs.c.name == name, runs.c.state == "done", runs.c.cursor != "")
            .order_by(runs.c.id.desc())
            .limit(1)
        )
        with self._read() as connection:
            row = connection.execute(query).first()
        return json.loads(row.cursor) if row is not None else None

    def take(self, id: int) -> None:
        """A process begins to work on it."""
        now = time.time()
        with self._write() as connection:
            row = connection.execute(select(runs.c.started).where(runs.c.id == id)).one()
            values = {"tries": runs.c.tries + 1, "started": row.started or now}
            connection.execute(update(runs).where(runs.c.id == id).values(**values))
            connection.execute(update(runs).where(runs.c.id == id, runs.c.state == "queued").values(state="running"))

    def seen(self, id: int, rows: int, total: int) -> State:
        """How far its process is; the state, which may have become `cancelling`."""
        with self._write() as connection:
            connection.execute(update(runs).where(runs.c.id == id).values(seen=time.time(), rows=rows, total=total))
            return _state(connection.execute(select(runs.c.state).where(runs.c.id == id)).scalar_one())

    def stumbled(self, id: int, error: str) -> None:
        """What ended a process of it, which another may get over."""
        with self._write() as connection:
            connection.execute(update(runs).where(runs.c.id == id).values(error=error[:4000]))

    def finish(self, id: int, state: Over, *, error: str = "", cursor: str = "", target: str = "") -> None:
        """It is over; what was over stays as it was."""
        with self._write() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.id == id, runs.c.live.is_not(None))
                .values(state=state, ended=time.time(), error=error[:4000], cursor=cursor, target=target, live=None)
            )

    def cancel(self, id: int, actor: str) -> Run:
        """End it: at once where it hasn't begun, else after the part that it is at. Errors: NotFound, Conflict where it is over."""
        run = self.get(id)
        if run.over:
            raise Conflict(f"run {id} of batch {run.name} is over: {run.state}")
        with self._write() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.id == id, runs.c.state == "queued")
                .values(state="cancelled", ended=time.time(), live=None)
            )
            connection.execute(
                update(runs).where(runs.c.id == id, runs.c.state == "running").values(state="cancelling")
            )
            add_audit(connection, actor, "batch.cancel", run.name, None, {"run": id})
        return self.get(id)


def _new(name: str, due: float, actor: str, options: dict[str, Any], state: State) -> dict[str, Any]:
    return {
        "name": name, "due": due, "actor": actor, "options": json.dumps(options), "state": state, "tries": 0,
        "started": 0.0, "seen": 0.0, "ended": 0.0, "rows": 0, "total": 0, "cursor": "", "target": "", "error": "",
        "live": name if state in LIVE else None,
    }  # fmt: skip


def _run(row: Row[Any]) -> Run:
    fields = {field: getattr(row, field) for field in Run.__struct_fields__}
    return msgspec.convert({**fields, "options": json.loads(row.options)}, Run)


def _state(text: str) -> State:
    assert text in get_args(State)
    return text  # type: ignore[return-value]
