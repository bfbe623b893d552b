"""Profiles, streams and references in the state database. Ingest writes; everybody reads.

    commit:  profiles of minutes (merged with what is there), streams, how far each slot is --> one transaction
    roll_up: minutes -> hours -> days; a late minute is added to the hour and the day that it belongs to as well
    read:    of each key the coarsest rows that fit into the window, then finer ones at its ends
    replace: an hour made again from the log (ingest/rebuild.py); `changed` tells ingest to forget what it remembers

Only one process writes at a time: whoever holds the log's lock.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, delete, func, select

from tidegate.errors import StateError
from tidegate.profiles.profile import Key, Profile, decode
from tidegate.profiles.reference import Reference
from tidegate.profiles.reference import decode as decode_reference
from tidegate.storage.database import BUSY_SECONDS, Database
from tidegate.storage.layout import Layout
from tidegate.storage.profile_windows import DAY, HOUR, MINUTE, Part, choose
from tidegate.storage.schema import folded, profile, reference, stream
from tidegate.types.monitoring import Side, StreamView
from tidegate.types.records import Role

LATE = 120.0
"""Seconds after the end of an hour (or a day) at which it is rolled up; later rows are added to it."""
CHANGED = "profiles.changed"
"""run/profiles.changed: written anew before profiles are changed by others than ingest, which then forgets its own."""
SERVING: tuple[Role, ...] = ("stable", "canary", "baseline")
"""Roles whose answers callers got; shadow and human are asked for by name."""

Deltas = Mapping[tuple[Key, int], Profile]
_AT_ONCE = 20
"""Rows that are rolled up in one transaction: few, since others wait for the database meanwhile."""
_KEY = ("endpoint", "version", "role", "stage", "segment")


class _Head(msgspec.Struct, array_like=True):
    """How a stored profile begins: what can be read without its columns."""

    requests: int
    rows: int


_HEAD = msgspec.msgpack.Decoder(_Head)


class StoredStream(msgspec.Struct):
    """A detector's state with what is shown of it."""

    view: StreamView
    state: bytes


class ProfileStore(Database):
    """All of a project's profiles."""

    _look_back = True
    """Whether hours and days may be missing further back than the last ones."""

    def __init__(self, place: Layout | str) -> None:
        super().__init__(place)
        self._gone: dict[int, int] = {}
        """Seconds -> before when profiles as fine are gone; what comes later than that is added to coarser ones."""

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

    def commit(
        self,
        deltas: Deltas,
        streams: Iterable[StoredStream],
        positions: Mapping[str, int],
        expected: Mapping[str, int] | None = None,
    ) -> None:
        """Add what a batch counted, replace the streams' states, move on: all or nothing.

        Errors: StateError, also where slots aren't at `expected`: then somebody else has counted these rows.
        """
        with self._write() as connection:
            if expected is not None:
                there = {row.slot: row.position for row in connection.execute(select(folded))}
                if any(there.get(slot, 0) != expected.get(slot, 0) for slot in positions):
                    raise StateError("the profiles have moved on meanwhile; what was counted is read again")
            old = time.time() - 2 * HOUR
            self._look_back = self._look_back or any(start < old for _, start in deltas)
            self._merge(connection, deltas)
            self._put_streams(connection, streams)
            for slot, position in positions.items():
                if not connection.execute(_MOVE, {"b_slot": slot, "b_position": position}).rowcount:
                    connection.execute(folded.insert().values(slot=slot, position=position))

    def _merge(self, connection: Connection, deltas: Deltas) -> None:
        """Add to what is there: to the minute, and to the hour and the day where they were rolled up already."""
        whole: dict[tuple[Key, int, int], Profile | None] = {}
        there: set[tuple[Key, int, int]] = set()
        for (key, start), delta in deltas.items():
            finest = next((size for size in (MINUTE, HOUR) if start >= self._gone.get(size, 0)), DAY)
            for seconds in (MINUTE, HOUR, DAY):
                if seconds < finest:
                    continue
                place = (key, seconds, start // seconds * seconds)
                if place not in whole:
                    row = connection.execute(_GET, _bound(*place)).first()
                    whole[place] = decode(row.data) if row is not None else None
                    if row is not None:
                        there.add(place)
                mine = whole[place]
                if mine is not None:
                    mine.merge(delta)
                elif seconds == finest:
                    whole[place] = mine = Profile()
                    mine.merge(delta)
        changed = [
            {**_bound(*place), "b_data": one.encode()}
            for place, one in whole.items()
            if one is not None and place in there
        ]
        made = [
            {**_names(place[0]), "seconds": place[1], "start": place[2], "data": one.encode()}
            for place, one in whole.items()
            if one is not None and place not in there
        ]
        if changed:
            connection.execute(_SET, changed)
        if made:
            connection.execute(_NEW, made)

    def put_streams(self, streams: Iterable[StoredStream]) -> None:
        """Replace the states of streams that ingest doesn't feed (those of labels)."""
        with self._write() as connection:
            self._put_streams(connection, streams)

    def _put_streams(self, connection: Connection, streams: Iterable[StoredStream]) -> None:
        there: dict[str, set[tuple[str, str, str]]] = {}
        changed: list[dict[str, Any]] = []
        made: list[dict[str, Any]] = []
        for stored in streams:
            view = stored.view
            if view.endpoint not in there:
                columns = select(stream.c.side, stream.c.column, stream.c.version)
                rows = connection.execute(columns.where(stream.c.endpoint == view.endpoint))
                there[view.endpoint] = {(row[0], row[1], row[2]) for row in rows}
            names = {"endpoint": view.endpoint, "side": view.side, "column": view.column, "version": view.version}
            values = {"state": stored.state, "view": msgspec.json.encode(view).decode()}
            if (view.side, view.column, view.version) in there[view.endpoint]:
                changed.append({f"b_{name}": value for name, value in (names | values).items()})
            else:
                made.append(names | values)
        if changed:
            connection.execute(_SET_STREAM, changed)
        if made:
            connection.execute(stream.insert(), made)

    def roll_up(self, now: float | None = None, most: int = 200, endpoint: str | None = None) -> int:
        """Make hours of minutes and days of hours that are over, the oldest first. At most `most` of them a call; how many.

        Now and then (first, after late rows, before `expire`) all that is kept is looked through, else the last hours.
        """
        moment = time.time() if now is None else now
        made = 0
        everything = self._look_back or endpoint is not None
        for fine, coarse in ((MINUTE, HOUR), (HOUR, DAY)):
            end = int((moment - LATE) // coarse * coarse)
            since = 0 if everything else end - 3 * coarse
            missing = self._missing(fine, coarse, since, end, most - made, endpoint)
            for at in range(0, len(missing), _AT_ONCE):
                with self._write() as connection:
                    for key, start in missing[at : at + _AT_ONCE]:
                        self._join(connection, key, fine, coarse, start)
            made += len(missing)
            if made >= most:
                return made  # days wait until no hour is missing
        if endpoint is None:
            self._look_back = False
        return made

    def _join(self, connection: Connection, key: Key, fine: int, coarse: int, start: int) -> None:
        whole = Profile()
        for part in connection.execute(_PARTS, _bound(key, fine, start) | {"b_end": start + coarse}).all():
            whole.merge(decode(part.data))
        row = {**_names(key), "seconds": coarse, "start": start, "data": whole.encode()}
        connection.execute(_NEW, row)

    def _missing(
        self, fine: int, coarse: int, since: int, end: int, most: int, endpoint: str | None
    ) -> list[tuple[Key, int]]:
        names = [profile.c[name] for name in _KEY]
        mine = [profile.c.endpoint == endpoint] if endpoint is not None else []
        with self._read() as connection:
            have = {
                (Key(*row[:5]), row[5])
                for row in connection.execute(
                    select(*names, profile.c.start).where(
                        and_(*mine, profile.c.seconds == coarse, profile.c.start >= since)
                    )
                )
            }
            bucket = (profile.c.start - profile.c.start % coarse).label("bucket")
            wanted = connection.execute(
                select(*names, bucket)
                .where(and_(*mine, profile.c.seconds == fine, profile.c.start < end, profile.c.start >= since))
                .distinct()
                .order_by(bucket)
            )
            return [(Key(*row[:5]), row[5]) for row in wanted if (Key(*row[:5]), row[5]) not in have][: max(most, 0)]

    def expire(self, minutes: float, hours: float, days: float, now: float | None = None) -> int:
        """Remove profiles that are past their retention (seconds; 0 for never). How many.

        Minutes go by whole hours, and hours by whole days, that have been rolled up: nothing is lost to the coarser ones.
        """
        moment = time.time() if now is None else now
        self._look_back = True
        while self.roll_up(moment) >= 200:
            pass
        removed = 0
        with self._write() as connection:
            for seconds, keep, coarse in ((MINUTE, minutes, HOUR), (HOUR, hours, DAY), (DAY, days, DAY)):
                if keep > 0:
                    before = int((moment - max(keep, LATE)) // coarse * coarse)
                    self._gone[seconds] = before
                    old = and_(profile.c.seconds == seconds, profile.c.start < before)
                    removed += connection.execute(delete(profile).where(old)).rowcount
        return removed

    def replace(self, endpoint: str, hour: int, made: Deltas) -> None:
        """Put these minutes in the place of all that an endpoint has of an hour; its hour and day are rolled up anew."""
        with self._write() as connection:
            for seconds, start, end in (
                (MINUTE, hour, hour + HOUR),
                (HOUR, hour, hour + HOUR),
                (DAY, hour // DAY * DAY, hour // DAY * DAY + DAY),
            ):
                mine = and_(
                    profile.c.endpoint == endpoint, profile.c.seconds == seconds, profile.c.start >= start,
                    profile.c.start < end,
                )  # fmt: skip
                connection.execute(delete(profile).where(mine))
            self._merge(connection, made)

    def scrub(self) -> None:
        """Leave no deleted value in the database's file (SQLite): free pages and the write-ahead log are written anew."""
        if self._path is None:
            return
        try:
            with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
                connection.execute("VACUUM")
                for _ in range(100):  # it waits for readers only so long
                    if not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                        return
                    time.sleep(0.1)
        except sqlite3.Error as exc:
            raise StateError(f"the state database {self._path} can't be written anew: {exc}") from exc
        raise StateError(f"the state database {self._path} is read all the time: its write-ahead log can't be emptied")

    def stored_streams(self, endpoint: str) -> list[StoredStream]:
        """The detectors' states, as ingest goes on with them."""
        with self._read() as connection:
            rows = connection.execute(select(stream.c.view, stream.c.state).where(stream.c.endpoint == endpoint)).all()
        return [StoredStream(msgspec.json.decode(row.view, type=StreamView), row.state) for row in rows]

    def keep_streams(self, endpoint: str, wanted: set[tuple[Side, str, str]]) -> None:
        """Remove an endpoint's streams but these (side, column, version)."""
        with self._write() as connection:
            mine = stream.c.endpoint == endpoint
            for row in connection.execute(select(stream.c.side, stream.c.column, stream.c.version).where(mine)).all():
                if (row[0], row[1], row[2]) not in wanted:
                    one = and_(mine, stream.c.side == row[0], stream.c.column == row[1], stream.c.version == row[2])
                    connection.execute(delete(stream).where(one))

    def put_reference(self, endpoint: str, version: str, made: Reference, actor: str, side: Side | None = None) -> int:
        """Keep a reference; it is in force from now on. Its id. With a side, what detectors of it knew is forgotten, in the
        same transaction: it was about another reference."""
        with self._write() as connection:
            if side is not None:
                mine = and_(stream.c.endpoint == endpoint, stream.c.side == side, stream.c.version == version)
                connection.execute(delete(stream).where(mine))
            done = connection.execute(
                reference.insert().values(
                    endpoint=endpoint, version=version, source=made.source, time=time.time(), actor=actor,
                    rows=made.rows, data=made.encode(),
                )
            )  # fmt: skip
            return int(done.inserted_primary_key[0])  # type: ignore[index]

    def drop_learned(self, endpoint: str, before: float) -> int:
        """Remove the references that were made of the log's own rows at or after `before` (unix seconds), and the streams
        held against them. How many."""
        with self._write() as connection:
            learned = and_(
                reference.c.endpoint == endpoint, reference.c.time >= before, reference.c.source.like("first %")
            )
            versions = set(connection.execute(select(reference.c.version).where(learned)).scalars())
            for version in versions:
                mine = and_(
                    stream.c.endpoint == endpoint, stream.c.version == version,
                    stream.c.side == ("output" if version else "input"),
                )  # fmt: skip
                connection.execute(delete(stream).where(mine))
            return connection.execute(delete(reference).where(learned)).rowcount

    # -- reading ------------------------------------------------------------------------------------------------------

    def endpoints(self) -> list[str]:
        """Endpoints that have profiles."""
        with self._read() as connection:
            return sorted(connection.execute(select(profile.c.endpoint).distinct()).scalars())

    def span(self, endpoint: str) -> tuple[float, float]:
        """From when to when there are profiles (unix seconds); (0, 0) without any."""
        with self._read() as connection:
            row = connection.execute(
                select(func.min(profile.c.start), func.max(profile.c.start + profile.c.seconds)).where(
                    profile.c.endpoint == endpoint
                )
            ).one()
        return float(row[0] or 0.0), float(row[1] or 0.0)

    def keys(self, endpoint: str, start: float, end: float) -> list[Key]:
        """Versions, roles and segments that have rows in a window."""
        names = [profile.c[name] for name in _KEY]
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

        The window is taken in whole minutes (its start rounded down, its end up); where minutes are gone, in whole hours,
        and where these are gone, in whole days.
        """
        whole = Profile(start // MINUTE * MINUTE, max(end - start, 0.0))
        for at, seconds, _, _, data in self._rows(endpoint, start, end, version, _roles(role), segment, stage):
            whole.merge(decode(data, at, seconds))
        return whole

    def rows(self, endpoint: str) -> dict[str, int]:
        """Answered rows of each version, of all that profiles are kept of (without reading their columns)."""
        found: dict[str, int] = {}
        for _, _, version, _, data in self._rows(endpoint, 0.0, time.time() + DAY, None, SERVING, "", None):
            found[version] = found.get(version, 0) + _HEAD.decode(data).rows
        return found

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
        columns: Collection[str] | None = None,
    ) -> list[Profile]:
        """One profile for each `step` seconds (a multiple of 60) from `start`; empty ones where nothing came. With only
        these columns, where they are named.

        Where rows as fine as a step are gone, a coarser one is in the step in which it begins.
        """
        out = _steps(start, end, step)
        rows = self._rows(endpoint, start, end, version, _roles(role), segment, stage, _coarsest(start, step))
        for at, seconds, _, _, data in rows:
            out[_place(at, start, step, out)].merge(decode(data, at, seconds, columns))
        return out

    def series_by_part(
        self,
        endpoint: str,
        start: float,
        end: float,
        step: float,
        *,
        columns: Collection[str] | None,
        roles: Sequence[Role] = SERVING,
        version: str | None = None,
        segment: str = "",
    ) -> dict[tuple[str, str], list[Profile]]:
        """As `series`, of each version and role that was there, with only these columns (None: all): (version, role) -> profiles.

        Costs what the rows weigh: a step of whole days, from a midnight (UTC) on, reads days, one of hours hours.
        """
        found: dict[tuple[str, str], list[Profile]] = {}
        for at, seconds, one, role, data in self._rows(
            endpoint, start, end, version, roles, segment, None, _coarsest(start, step)
        ):
            out = found.get((one, role))
            if out is None:
                out = found[one, role] = _steps(start, end, step)
            out[_place(at, start, step, out)].merge(decode(data, at, seconds, columns))
        return found

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
        self, endpoint: str, start: float, end: float, version: str | None, roles: Sequence[str], segment: str,
        stage: str | None, coarsest: int = DAY,
    ) -> Iterator[tuple[int, int, str, str, bytes]]:  # fmt: skip
        """(start, seconds, version, role, data) of the rows that make up a window, each moment of a key once."""
        first, last = int(start // MINUTE * MINUTE), int(-(-end // MINUTE) * MINUTE)
        if first >= last:
            return
        mine = [profile.c.endpoint == endpoint, profile.c.segment == segment]
        if version is not None:
            mine.append(profile.c.version == version)
        if stage is not None:
            mine.append(profile.c.stage == stage)
        mine.append(profile.c.role.in_(roles))
        names = [profile.c.version, profile.c.role, profile.c.stage]
        with self._read() as connection:

            def there(seconds: int, around: int) -> dict[Part, set[int]]:
                found: dict[Part, set[int]] = {}
                low, high = first // around * around, -(-last // around) * around
                for row in connection.execute(
                    select(profile.c.start, *names).where(
                        and_(*mine, profile.c.seconds == seconds, profile.c.start >= low, profile.c.start < high)
                    )
                ):
                    found.setdefault((row[1], row[2], row[3]), set()).add(row[0])
                return found

            chosen = choose(there(DAY, DAY), there(HOUR, DAY), there(MINUTE, HOUR), first, last, coarsest)
            for seconds, places in chosen.items():
                starts = sorted({at for at, _ in places})
                for at in range(0, len(starts), 500):
                    some = starts[at : at + 500]
                    for row in connection.execute(
                        select(profile.c.start, *names, profile.c.data).where(
                            and_(*mine, profile.c.seconds == seconds, profile.c.start.in_(some))
                        )
                    ):
                        if (row[0], (row[1], row[2], row[3])) in places:
                            yield row[0], seconds, row[1], row[2], row[4]


def _roles(role: str | None) -> Sequence[str]:
    return SERVING if role is None else (role,)


def _steps(start: float, end: float, step: float) -> list[Profile]:
    return [Profile(start + number * step, step) for number in range(max(int((end - start + step - 1) // step), 0))]


def _coarsest(start: float, step: float) -> int:
    """The coarsest rows that fall into one step each."""
    return next((size for size in (DAY, HOUR) if step % size == 0 and start % size == 0), MINUTE)


def _place(at: int, start: float, step: float, steps: Sequence[Profile]) -> int:
    return min(max(int((at - start) // step), 0), len(steps) - 1)


def _names(key: Key) -> dict[str, str]:
    return {
        "endpoint": key.endpoint, "version": key.version, "role": key.role, "stage": key.stage, "segment": key.segment[:300]
    }  # fmt: skip


def _mine(key: Key) -> list[Any]:
    return [profile.c[name] == value for name, value in _names(key).items()]


def _bound(key: Key, seconds: int, start: int) -> dict[str, Any]:
    return {f"b_{name}": value for name, value in _names(key).items()} | {"b_seconds": seconds, "b_start": start}


# Made once: to build an expression costs several times what SQLite needs to run it.
_ROW = and_(*(profile.c[name] == bindparam(f"b_{name}") for name in (*_KEY, "seconds", "start")))
_GET = select(profile.c.data).where(_ROW)
_SET = profile.update().where(_ROW).values(data=bindparam("b_data"))
_NEW = profile.insert()
_PARTS = select(profile.c.data).where(
    and_(
        *(profile.c[name] == bindparam(f"b_{name}") for name in (*_KEY, "seconds")),
        profile.c.start >= bindparam("b_start"),
        profile.c.start < bindparam("b_end"),
    )
)
_SET_STREAM = (
    stream.update()
    .where(and_(*(stream.c[name] == bindparam(f"b_{name}") for name in ("endpoint", "side", "column", "version"))))
    .values(state=bindparam("b_state"), view=bindparam("b_view"))
)
_MOVE = folded.update().where(folded.c.slot == bindparam("b_slot")).values(position=bindparam("b_position"))
