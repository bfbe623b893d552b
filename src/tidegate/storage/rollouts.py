"""Rollouts in the state database: where each stands, every decision, and the counts it rests on.

    commands, controller --Change (state + decision + evidence + revision), one transaction--> state.db
    views, verify        <--read-- states, decisions, batches, examples, freezes

After kill -9 all of a change is there or none of it. A change that was made from an older state is refused (Conflict):
of two writers at once one wins and the other is told. Times are unix seconds.
"""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from tidegate.errors import Conflict, NotFound
from tidegate.storage import schema
from tidegate.storage.database import Database
from tidegate.storage.state import add_audit, add_revision, newest
from tidegate.types.rollouts import Batch, Decision, Example, Freeze, Judgement, RolloutState

ALL = "*"
"""A freeze of every endpoint."""

EXAMPLES = 200
"""Examples kept a rollout."""


class Evidence(msgspec.Struct):
    """What is kept of a rollout's evidence: all batches by metric, oldest first, and where to go on reading."""

    batches: dict[str, list[Batch]] = {}
    checkpoint: bytes = b""
    thresholds: dict[str, float] = {}


class Change(msgspec.Struct):
    """One write. `state` carries the generation that the writer has seen; what is left out stays as it is.

    `batches` are new ones only; a decision's own `batches` are counted as it is written. `split` becomes the endpoint's
    split in a new revision of the desired state. `audit` is (action, before, after), for what a person did.
    """

    state: RolloutState
    decision: Decision | None = None
    batches: dict[str, list[Batch]] = {}
    checkpoint: bytes | None = None
    thresholds: dict[str, float] | None = None
    examples: list[Example] = []
    judgement: Judgement | None = None
    split: dict[str, float] | None = None
    audit: tuple[str, Any, Any] | None = None
    live: bool | None = None
    """Whether the controller still has to look after it; by default while it is active."""
    holds: bool | None = None
    """Whether it holds its endpoint, so that no other can start; by default while it is active and not queued."""


class RolloutStore(Database):
    """Open the database of a state folder, or of a URL. Errors of every method: StateError when it can't be used."""

    # -- reading ------------------------------------------------------------------------------------------------------

    def current(self, endpoint: str) -> RolloutState | None:
        """The endpoint's newest rollout that has started; a queued one only where it is the only one."""
        t = schema.rollout.c
        query = (
            select(t.state)
            .where(t.endpoint == endpoint)
            .order_by((t.slot == endpoint).is_(True).desc(), t.id.desc())
            .limit(1)
        )
        with self._read() as connection:
            text = connection.execute(query).scalar()
        return _state(text) if text else None

    def get(self, id: int) -> RolloutState | None:
        """One rollout."""
        with self._read() as connection:
            text = connection.execute(select(schema.rollout.c.state).where(schema.rollout.c.id == id)).scalar()
        return _state(text) if text else None

    def history(self, endpoint: str | None = None, limit: int = 50) -> list[RolloutState]:
        """Newest first; of all endpoints by default."""
        t = schema.rollout.c
        query = select(t.state).order_by(t.id.desc()).limit(limit)
        if endpoint is not None:
            query = query.where(t.endpoint == endpoint)
        with self._read() as connection:
            return [_state(row[0]) for row in connection.execute(query)]

    def live(self) -> dict[int, int]:
        """Generation by id of the rollouts that the controller looks after; cheap enough to ask many times a second."""
        t = schema.rollout.c
        with self._read() as connection:
            return {row[0]: row[1] for row in connection.execute(select(t.id, t.generation).where(t.live == 1))}

    def decisions(self, id: int) -> list[Decision]:
        """Oldest first."""
        t = schema.decision.c
        query = select(t.decision).where(t.rollout == id).order_by(t.number)
        with self._read() as connection:
            return [msgspec.json.decode(row[0], type=Decision) for row in connection.execute(query)]

    def batches(self, id: int) -> dict[str, list[Batch]]:
        """By metric, oldest first."""
        return self.evidence(id).batches

    def batches_after(self, id: int, metric: str, number: int) -> list[Batch]:
        """One metric's batches after the first `number` of them, oldest first."""
        t = schema.evidence.c
        mine = (t.rollout == id, t.metric == metric, t.number > number)
        with self._read() as connection:
            rows = connection.execute(select(t.batch).where(*mine).order_by(t.number))
            return [msgspec.json.decode(text, type=Batch) for (text,) in rows]

    def thresholds(self, id: int) -> dict[str, float]:
        """By metric, those frozen from the stable version."""
        t = schema.checkpoint.c
        with self._read() as connection:
            text = connection.execute(select(t.thresholds).where(t.rollout == id)).scalar()
        found: dict[str, float] = json.loads(text) if text else {}
        return found

    def evidence(self, id: int) -> Evidence:
        """All that is kept of the evidence; empty where there is none yet."""
        t, c = schema.evidence.c, schema.checkpoint.c
        found = Evidence()
        with self._read() as connection:
            query = select(t.metric, t.batch).where(t.rollout == id).order_by(t.metric, t.number)
            for metric, text in connection.execute(query):
                found.batches.setdefault(metric, []).append(msgspec.json.decode(text, type=Batch))
            row = connection.execute(select(c.checkpoint, c.thresholds).where(c.rollout == id)).one_or_none()
        if row is not None:
            found.checkpoint, found.thresholds = bytes(row[0]), json.loads(row[1])
        return found

    def examples(self, id: int) -> list[Example]:
        """Oldest first."""
        t = schema.example.c
        query = select(t.example).where(t.rollout == id).order_by(t.id)
        with self._read() as connection:
            return [msgspec.json.decode(row[0], type=Example) for row in connection.execute(query)]

    def judgement(self, id: int) -> Judgement | None:
        """The latest."""
        t = schema.checkpoint.c
        with self._read() as connection:
            text = connection.execute(select(t.judgement).where(t.rollout == id)).scalar()
        return msgspec.json.decode(text, type=Judgement) if text else None

    def freezes(self, now: float) -> list[Freeze]:
        """Those in force at `now`."""
        with self._read() as connection:
            return _freezes(connection, now)

    # -- writing ------------------------------------------------------------------------------------------------------

    def create(self, change: Change) -> RolloutState:
        """Keep a new rollout; its state with the id. Errors: Conflict where another holds the endpoint."""
        with self._write() as connection:
            values = _row(change, 1)
            try:
                key = connection.execute(insert(schema.rollout).values(**values)).inserted_primary_key
            except IntegrityError as exc:
                raise Conflict(
                    f"endpoint {change.state.endpoint!r} has an active rollout; `tidegate rollout status "
                    f"{change.state.endpoint}` shows it, `tidegate rollout abort {change.state.endpoint}` ends it"
                ) from exc
            assert key is not None
            state = msgspec.structs.replace(change.state, id=int(key[0]), generation=1)
            change.state = state
            connection.execute(update(schema.rollout).where(schema.rollout.c.id == state.id).values(state=_text(state)))
            if change.decision is not None:
                change.decision = msgspec.structs.replace(change.decision, rollout=state.id)
            self._keep(connection, change)
        return state

    def write(self, change: Change) -> RolloutState:
        """Make one change; the state as it is kept. Errors: Conflict where somebody else has written since."""
        seen = change.state.generation
        t = schema.rollout.c
        state = msgspec.structs.replace(change.state, generation=seen + 1)
        with self._write() as connection:
            values = _row(change, seen + 1)
            query = update(schema.rollout).where(t.id == state.id, t.generation == seen)
            try:
                changed = connection.execute(query.values(**{**values, "state": _text(state)})).rowcount
            except IntegrityError as exc:
                raise Conflict(f"another rollout of endpoint {state.endpoint!r} is active") from exc
            if changed != 1:
                raise Conflict(
                    f"the rollout of {state.endpoint!r} was changed by somebody else at the same moment; "
                    f"look at `tidegate rollout status {state.endpoint}`, then try again"
                )
            self._keep(connection, change)
        return state

    def add_freeze(self, freeze: Freeze) -> Freeze:
        """Keep a freeze, audited; with its id."""
        with self._write() as connection:
            values = {k: v for k, v in msgspec.structs.asdict(freeze).items() if k != "id"}
            key = connection.execute(insert(schema.freeze).values(**values)).inserted_primary_key
            assert key is not None
            made = msgspec.structs.replace(freeze, id=int(key[0]))
            add_audit(connection, freeze.actor, "freeze", freeze.endpoint, None, msgspec.to_builtins(made))
        return made

    def end_freezes(self, endpoint: str, *, actor: str) -> list[Freeze]:
        """End the freezes of exactly this endpoint ("*": those of all); which they were. Errors: NotFound for none."""
        now = time.time()
        with self._write() as connection:
            found = [freeze for freeze in _freezes(connection, now) if freeze.endpoint == endpoint]
            if not found:
                shown = "no freeze of everything" if endpoint == ALL else f"no freeze of endpoint {endpoint!r}"
                raise NotFound(f"{shown} is in force; `tidegate freeze` lists those that are")
            t = schema.freeze.c
            connection.execute(update(schema.freeze).where(t.id.in_([f.id for f in found])).values(until=now))
            add_audit(connection, actor, "unfreeze", endpoint, msgspec.to_builtins(found), None)
        return found

    def erase_examples(self, prediction_ids: set[str], dry_run: bool = False) -> int:
        """Remove the examples of these predictions; how many there were. The counts they are part of name nobody, and stay."""
        t = schema.example.c
        with self._write() as connection:
            rows = connection.execute(select(t.id, t.example)).all()
            mine = [id for id, text in rows if msgspec.json.decode(text, type=Example).prediction_id in prediction_ids]
            if mine and not dry_run:
                connection.execute(delete(schema.example).where(t.id.in_(mine)))
        return len(mine)

    def _keep(self, connection: Connection, change: Change) -> None:
        """All of a change but the state's own row."""
        state = change.state
        for metric, batches in change.batches.items():
            _add_batches(connection, state.id, metric, batches)
        if change.decision is not None:
            t = schema.decision.c
            last = connection.execute(select(func.max(t.number)).where(t.rollout == state.id)).scalar() or 0
            counted = _counted(connection, state.id)
            change.decision = msgspec.structs.replace(change.decision, number=last + 1, batches=counted)
            text = msgspec.json.encode(change.decision).decode()
            connection.execute(insert(schema.decision).values(rollout=state.id, number=last + 1, decision=text))
        if change.examples:
            t2 = schema.example.c
            had = connection.execute(select(func.count()).where(t2.rollout == state.id)).scalar() or 0
            for example in change.examples[: max(0, EXAMPLES - had)]:
                text = msgspec.json.encode(example).decode()
                connection.execute(insert(schema.example).values(rollout=state.id, example=text))
        _checkpoint(connection, change)
        if change.split is not None:
            _new_split(connection, change)
        if change.audit is not None:
            action, before, after = change.audit
            who = change.decision.actor if change.decision is not None else state.actor
            add_audit(connection, who, action, state.endpoint, before, after)


def _row(change: Change, generation: int) -> dict[str, Any]:
    state = change.state
    queued = state.phase == "Pending" and state.reason == "queued"
    holds = change.holds if change.holds is not None else state.active and not queued
    live = change.live if change.live is not None else state.active
    return {
        "endpoint": state.endpoint,
        "slot": state.endpoint if holds else None,
        "live": int(live),
        "generation": generation,
        "state": _text(state),
    }


def _add_batches(connection: Connection, id: int, metric: str, batches: list[Batch]) -> None:
    if not batches:
        return
    t = schema.evidence.c
    query = select(func.max(t.number)).where(t.rollout == id, t.metric == metric)
    last = connection.execute(query).scalar() or 0
    rows = [
        {"rollout": id, "metric": metric, "number": last + n, "batch": msgspec.json.encode(batch).decode()}
        for n, batch in enumerate(batches, 1)
    ]
    connection.execute(insert(schema.evidence), rows)


def _counted(connection: Connection, id: int) -> dict[str, int]:
    """How many batches of each metric are kept: what a decision made now rests on."""
    t = schema.evidence.c
    query = select(t.metric, func.max(t.number)).where(t.rollout == id).group_by(t.metric).order_by(t.metric)
    return {row[0]: row[1] for row in connection.execute(query)}


def _checkpoint(connection: Connection, change: Change) -> None:
    if change.checkpoint is None and change.thresholds is None and change.judgement is None:
        return
    t = schema.checkpoint.c
    row = connection.execute(select(schema.checkpoint).where(t.rollout == change.state.id)).mappings().one_or_none()
    values = dict(row) if row else {"rollout": change.state.id, "checkpoint": b"", "thresholds": "{}", "judgement": ""}
    if change.checkpoint is not None:
        values["checkpoint"] = change.checkpoint
    if change.thresholds is not None:
        values["thresholds"] = json.dumps(change.thresholds)
    if change.judgement is not None:
        values["judgement"] = msgspec.json.encode(change.judgement).decode()
    connection.execute(delete(schema.checkpoint).where(t.rollout == change.state.id))
    connection.execute(insert(schema.checkpoint).values(**values))


def _new_split(connection: Connection, change: Change) -> None:
    """The endpoint's split in a new revision; the rest of the desired state as it is now, whoever changed it since."""
    state = change.state
    before = newest(connection)
    project = json.loads(before.project)
    endpoint = project.get("endpoints", {}).get(state.endpoint)
    if endpoint is None or endpoint["split"] == change.split:
        return
    was, endpoint["split"] = endpoint["split"], change.split
    action = f"rollout {state.id}"
    actor = change.decision.actor if change.decision is not None else "controller"
    revision = add_revision(connection, json.dumps(project), before.base, before.unloaded, actor, action)
    target = f"endpoint {state.endpoint}, revision {revision}"
    add_audit(connection, actor, action, target, {"split": was}, {"split": change.split})


def _freezes(connection: Connection, now: float) -> list[Freeze]:
    t = schema.freeze.c
    query = select(schema.freeze).where(t.until > now).order_by(t.id)
    return [Freeze(**row) for row in connection.execute(query).mappings()]


def _state(text: str) -> RolloutState:
    return msgspec.json.decode(text, type=RolloutState)


def _text(state: RolloutState) -> str:
    return msgspec.json.encode(state).decode()
