"""What people decide: tasks, who has which, what each said, and what came of it. One transaction a call.

    journal --ingest--> create --> open --claim--> a person's, for a while --answer--> open | disputed | decided
                                     \\-- expire: overdue, or decided by the model or by rule          \\-- undo --> open

A task is one instance (endpoint, prediction, row), made once however often its journal line is read. Two people get the same
one only where two are wanted: claims are given within a transaction that holds the database's one write lock. `told` and
`called` are outboxes: a decision whose label isn't in the journal yet, and one that its caller's webhook doesn't have yet.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Row, and_, delete, exists, func, insert, literal, select, update

from tidegate.errors import Conflict, NotFound
from tidegate.storage.database import Database
from tidegate.storage.schema import answer as answers
from tidegate.storage.schema import claim as claims
from tidegate.storage.schema import review as tasks
from tidegate.storage.schema import tailed
from tidegate.types.records import PredictionRecord

State = Literal["open", "disputed", "decided"]
Value = bool | int | float | str

LEASE = 300.0
"""Seconds for which a claimed task is nobody else's."""
SKIPPED = 3600.0
"""Seconds for which a skipped task isn't offered to the same person."""
OVERDUE, WAITING, CHECK = 0, 1, 2
"""Priorities, least first: past its deadline, somebody waits for it, nobody does."""
MODEL, RULE = "model", "rule"
"""Who decided, where no person did."""


class Task(msgspec.Struct, frozen=True):
    """One instance that people decide. Times are unix seconds, 0 where they don't apply; `opinion` is the model's, None where it wasn't
    asked; `audit`: the model has decided, and people check it; `wanted`: how many people are to say what it is."""

    id: int
    endpoint: str
    prediction_id: str
    row: int
    queue: str
    level: str
    version: str
    waits: bool
    audit: bool
    priority: int
    created: float
    deadline: float
    wanted: int
    state: State
    opinion: Value | None
    confidence: float | None
    value: Value | None
    decided_by: str
    decided: float


class Answer(msgspec.Struct, frozen=True):
    """What one person said of a task; `took` in seconds since it was claimed, `undone` when it was taken back (0: it stands)."""

    id: int
    task: int
    rater: str
    value: Value
    time: float
    took: float
    undone: float


class Decision(msgspec.Struct, frozen=True):
    """Of one request: a value a row, in order, None while it is open. `decided` only once all are."""

    endpoint: str
    values: list[Value | None]
    by: list[str]
    decided: bool


class Depth(msgspec.Struct, frozen=True):
    """A queue now: open tasks, those somebody has, those people disagree on, overdue ones, and when the oldest open one came (0: none)."""

    queue: str
    open: int
    claimed: int
    disputed: int
    overdue: int
    oldest: float


class ReviewStore(Database):
    """Open the review tables of a state folder (or a database URL). Errors of every method: StateError."""

    # -- tasks come ---------------------------------------------------------------------------------------------------

    def positions(self) -> dict[str, int]:
        """How far each journal slot was read (packed)."""
        with self._read() as connection:
            return {row[0]: row[1] for row in connection.execute(select(tailed.c.slot, tailed.c.position))}

    def create(self, records: Iterable[PredictionRecord], positions: Mapping[str, int] | None = None) -> int:
        """Make the tasks of records that people decide; those that are there already stay. How many are new."""
        made = 0
        with self._write() as connection:
            for record in records:
                made += _create(connection, record)
            for slot, position in (positions or {}).items():
                connection.execute(delete(tailed).where(tailed.c.slot == slot))
                connection.execute(insert(tailed).values(slot=slot, position=position))
        return made

    # -- people take them ---------------------------------------------------------------------------------------------

    def claim(
        self,
        queue: str,
        rater: str,
        *,
        count: int = 1,
        disputed: bool = False,
        lease: float = LEASE,
        now: float | None = None,
    ) -> list[Task]:
        """The next tasks for somebody, theirs for `lease` seconds; first those that they have already. With `disputed`, tasks on which
        others disagree, to be settled."""
        now = time.time() if now is None else now
        state = "disputed" if disputed else "open"
        with self._write() as connection:
            wanted = and_(tasks.c.queue == queue, tasks.c.state == state)
            mine = and_(claims.c.task == tasks.c.id, claims.c.rater == rater, claims.c.until > now)
            held = (
                select(tasks, claims.c.time.label("began"))
                .select_from(claims)
                .join(tasks, mine)
                .where(wanted, claims.c.skipped == 0)
            )
            found = list(connection.execute(held.order_by(claims.c.time).limit(count)))
            # In the order of the index: the rows that are looked at are those given out and the few before them.
            answered = exists().where(answers.c.task == tasks.c.id, answers.c.rater == rater, answers.c.undone == 0)
            said = select(func.count()).where(answers.c.task == tasks.c.id, answers.c.undone == 0).scalar_subquery()
            others = and_(claims.c.task == tasks.c.id, claims.c.until > now, claims.c.skipped == 0)
            taken = select(func.count()).where(others).scalar_subquery()
            room = taken < 1 if disputed else taken + said < tasks.c.wanted
            free = select(tasks, literal(now).label("began")).where(wanted, ~exists().where(mine), ~answered, room)
            order = (tasks.c.priority, tasks.c.deadline, tasks.c.id)
            found += connection.execute(free.order_by(*order).limit(count - len(found)))
            for row in found:
                _claim(connection, row.id, rater, row.began, now + lease, skipped=False)
        return [_task(row) for row in found]

    def skip(self, id: int, rater: str, now: float | None = None) -> None:
        """Let somebody else have it: this person isn't offered it for an hour. Errors: NotFound."""
        now = time.time() if now is None else now
        with self._write() as connection:
            _one(connection, id)
            _claim(connection, id, rater, now, now + SKIPPED, skipped=True)

    def answer(self, id: int, rater: str, value: Value, *, now: float | None = None) -> Task:
        """What a person says it is; the task as it is then. The same answer twice is one.

        Errors: NotFound; Conflict where it is decided already, or somebody else has it.
        """
        now = time.time() if now is None else now
        with self._write() as connection:
            task = _one(connection, id)
            standing = _standing(connection, id)
            mine = next((one for one in standing if one.rater == rater), None)
            if mine is not None:
                if mine.value == value:
                    return task
                raise Conflict(f"task {id}: you said {mine.value!r} already; undo that first")
            if task.state == "decided":
                raise Conflict(f"task {id} is decided already ({task.value!r}, by {task.decided_by})")
            claim = connection.execute(
                select(claims).where(claims.c.task == id, claims.c.until > now, claims.c.skipped == 0)
            ).all()
            own = next((one for one in claim if one.rater == rater), None)
            room = 1 if task.state == "disputed" else task.wanted - len(standing)
            if own is None and len(claim) >= room:
                raise Conflict(f"task {id}: somebody else has it now; claim another")
            took = max(0.0, now - own.time) if own is not None else 0.0
            values = {"task": id, "rater": rater, "value": json.dumps(value), "time": now, "took": took, "undone": 0.0}
            connection.execute(insert(answers).values(**values))
            connection.execute(delete(claims).where(claims.c.task == id, claims.c.rater == rater))
            said = [one.value for one in standing] + [value]
            if task.state == "disputed":
                _decide(connection, task, value, rater, now)
            elif len(said) >= task.wanted:
                winner = max(said, key=said.count)
                if 2 * said.count(winner) > len(said):
                    by = ", ".join(
                        sorted(
                            {one.rater for one in standing if one.value == winner}
                            | ({rater} if value == winner else set())
                        )
                    )
                    _decide(connection, task, winner, by[:200], now)
                else:
                    connection.execute(update(tasks).where(tasks.c.id == id).values(state="disputed"))
            return _one(connection, id)

    def undo(self, rater: str, *, within: float = 600.0, now: float | None = None) -> Task:
        """Take a person's last answer back, and give them the task again. A caller who has the decision already keeps it; the label
        follows the new answer. Errors: NotFound where they said nothing lately."""
        now = time.time() if now is None else now
        with self._write() as connection:
            last = connection.execute(
                select(answers)
                .where(answers.c.rater == rater, answers.c.undone == 0, answers.c.time > now - within)
                .order_by(answers.c.id.desc())
                .limit(1)
            ).one_or_none()
            if last is None:
                raise NotFound(f"{rater} has said nothing in the last {within / 60:g} minutes that could be undone")
            connection.execute(update(answers).where(answers.c.id == last.id).values(undone=now))
            others = {json.dumps(one.value) for one in _standing(connection, last.task)}
            state = "disputed" if len(others) > 1 else "open"
            open_again = {"state": state, "value": "null", "decided_by": "", "decided": 0.0, "told": 0}
            connection.execute(update(tasks).where(tasks.c.id == last.task).values(**open_again))
            _claim(connection, last.task, rater, now, now + LEASE, skipped=False)
            return _one(connection, last.task)

    # -- what came of them --------------------------------------------------------------------------------------------

    def task(self, id: int) -> Task:
        """One. Errors: NotFound."""
        with self._read() as connection:
            return _one(connection, id)

    def answers(self, id: int) -> list[Answer]:
        """What people said of a task, undone answers too, oldest first."""
        with self._read() as connection:
            return [
                _answer(row)
                for row in connection.execute(select(answers).where(answers.c.task == id).order_by(answers.c.id))
            ]

    def decisions(self, prediction_ids: Sequence[str]) -> dict[str, Decision]:
        """Of requests, by prediction id; those without tasks are left out."""
        query = (
            select(tasks.c.prediction_id, tasks.c.endpoint, tasks.c.state, tasks.c.value, tasks.c.decided_by)
            .where(tasks.c.prediction_id.in_(prediction_ids))
            .order_by(tasks.c.prediction_id, tasks.c.row)
        )
        rows: dict[str, list[Any]] = {}
        with self._read() as connection:
            for row in connection.execute(query):
                rows.setdefault(row.prediction_id, []).append(row)
        return {
            id: Decision(
                of[0].endpoint,
                [json.loads(row.value) for row in of],
                [row.decided_by for row in of],
                all(row.state == "decided" for row in of),
            )
            for id, of in rows.items()
        }

    def listed(self, queue: str, *, state: str = "", limit: int = 100) -> list[Task]:
        """Tasks of a queue in the order in which they are given out; decided ones newest first."""
        query = select(tasks).where(tasks.c.queue == queue).limit(limit)
        if state == "decided":
            query = query.where(tasks.c.state == state).order_by(tasks.c.decided.desc())
        else:
            query = query.where(tasks.c.state.in_([state] if state else ["open", "disputed"]))
            query = query.order_by(tasks.c.priority, tasks.c.deadline, tasks.c.id)
        with self._read() as connection:
            return [_task(row) for row in connection.execute(query)]

    def depths(self, now: float | None = None) -> list[Depth]:
        """Every queue that has tasks, by name."""
        now = time.time() if now is None else now
        undecided = tasks.c.state != "decided"
        busy = exists().where(claims.c.task == tasks.c.id, claims.c.until > now, claims.c.skipped == 0)
        query = (
            select(
                tasks.c.queue,
                func.count(),
                func.coalesce(func.sum(busy.cast(tasks.c.waits.type)), 0),
                func.coalesce(func.sum((tasks.c.state == "disputed").cast(tasks.c.waits.type)), 0),
                func.coalesce(func.sum((tasks.c.deadline < now).cast(tasks.c.waits.type)), 0),
                func.min(tasks.c.created),
            )
            .where(undecided)
            .group_by(tasks.c.queue)
        )
        with self._read() as connection:
            names = [row[0] for row in connection.execute(select(tasks.c.queue).distinct().order_by(tasks.c.queue))]
            found = {row[0]: row for row in connection.execute(query)}
        return [Depth(*found[name]) if name in found else Depth(name, 0, 0, 0, 0, 0.0) for name in names]

    def decided(self, endpoint: str, *, since: float = 0.0, limit: int = 100_000) -> list[Task]:
        """What was decided of an endpoint, newest first."""
        query = (
            select(tasks)
            .where(tasks.c.endpoint == endpoint, tasks.c.state == "decided", tasks.c.decided >= since)
            .order_by(tasks.c.decided.desc())
            .limit(limit)
        )
        with self._read() as connection:
            return [_task(row) for row in connection.execute(query)]

    def newest(self, endpoint: str) -> float:
        """When the newest decision of an endpoint was made; 0 where there is none."""
        query = select(func.max(tasks.c.decided)).where(tasks.c.endpoint == endpoint)
        with self._read() as connection:
            return connection.execute(query).scalar() or 0.0

    def newest_of(self, prediction_id: str) -> float:
        """When the last row of a request was decided."""
        query = select(func.max(tasks.c.decided)).where(tasks.c.prediction_id == prediction_id)
        with self._read() as connection:
            return connection.execute(query).scalar() or 0.0

    def said(self, queue: str, *, since: float = 0.0) -> list[Answer]:
        """Every standing answer given in a queue since then."""
        query = (
            select(answers)
            .join(tasks, tasks.c.id == answers.c.task)
            .where(tasks.c.queue == queue, answers.c.undone == 0, answers.c.time >= since)
            .order_by(answers.c.id)
        )
        with self._read() as connection:
            return [_answer(row) for row in connection.execute(query)]

    def rated(self, queue: str) -> list[tuple[str, str, int, str, Value]]:
        """Every standing answer of a queue as (endpoint, prediction_id, row, rater, value)."""
        query = (
            select(tasks.c.endpoint, tasks.c.prediction_id, tasks.c.row, answers.c.rater, answers.c.value)
            .join(tasks, tasks.c.id == answers.c.task)
            .where(tasks.c.queue == queue, answers.c.undone == 0)
            .order_by(answers.c.id)
        )
        with self._read() as connection:
            return [(*row[:4], json.loads(row.value)) for row in connection.execute(query)]

    # -- what a keeper does -------------------------------------------------------------------------------------------

    def expire(self, endpoint: str, on_timeout: str | Value, now: float) -> int:
        """Tasks past their deadline: `people` (they come first from now on), `model` (its opinion decides, where there is one), or a value
        that decides. How many."""
        late = and_(
            tasks.c.endpoint == endpoint, tasks.c.state != "decided", tasks.c.deadline < now, tasks.c.priority > OVERDUE
        )
        with self._write() as connection:
            found = [_task(row) for row in connection.execute(select(tasks).where(late))]
            for one in found:
                value = one.opinion if on_timeout == "model" else on_timeout
                if on_timeout == "people" or value is None or not one.waits:
                    connection.execute(update(tasks).where(tasks.c.id == one.id).values(priority=OVERDUE))
                else:
                    _decide(connection, one, value, MODEL if on_timeout == "model" else RULE, now)
        return len(found)

    def untold(self, limit: int = 1000) -> list[Task]:
        """Decisions of people whose label is not in the journal yet."""
        query = select(tasks).where(tasks.c.state == "decided", tasks.c.told == 0).order_by(tasks.c.id).limit(limit)
        with self._read() as connection:
            return [_task(row) for row in connection.execute(query)]

    def told(self, written: Iterable[Task]) -> None:
        """Their labels are in the journal; one that was undone and decided anew meanwhile is written again."""
        with self._write() as connection:
            for one in written:
                connection.execute(
                    update(tasks).where(tasks.c.id == one.id, tasks.c.decided == one.decided).values(told=1)
                )

    def uncalled(self, endpoint: str, limit: int = 100) -> list[str]:
        """Prediction ids of requests, all of whose rows are decided, that a webhook hasn't been told of."""
        open_rows = select(tasks.c.prediction_id).where(tasks.c.endpoint == endpoint, tasks.c.state != "decided")
        query = (
            select(tasks.c.prediction_id)
            .where(tasks.c.endpoint == endpoint, tasks.c.state == "decided", tasks.c.called == 0, tasks.c.waits == 1)
            .where(tasks.c.prediction_id.not_in(open_rows))
            .distinct()
            .limit(limit)
        )
        with self._read() as connection:
            return [row[0] for row in connection.execute(query)]

    def called(self, endpoint: str, prediction_id: str, outcome: int = 1) -> None:
        """The webhook has it (1), or never will (-1)."""
        mine = and_(tasks.c.endpoint == endpoint, tasks.c.prediction_id == prediction_id)
        with self._write() as connection:
            connection.execute(update(tasks).where(mine).values(called=outcome))

    def erase(self, prediction_ids: set[str], dry_run: bool = False) -> int:
        """Take out the tasks of predictions that are erased, with what was said of them; how many."""
        found = 0
        with self._write() as connection:
            for id in prediction_ids:
                ids = [row[0] for row in connection.execute(select(tasks.c.id).where(tasks.c.prediction_id == id))]
                found += len(ids)
                if ids and not dry_run:
                    connection.execute(delete(answers).where(answers.c.task.in_(ids)))
                    connection.execute(delete(claims).where(claims.c.task.in_(ids)))
                    connection.execute(delete(tasks).where(tasks.c.id.in_(ids)))
        return found


def _create(connection: Connection, record: PredictionRecord) -> int:
    asked = record.review
    if asked is None:
        return 0
    have = connection.execute(
        select(func.count()).where(tasks.c.endpoint == record.endpoint, tasks.c.prediction_id == record.id)
    ).scalar()
    if have:
        return 0
    created = record.time / 1e9
    for row in asked.rows:
        decided = not row.asks
        connection.execute(
            insert(tasks).values(
                endpoint=record.endpoint,
                prediction_id=record.id,
                row=row.row,
                queue=asked.queue,
                level=asked.level,
                version=record.version,
                waits=int(asked.waits),
                audit=int(row.audit),
                priority=WAITING if asked.waits else CHECK,
                created=created,
                deadline=created + asked.timeout,
                wanted=row.raters,
                state="decided" if decided else "open",
                opinion=json.dumps(row.value),
                confidence=row.confidence,
                value=json.dumps(row.value) if decided else "null",
                decided_by=MODEL if decided else "",
                decided=created if decided else 0.0,
                told=int(decided),
                called=0,
            )
        )
    return sum(row.asks for row in asked.rows)


def _decide(connection: Connection, task: Task, value: Value, by: str, now: float) -> None:
    """Only a person's word is a label: what the model or a rule decided is told to nobody as truth."""
    told = int(by in (MODEL, RULE))
    decided = {"state": "decided", "value": json.dumps(value), "decided_by": by, "decided": now, "told": told}
    connection.execute(update(tasks).where(tasks.c.id == task.id).values(**decided))
    connection.execute(delete(claims).where(claims.c.task == task.id))


def _claim(connection: Connection, task: int, rater: str, began: float, until: float, *, skipped: bool) -> None:
    connection.execute(delete(claims).where(claims.c.task == task, claims.c.rater == rater))
    connection.execute(insert(claims).values(task=task, rater=rater, time=began, until=until, skipped=int(skipped)))


def _standing(connection: Connection, task: int) -> list[Answer]:
    query = select(answers).where(answers.c.task == task, answers.c.undone == 0).order_by(answers.c.id)
    return [_answer(row) for row in connection.execute(query)]


def _one(connection: Connection, id: int) -> Task:
    row = connection.execute(select(tasks).where(tasks.c.id == id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no review task {id}")
    return _task(row)


def _task(row: Row[Any]) -> Task:
    return Task(
        row.id, row.endpoint, row.prediction_id, row.row, row.queue, row.level, row.version, bool(row.waits), bool(row.audit),
        row.priority, row.created, row.deadline, row.wanted, row.state, json.loads(row.opinion), row.confidence,
        json.loads(row.value), row.decided_by, row.decided,
    )  # fmt: skip


def _answer(row: Row[Any]) -> Answer:
    return Answer(row.id, row.task, row.rater, json.loads(row.value), row.time, row.took, row.undone)
