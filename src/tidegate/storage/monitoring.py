"""Monitors, alarms, incidents, silences and estimates in the state database.

    people, monitor process --AlarmChange (alarms + incidents), one transaction--> state.db
    views                   <--read-- monitors in force and their history, alarms, incidents, silences

After kill -9 all of a change is there or none of it. New alarms and incidents have an id of 0 or below: the store gives
them one, and what refers to a negative id within the same change refers to the right one afterwards. What was read before
a change is named in `seen`: where somebody else has written since, nothing is (Conflict). Times are unix seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from tidegate.errors import Conflict, NotFound
from tidegate.storage import schema
from tidegate.storage.database import Database
from tidegate.storage.state import add_audit
from tidegate.types.monitoring import Alarm, Incident, Monitor, Silence

T = TypeVar("T")


class AlarmChange(msgspec.Struct):
    """One write. `seen` and `seen_incidents` are what was read of those that change, by id; none of a new one.

    `audit` is (actor, action, target, before, after), for what a person did.
    """

    alarms: list[Alarm] = []
    incidents: list[Incident] = []
    seen: dict[int, Alarm] = {}
    seen_incidents: dict[int, Incident] = {}
    audit: tuple[str, str, str, Any, Any] | None = None


class Estimate(msgspec.Struct, frozen=True):
    """What a metric of quality was thought to be over a chunk of predictions that begins at `start`, before labels came."""

    endpoint: str
    version: str
    metric: str
    start: int
    end: int
    value: float
    low: float
    high: float
    rows: int
    method: str = ""
    realised: float | None = None
    labels: int = 0
    doubt: float = 0.0
    """By how much `realised` may differ from that of all rows, where only some have labels (a 95% half-width)."""
    time: float = 0.0


class MonitoringStore(Database):
    """Open the database of a state folder, or of a URL. Errors of every method: StateError when it can't be used."""

    # -- monitors -----------------------------------------------------------------------------------------------------

    def monitors(self, endpoint: str | None = None) -> list[Monitor]:
        """Those in force (the newest number of each), by id; retired ones too."""
        t = schema.monitor.c
        newest = select(t.id, func.max(t.number).label("number")).group_by(t.id).subquery()
        query = select(t.monitor).join(newest, (t.id == newest.c.id) & (t.number == newest.c.number)).order_by(t.id)
        with self._read() as connection:
            found = [msgspec.json.decode(row[0], type=Monitor) for row in connection.execute(query)]
        return [monitor for monitor in found if endpoint is None or monitor.endpoint == endpoint]

    def monitor(self, id: str) -> Monitor | None:
        """One, as it is in force."""
        found = self.history(id)
        return found[-1] if found else None

    def history(self, id: str) -> list[Monitor]:
        """Every number of one monitor, oldest first."""
        t = schema.monitor.c
        with self._read() as connection:
            rows = connection.execute(select(t.monitor).where(t.id == id).order_by(t.number))
            return [msgspec.json.decode(row[0], type=Monitor) for row in rows]

    def put_monitor(self, monitor: Monitor, actor: str, *, seen: int | None = None) -> Monitor:
        """Make this the monitor in force, as its next number, audited. Errors: Conflict where the number isn't `seen`."""
        return self.put_monitors([monitor], actor, seen={monitor.id: seen} if seen is not None else None)[0]

    def put_monitors(
        self, monitors: Iterable[Monitor], actor: str, *, seen: dict[str, int] | None = None
    ) -> list[Monitor]:
        """Several in one transaction."""
        t = schema.monitor.c
        made = []
        with self._write() as connection:
            for monitor in monitors:
                query = select(t.number, t.monitor).where(t.id == monitor.id).order_by(t.number.desc()).limit(1)
                row = connection.execute(query).one_or_none()
                number = row[0] if row is not None else 0
                if seen is not None and seen.get(monitor.id, number) != number:
                    raise Conflict(
                        f"the monitor {monitor.id!r} was changed by somebody else at the same moment; try again"
                    )
                after = msgspec.structs.replace(monitor, number=number + 1, actor=actor, time=time.time())
                connection.execute(
                    insert(schema.monitor).values(id=after.id, number=after.number, monitor=_text(after))
                )
                before = msgspec.json.decode(row[1]) if row is not None else None
                add_audit(connection, actor, "monitor", after.id, before, msgspec.to_builtins(after))
                made.append(after)
        return made

    # -- alarms and incidents -----------------------------------------------------------------------------------------

    def alarms(
        self,
        open_only: bool = False,
        endpoint: str | None = None,
        limit: int = 100,
        *,
        monitor: str | None = None,
        since: float = 0.0,
    ) -> list[Alarm]:
        """Newest first; `since` is of when the condition began."""
        t = schema.alarm.c
        query = select(t.id, t.alarm).order_by(t.id.desc()).limit(limit)
        if open_only:
            query = query.where(t.open == 1)
        if endpoint is not None:
            query = query.where(t.endpoint == endpoint)
        if monitor is not None:
            query = query.where(t.monitor == monitor)
        if since:
            query = query.where(t.time >= since)
        with self._read() as connection:
            return [_alarm(*row) for row in connection.execute(query)]

    def newest_alarms(self) -> dict[str, Alarm]:
        """The newest alarm of each monitor that ever had one."""
        t = schema.alarm.c
        newest = select(func.max(t.id)).group_by(t.monitor)
        with self._read() as connection:
            found = [_alarm(*row) for row in connection.execute(select(t.id, t.alarm).where(t.id.in_(newest)))]
        return {alarm.monitor: alarm for alarm in found}

    def alarms_of(self, ids: Iterable[int]) -> list[Alarm]:
        """Alarms by id, in the order of ids."""
        t = schema.alarm.c
        with self._read() as connection:
            rows = connection.execute(select(t.id, t.alarm).where(t.id.in_(list(ids))).order_by(t.id))
            return [_alarm(*row) for row in rows]

    def alarm(self, id: int) -> Alarm | None:
        """One alarm."""
        t = schema.alarm.c
        with self._read() as connection:
            row = connection.execute(select(t.id, t.alarm).where(t.id == id)).one_or_none()
        return _alarm(*row) if row is not None else None

    def incidents(self, open_only: bool = False, endpoint: str | None = None, limit: int = 100) -> list[Incident]:
        """Newest first."""
        t = schema.incident.c
        query = select(t.id, t.incident).order_by(t.id.desc()).limit(limit)
        if open_only:
            query = query.where(t.open == 1)
        if endpoint is not None:
            query = query.where(t.endpoint == endpoint)
        with self._read() as connection:
            return [_incident(*row) for row in connection.execute(query)]

    def incident(self, id: int) -> Incident | None:
        """One incident."""
        t = schema.incident.c
        with self._read() as connection:
            row = connection.execute(select(t.id, t.incident).where(t.id == id)).one_or_none()
        return _incident(*row) if row is not None else None

    def put_alarm(self, alarm: Alarm) -> Alarm:
        """Keep one alarm; a new one (id 0) with its id."""
        return self.write(AlarmChange([alarm])).alarms[0]

    def put_incident(self, incident: Incident) -> Incident:
        """Keep one incident; a new one (id 0) with its id."""
        return self.write(AlarmChange(incidents=[incident])).incidents[0]

    def write(self, change: AlarmChange) -> AlarmChange:
        """Make one change; as it is kept, with ids. Errors: Conflict where somebody else has written since."""
        with self._write() as connection:
            _unchanged(connection, schema.alarm, "alarm", change.seen, _alarm)
            _unchanged(connection, schema.incident, "incident", change.seen_incidents, _incident)
            alarm_ids, incident_ids = dict[int, int](), dict[int, int]()
            alarms, incidents = [], []
            for alarm in change.alarms:
                id = _place(connection, schema.alarm, "alarm", alarm.id, _alarm_row(alarm))
                alarm_ids[alarm.id] = id
                alarms.append(msgspec.structs.replace(alarm, id=id))
            for incident in change.incidents:
                id = _place(connection, schema.incident, "incident", incident.id, _incident_row(incident))
                incident_ids[incident.id] = id
                members = [alarm_ids.get(one, one) if one < 0 else one for one in incident.alarms]
                incidents.append(msgspec.structs.replace(incident, id=id, alarms=members))
            alarms = [
                msgspec.structs.replace(alarm, incident=incident_ids.get(alarm.incident, 0))
                if alarm.incident < 0
                else alarm
                for alarm in alarms
            ]
            for alarm in alarms:
                where = schema.alarm.c.id == alarm.id
                connection.execute(update(schema.alarm).where(where).values(alarm=_text(alarm)))
            for incident in incidents:
                where = schema.incident.c.id == incident.id
                connection.execute(update(schema.incident).where(where).values(incident=_text(incident)))
            if change.audit is not None:
                add_audit(connection, *change.audit)
        return AlarmChange(alarms, incidents)

    def erase_examples(self, prediction_ids: set[str], dry_run: bool = False) -> int:
        """Take these predictions out of incidents' examples; how many there were. What moved names nobody, and stays."""
        t = schema.incident.c
        count = 0
        with self._write() as connection:
            for id, text in connection.execute(select(t.id, t.incident)).all():
                found = _incident(id, text)
                kept = [one for one in found.examples if one not in prediction_ids]
                count += len(found.examples) - len(kept)
                if len(kept) < len(found.examples) and not dry_run:
                    after = msgspec.structs.replace(found, examples=kept)
                    connection.execute(update(schema.incident).where(t.id == id).values(incident=_text(after)))
        return count

    # -- silences -----------------------------------------------------------------------------------------------------

    def silences(self, now: float | None = None) -> list[Silence]:
        """Those in force at `now`; without it, all that ever were."""
        t = schema.silence.c
        query = select(schema.silence).order_by(t.id)
        if now is not None:
            query = query.where(t.until > now)
        with self._read() as connection:
            return [Silence(**row) for row in connection.execute(query).mappings()]

    def add_silence(self, silence: Silence) -> Silence:
        """Keep a silence, audited; with its id."""
        with self._write() as connection:
            values = {k: v for k, v in msgspec.structs.asdict(silence).items() if k != "id"}
            key = connection.execute(insert(schema.silence).values(**values)).inserted_primary_key
            assert key is not None
            made = msgspec.structs.replace(silence, id=int(key[0]))
            add_audit(connection, made.actor, "silence", made.match, None, msgspec.to_builtins(made))
        return made

    def end_silences(self, match: str, *, actor: str, now: float | None = None) -> list[Silence]:
        """End the silences of exactly this pattern, or of this number (`#3`); which they were. Errors: NotFound for none."""
        moment = time.time() if now is None else now
        found = [one for one in self.silences(moment) if match in (one.match, f"#{one.id}", str(one.id))]
        if not found:
            raise NotFound(f"no silence of {match!r} is in force; `tidegate alarms silences` lists those that are")
        t = schema.silence.c
        with self._write() as connection:
            connection.execute(update(schema.silence).where(t.id.in_([one.id for one in found])).values(until=moment))
            add_audit(connection, actor, "unsilence", match, msgspec.to_builtins(found), None)
        return found

    # -- estimates ----------------------------------------------------------------------------------------------------

    def estimates(
        self, endpoint: str, version: str | None = None, metric: str | None = None, since: float = 0.0
    ) -> list[Estimate]:
        """In the order of their chunks."""
        t = schema.estimate.c
        query = (
            select(t.estimate)
            .where(t.endpoint == endpoint, t.start >= int(since))
            .order_by(t.start, t.version, t.metric)
        )
        if version is not None:
            query = query.where(t.version == version)
        if metric is not None:
            query = query.where(t.metric == metric)
        with self._read() as connection:
            return [msgspec.json.decode(row[0], type=Estimate) for row in connection.execute(query)]

    def put_estimates(self, estimates: Iterable[Estimate]) -> None:
        """Keep estimates; one of the same endpoint, version, metric and start is replaced."""
        t = schema.estimate.c
        with self._write() as connection:
            for one in estimates:
                names = {"endpoint": one.endpoint, "version": one.version, "metric": one.metric, "start": one.start}
                connection.execute(delete(schema.estimate).where(*(t[name] == value for name, value in names.items())))
                connection.execute(insert(schema.estimate).values(**names, estimate=_text(one)))


def _place(connection: Connection, table: Any, column: str, id: int, row: dict[str, Any]) -> int:
    if id <= 0:
        key = connection.execute(insert(table).values(**row)).inserted_primary_key
        assert key is not None
        return int(key[0])
    if connection.execute(update(table).where(table.c.id == id).values(**row)).rowcount != 1:
        raise NotFound(f"there is no {column} {id}; `tidegate alarms list` shows those there are")
    return id


def _unchanged(
    connection: Connection, table: Any, column: str, seen: dict[int, T], decode: Callable[[int, str], T]
) -> None:
    if not seen:
        return
    rows = connection.execute(select(table.c.id, table.c[column]).where(table.c.id.in_(list(seen))))
    now = {row[0]: decode(row[0], row[1]) for row in rows}
    changed = [id for id, was in seen.items() if now.get(id) != was]
    if changed:
        raise Conflict(
            f"{column} {changed[0]} was changed by somebody else at the same moment; look again, then try again"
        )


def _alarm_row(alarm: Alarm) -> dict[str, Any]:
    return {
        "monitor": alarm.monitor, "endpoint": alarm.endpoint, "open": int(alarm.open), "time": alarm.since,
        "alarm": _text(alarm),
    }  # fmt: skip


def _incident_row(incident: Incident) -> dict[str, Any]:
    return {
        "endpoint": incident.endpoint, "open": int(incident.state != "resolved"), "time": incident.opened,
        "incident": _text(incident),
    }  # fmt: skip


def _alarm(id: int, text: str) -> Alarm:
    return msgspec.structs.replace(msgspec.json.decode(text, type=Alarm), id=id)


def _incident(id: int, text: str) -> Incident:
    return msgspec.structs.replace(msgspec.json.decode(text, type=Incident), id=id)


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
