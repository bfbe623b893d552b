"""Profiles, streams and references in the state database. Ingest writes; everybody reads.

    commit: profiles of minutes (merged with what is there), streams, how far each slot is --> one transaction
    roll_up: minutes -> hours -> days; a late minute is added to the hour and the day that it belongs to as well
    read:    the coarsest rows that fit into the window, then finer ones at its ends

Only one process writes (ingest holds run/ingest.lock), so it may keep the minutes that it is writing in memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, and_, delete, func, select

from tidegate.profiles.profile import Key, Profile, decode
from tidegate.profiles.reference import Reference
from tidegate.profiles.reference import decode as decode_reference
from tidegate.storage.database import Database
from tidegate.storage.schema import folded, profile, reference, stream
from tidegate.types.monitoring import Side, StreamView

MINUTE, HOUR, DAY = 60, 3600, 86400
LATE = 120.0
"""Seconds after the end of an hour (or a day) at which it is rolled up; later rows are added to it."""
SERVING = ("stable", "canary", "baseline")
"""Roles whose answers callers got; shadow and human are asked for by name."""

Deltas = Mapping[tuple[Key, int], Profile]


class StoredStream(msgspec.Struct):
    """A detector's state with what is shown of it."""

    view: StreamView
    state: bytes


class ProfileStore(Database):
    """All of a project's profiles."""

    # -- writing (ingest) ---------------------------------------------------------------------------------------------

    def positions(self) -> dict[str, int]:
        """How far each slot's journal is in the profiles (packed positions)."""
        with self._read() as connection:
            return {row.slot: row.position for row in connection.execute(select(folded))}

    def start_at(self, positions: Mapping[str, int]) -> None:
        """Say where slots begin that were never folded; others keep theirs."""
        if positions:
            with self._write() as connection:
                have = set(connection.execute(select(folded.c.slot)).scalars())
                new = [{"slot": slot, "position": at} for slot, at in positions.items() if slot not in have]
                if new:
                    connection.execute(folded.insert(), new)

    def commit(self, deltas: Deltas, streams: Iterable[StoredStream], positions: Mapping[str, int]) -> None:
        """Add what a batch counted, replace the streams' states, move on: all or nothing."""
        with self._write() as connection:
            for (key, start), delta in deltas.items():
                self._add(connection, key, MINUTE, start, delta, always=True)
                for seconds in (HOUR, DAY):  # only where it was rolled up already: the minute is late
                    self._add(connection, key, seconds, start // seconds * seconds, delta, always=False)
            for stored in streams:
                view = stored.view
                names = {"endpoint": view.endpoint, "side": view.side, "column": view.column, "version": view.version}
                text = msgspec.json.encode(view).decode()
                _put(connection, stream, names, {"state": stored.state, "view": text})
            for slot, position in positions.items():
                _put(connection, folded, {"slot": slot}, {"position": position})

    def _add(self, connection: Connection, key: Key, seconds: int, start: int, delta: Profile, *, always: bool) -> None:
        where = _is(key, seconds, start)
        row = connection.execute(select(profile.c.data).where(where)).first()
        if row is None:
            if always:
                made = {**_names(key), "seconds": seconds, "start": start, "data": delta.encode()}
                connection.execute(profile.insert().values(made))
            return
        whole = decode(row.data)
        whole.merge(delta)
        connection.execute(profile.update().where(where).values(data=whole.encode()))

    def roll_up(self, now: float | None = None, most: int = 200) -> int:
        """Make hours of minutes and days of hours that are over. At most `most` of them a call; how many."""
        moment = time.time() if now is None else now
        made = 0
        for fine, coarse in ((MINUTE, HOUR), (HOUR, DAY)):
            end = int((moment - LATE) // coarse * coarse)
            for key, start in self._missing(fine, coarse, end, most - made):
                with self._write() as connection:
                    parts = connection.execute(
                        select(profile.c.data).where(
                            and_(
                                *_mine(key), profile.c.seconds == fine, profile.c.start >= start,
                                profile.c.start < start + coarse,
                            )
                        )
                    ).all()  # fmt: skip
                    whole = Profile()
                    for part in parts:
                        whole.merge(decode(part.data))
                    row = {**_names(key), "seconds": coarse, "start": start, "data": whole.encode()}
                    connection.execute(profile.insert().values(row))
                made += 1
        return made

    def _missing(self, fine: int, coarse: int, end: int, most: int) -> list[tuple[Key, int]]:
        bucket = (profile.c.start - profile.c.start % coarse).label("bucket")
        names = [profile.c[name] for name in ("endpoint", "version", "role", "stage", "segment")]
        with self._read() as connection:
            newest = connection.execute(
                select(func.max(profile.c.start)).where(profile.c.seconds == coarse)
            ).scalar_one_or_none()
            since = (newest or 0) - 2 * coarse  # late keys of the last ones are found as well
            have = {
                (Key(*row[:5]), row[5])
                for row in connection.execute(
                    select(*names, profile.c.start).where(and_(profile.c.seconds == coarse, profile.c.start >= since))
                )
            }
            wanted = connection.execute(
                select(*names, bucket)
                .where(and_(profile.c.seconds == fine, profile.c.start < end, profile.c.start >= since))
                .distinct()
            )
            return [(Key(*row[:5]), row[5]) for row in wanted if (Key(*row[:5]), row[5]) not in have][: max(most, 0)]

    def expire(self, minutes: float, hours: float, days: float, now: float | None = None) -> int:
        """Remove profiles that are past their retention (seconds). How many."""
        moment = time.time() if now is None else now
        removed = 0
        with self._write() as connection:
            for seconds, keep in ((MINUTE, minutes), (HOUR, hours), (DAY, days)):
                if keep > 0:
                    old = and_(profile.c.seconds == seconds, profile.c.start < moment - keep)
                    removed += connection.execute(delete(profile).where(old)).rowcount
        return removed

    def forget(self, endpoint: str, since: int = 0) -> None:
        """Remove an endpoint's profiles from a minute on, to be made again from the log."""
        with self._write() as connection:
            mine = and_(profile.c.endpoint == endpoint, profile.c.start + profile.c.seconds > since)
            connection.execute(delete(profile).where(mine))

    def stored_streams(self, endpoint: str) -> list[StoredStream]:
        """The detectors' states, as ingest goes on with them."""
        with self._read() as connection:
            rows = connection.execute(select(stream.c.view, stream.c.state).where(stream.c.endpoint == endpoint)).all()
        return [StoredStream(msgspec.json.decode(row.view, type=StreamView), row.state) for row in rows]

    def drop_streams(self, endpoint: str, side: str, version: str) -> None:
        """Forget the detectors of a side: their reference is another one now."""
        with self._write() as connection:
            connection.execute(
                delete(stream).where(
                    and_(stream.c.endpoint == endpoint, stream.c.side == side, stream.c.version == version)
                )
            )

    def put_reference(self, endpoint: str, version: str, made: Reference, actor: str) -> int:
        """Keep a reference; it is in force from now on. Its id."""
        with self._write() as connection:
            done = connection.execute(
                reference.insert().values(
                    endpoint=endpoint, version=version, source=made.source, time=time.time(), actor=actor,
                    rows=made.rows, data=made.encode(),
                )
            )  # fmt: skip
            return int(done.inserted_primary_key[0])  # type: ignore[index]

    # -- reading ------------------------------------------------------------------------------------------------------

    def endpoints(self) -> list[str]:
        """Endpoints that have profiles."""
        with self._read() as connection:
            return sorted(connection.execute(select(profile.c.endpoint).distinct()).scalars())

    def keys(self, endpoint: str, start: float, end: float) -> list[Key]:
        """Versions, roles and segments that have rows in a window."""
        names = [profile.c[name] for name in ("endpoint", "version", "role", "stage", "segment")]
        with self._read() as connection:
            rows = connection.execute(
                select(*names)
                .where(
                    and_(
                        profile.c.endpoint == endpoint, profile.c.start < end,
                        profile.c.start + profile.c.seconds > start,
                    )
                )
                .distinct()
            ).all()  # fmt: skip
        return sorted(Key(*row) for row in rows)

    def read(
        self,
        endpoint: str,
        start: float,
        end: float,
        *,
        version: str | None = None,
        role: str | None = None,
        segment: str = "",
        stage: str | None = None,
    ) -> Profile:
        """One profile of a window (unix seconds): all versions, and the roles whose answers callers got, unless named.

        The window is taken in whole minutes (its start rounded down, its end up); where minutes are gone, in whole hours.
        """
        whole = Profile(start // MINUTE * MINUTE, max(end - start, 0.0))
        for _, part in self._rows(endpoint, start, end, version, role, segment, stage):
            whole.merge(part)
        return whole

    def series(
        self,
        endpoint: str,
        start: float,
        end: float,
        step: float,
        *,
        version: str | None = None,
        role: str | None = None,
        segment: str = "",
        stage: str | None = None,
    ) -> list[Profile]:
        """One profile for each `step` seconds (a multiple of 60) from `start`; empty ones where nothing came."""
        count = max(int((end - start + step - 1) // step), 0)
        out = [Profile(start + number * step, step) for number in range(count)]
        finest = HOUR if step % HOUR == 0 and start % HOUR == 0 else MINUTE
        for at, part in self._rows(endpoint, start, end, version, role, segment, stage, coarsest=finest):
            number = int((at - start) // step)
            if 0 <= number < count:
                out[number].merge(part)
        return out

    def columns(self, endpoint: str) -> dict[str, Side]:
        """The columns of the newest profiles and whose they are."""
        with self._read() as connection:
            rows = connection.execute(
                select(profile.c.data)
                .where(and_(profile.c.endpoint == endpoint, profile.c.segment == ""))
                .order_by(profile.c.start.desc())
                .limit(20)
            ).all()
        found: dict[str, Side] = {}
        for row in rows:
            for name, column in decode(row.data).columns.items():
                found.setdefault(name, column.side)
        return found

    def streams(self, endpoint: str | None = None) -> list[StreamView]:
        """What the detectors say."""
        query = select(stream.c.view)
        if endpoint is not None:
            query = query.where(stream.c.endpoint == endpoint)
        with self._read() as connection:
            rows = connection.execute(query.order_by(stream.c.endpoint, stream.c.side, stream.c.column)).all()
        return [msgspec.json.decode(row.view, type=StreamView) for row in rows]

    def reference(self, endpoint: str, version: str = "") -> Reference | None:
        """What is in force: of inputs, and of a version's outputs where one is named (or was the last to get one)."""
        with self._read() as connection:
            inputs = self._newest(connection, endpoint, "")
            if version:
                outputs = self._newest(connection, endpoint, version)
            else:
                row = connection.execute(
                    select(reference.c.version)
                    .where(and_(reference.c.endpoint == endpoint, reference.c.version != ""))
                    .order_by(reference.c.id.desc())
                ).first()
                outputs = self._newest(connection, endpoint, row.version) if row is not None else None
        return inputs.together(outputs) if inputs is not None else outputs

    def newest_reference(self, endpoint: str, version: str) -> Reference | None:
        """Exactly this one: version "" for inputs."""
        with self._read() as connection:
            return self._newest(connection, endpoint, version)

    def references(self, endpoint: str) -> list[dict[str, Any]]:
        """All of an endpoint's references, newest first: id, version, source, time, actor, rows."""
        columns = [reference.c[name] for name in ("id", "version", "source", "time", "actor", "rows")]
        with self._read() as connection:
            found = connection.execute(
                select(*columns).where(reference.c.endpoint == endpoint).order_by(reference.c.id.desc())
            )
            return [dict(row._mapping) for row in found]

    def _newest(self, connection: Connection, endpoint: str, version: str) -> Reference | None:
        row = connection.execute(
            select(reference)
            .where(and_(reference.c.endpoint == endpoint, reference.c.version == version))
            .order_by(reference.c.id.desc())
        ).first()
        return decode_reference(row.data, id=row.id, version=row.version, time=row.time) if row is not None else None

    def _rows(
        self, endpoint: str, start: float, end: float, version: str | None, role: str | None, segment: str,
        stage: str | None, coarsest: int = DAY,
    ) -> list[tuple[int, Profile]]:  # fmt: skip
        first, last = int(start // MINUTE * MINUTE), int(-(-end // MINUTE) * MINUTE)
        mine = [profile.c.endpoint == endpoint, profile.c.segment == segment]
        if version is not None:
            mine.append(profile.c.version == version)
        if stage is not None:
            mine.append(profile.c.stage == stage)
        mine.append(profile.c.role == role if role is not None else profile.c.role.in_(SERVING))
        gaps = [(first, last)]
        found: list[tuple[int, Profile]] = []
        with self._read() as connection:
            oldest = connection.execute(
                select(func.min(profile.c.start)).where(and_(*mine, profile.c.seconds == MINUTE))
            ).scalar_one_or_none()
            for seconds in (DAY, HOUR, MINUTE):
                if seconds > coarsest or not gaps:
                    continue
                left: list[tuple[int, int]] = []
                for low, high in gaps:
                    inner, outer = -(-low // seconds) * seconds, high // seconds * seconds
                    if seconds == HOUR and oldest is not None and high <= oldest:
                        inner, outer = low // seconds * seconds, -(-high // seconds) * seconds
                    if inner >= outer:
                        left.append((low, high))
                        continue
                    there: set[int] = set()
                    for row in connection.execute(
                        select(profile.c.start, profile.c.data).where(
                            and_(*mine, profile.c.seconds == seconds, profile.c.start >= inner, profile.c.start < outer)
                        )
                    ):
                        found.append((row.start, decode(row.data, row.start, seconds)))
                        there.add(row.start)
                    left += _without(low, high, there, seconds)
                gaps = left
        return found


def _without(low: int, high: int, there: set[int], seconds: int) -> list[tuple[int, int]]:
    """What of [low, high) is outside the buckets that were found."""
    out, at = [], low
    for start in sorted(there):
        if start > at:
            out.append((at, start))
        at = max(at, start + seconds)
    if at < high:
        out.append((at, high))
    return out


def _names(key: Key) -> dict[str, str]:
    return {
        "endpoint": key.endpoint, "version": key.version, "role": key.role, "stage": key.stage, "segment": key.segment[:300]
    }  # fmt: skip


def _mine(key: Key) -> list[Any]:
    return [profile.c[name] == value for name, value in _names(key).items()]


def _is(key: Key, seconds: int, start: int) -> Any:
    return and_(*_mine(key), profile.c.seconds == seconds, profile.c.start == start)


def _put(connection: Connection, table: Table, names: dict[str, Any], values: dict[str, Any]) -> None:
    """Update a row or insert it; there is one writer."""
    where = and_(*(table.c[name] == value for name, value in names.items()))
    if not connection.execute(table.update().where(where).values(values)).rowcount:
        connection.execute(table.insert().values({**names, **values}))
