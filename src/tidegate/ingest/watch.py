"""Frames of the log -> profiles and streams, in one transaction with how far they are.

    begin(positions)                     where slots stand that were never folded
    take(endpoint, frame, book)          fold into minutes, feed the detectors        (memory alone)
    commit(positions)                    deltas, streams, positions: one transaction
    learn                                references: training files, or the first rows of the log

A batch that fails before `commit` leaves nothing: `abandon` drops what memory has, and the next one begins from the store.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from tidegate.detectors.groups import Group
from tidegate.detectors.streams import ROLES, Streams
from tidegate.errors import StateError, TidegateError
from tidegate.metrics.descriptors.reference import with_descriptors
from tidegate.profiles.fold import OTHER, Minutes, fold
from tidegate.profiles.reference import Reference, make, read_file
from tidegate.profiles.settings import EndpointSettings, MonitoringSettings, read_settings
from tidegate.storage.layout import Layout
from tidegate.storage.log.columns import MAX_WIDTH, TYPES, ColumnBook, _holds
from tidegate.storage.log.frames import polars_type
from tidegate.storage.log.tables import predictions
from tidegate.storage.profile_windows import DAY
from tidegate.storage.profiles import CHANGED, ProfileStore, StoredStream
from tidegate.types.inference import Signature, TensorSpec
from tidegate.types.monitoring import Side

ROLL_EVERY = 20.0
EXPIRE_EVERY = 3600.0
LEARN_EVERY = 2.0
AGAIN_EVERY = 60.0
"""After an attempt that read much and made no reference."""
PEAKS_FOR = 60.0
"""Seconds for which a stream's peak is shown: whoever looks every few seconds misses none."""
SEGMENTS = 20
MISSING = "(missing)"
ACTOR = "ingest"


_Place = tuple[str, str, str]
"""Model, version, column."""


class Endpoint:
    """What is kept in memory of one endpoint."""

    def __init__(self, name: str, settings: EndpointSettings | None) -> None:
        self.name = name
        self.settings = settings
        self.streams = Streams(name, settings.minimum_effect, settings.ignore) if settings else Streams(name)
        self.references: dict[str, Reference] = {}
        self.known: dict[str, set[str]] = {}
        self.versions: dict[str, int] = {}
        """Answered rows of each version, those before this process from the profiles."""
        self.tried: dict[str, float] = {}
        self.sides: dict[str, Side] = {}
        self.columns = (0, 0)
        self.free: set[str] = set()
        """Columns that no signature names (descriptors, free tables): of any version that comes with them."""
        self.owners: dict[tuple[str, str], set[str]] = {}


class Watch:
    """Of one ingest process."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._opened: ProfileStore | None = None
        self._settings = MonitoringSettings()
        self._stamp = -1
        self._endpoints: dict[str, Endpoint] = {}
        self._deltas: Minutes = {}
        self._fed: set[str] = set()
        self._written: dict[tuple[str, str, str], tuple[int, ...]] = {}
        """Of each group: how many rows its streams had met when they were last written."""
        self._rolled = self._expired = 0.0
        self._calmed = time.monotonic()
        self._changed = _stamp(layout.run / CHANGED)
        self._said: set[str] = set()
        self.positions: dict[str, int] | None = None
        """How far each slot is, as stored; None until it was read, and after anything that failed."""

    @property
    def _store(self) -> ProfileStore:
        # Opened when it is needed: a database that can't be used must not keep the log from going on.
        if self._opened is None:
            self._opened = ProfileStore(self._layout)
        return self._opened

    def close(self) -> None:
        """Give the database back."""
        if self._opened is not None:
            self._opened.close()

    # -- a batch ------------------------------------------------------------------------------------------------------

    def begin(self, positions: Mapping[str, int]) -> dict[str, int]:
        """A batch begins; how far each slot is. Errors: StateError.

        Where there are no profiles yet, slots begin at `positions` (packed): what the log had before is left to a rebuild.
        A slot that appears later begins at its start.
        """
        self._look()
        if self.positions is None:
            self.positions = self._store.positions()
        new = {slot: at if not self.positions else 0 for slot, at in positions.items() if slot not in self.positions}
        if new:
            self._store.start_at(new)
            self.positions = self.positions | new
        return self.positions

    def _look(self) -> None:
        """Notice new settings, and profiles that somebody else changed (a rebuild, an erasure)."""
        changed = _stamp(self._layout.run / CHANGED)
        if changed != self._changed:
            self.abandon()
            self._changed = changed
        self._refresh()

    def take(self, endpoint: str, frame: pl.DataFrame, book: ColumnBook) -> None:
        """Count a frame of an endpoint's rows, and let its detectors see them."""
        if not frame.height:
            return
        self.count(endpoint, frame, book)
        kept = self._endpoint(endpoint)
        settings = kept.settings
        if settings is not None and settings.reference != "none":
            if "" not in kept.references and self._file(settings):
                self._learn_safely(kept, time.monotonic())  # a file is there from the first row on
            kept.streams.feed(frame)
            self._fed.add(endpoint)
            self._count(kept, frame)

    def count(self, endpoint: str, frame: pl.DataFrame, book: ColumnBook) -> None:
        """Count a frame of an endpoint's rows in profiles alone."""
        kept = self._endpoint(endpoint)
        self._columns(kept, book)
        settings = kept.settings
        frame, have = self._complete(kept, frame, book)
        segments = [name for name in (settings.segments if settings else []) if name in frame.columns]
        for name in segments:
            known = kept.known.setdefault(name, {MISSING})
            if len(known) <= SEGMENTS:
                values = frame[name].cast(pl.String).drop_nulls().unique(maintain_order=True).to_list()
                fresh = [value for value in values if value not in known]
                known.update(fresh[: SEGMENTS + 1 - len(known)])
        minutes = fold(
            endpoint, frame, kept.sides,
            belongs=lambda model, version, column: (model, version, column) in have,
            segments=segments, known=kept.known, reference=self._merged(kept),
        )  # fmt: skip
        for place, profile in minutes.items():
            before = self._deltas.get(place)
            if before is None:
                self._deltas[place] = profile
            else:
                before.merge(profile)

    def taken(self) -> Minutes:
        """What was counted since `begin`; it is forgotten here."""
        made, self._deltas = self._deltas, {}
        return made

    def commit(self, positions: Mapping[str, int]) -> None:
        """Write all that was taken since `begin`, and how far each slot is now (packed)."""
        before = self.positions or {}
        fed = [
            (group, mark)
            for name in sorted(self._fed)
            for group in self._endpoints[name].streams.groups.values()
            if (mark := _mark(group)) != self._written.get((group.endpoint, group.side, group.version))
        ]
        streams = [StoredStream(view, state) for group, _ in fed for view, state in group.views()]
        self._store.commit(self._deltas, streams, positions, before)
        self._written.update({(group.endpoint, group.side, group.version): mark for group, mark in fed})
        if time.monotonic() - self._calmed > PEAKS_FOR:
            self._calmed = time.monotonic()
            self._written.clear()
            for kept in self._endpoints.values():
                for group in kept.streams.groups.values():
                    group.calm()
        self.positions = {**before, **positions}
        self._deltas, self._fed = {}, set()

    def abandon(self) -> None:
        """Forget what was taken and not committed: the next batch starts from what is stored."""
        self._deltas, self._fed = {}, set()
        self._endpoints = {}
        self._written.clear()
        self.positions = None  # what was meant to be written may be there or not: it is read again

    def keep(self, now: float) -> None:
        """Now and then: learn references, roll up, expire. `now` of a steady clock."""
        self._look()
        for kept in list(self._endpoints.values()):
            self._learn_safely(kept, now)
        if now - self._rolled >= ROLL_EVERY:
            self._store.roll_up()
            self._rolled = now
        if now - self._expired >= EXPIRE_EVERY:
            settings = self._settings
            self._store.expire(settings.minutes, settings.hours, settings.days)
            self._expired = now

    # -- settings and columns -----------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        path = self._layout.run / "monitoring.json"
        try:
            stamp = path.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if stamp == self._stamp:
            return
        self._stamp = stamp
        settings = read_settings(path)
        for name in list(self._endpoints):
            if settings.endpoints.get(name) != self._settings.endpoints.get(name):
                del self._endpoints[name]
        self._settings = settings

    def _endpoint(self, name: str) -> Endpoint:
        kept = self._endpoints.get(name)
        if kept is None:
            kept = self._endpoints[name] = Endpoint(name, self._settings.endpoints.get(name))
            self._restore(kept)
        return kept

    def _columns(self, kept: Endpoint, book: ColumnBook) -> None:
        if (len(book.columns), len(book.signatures)) != kept.columns:
            personal = set(kept.settings.personal) if kept.settings else set()
            kept.sides = {
                column.name: column.side
                for column in book.columns
                if not column.type.startswith("list<") and not personal & {column.name, column.source}
            }
            kept.columns = (len(book.columns), len(book.signatures))
            kept.owners.clear()
            named = {
                (side, spec.name)
                for known in book.signatures
                for side, specs in (("input", known.signature.inputs), ("output", known.signature.outputs))
                for spec in specs
            }
            kept.free = {c.name for c in book.columns if (c.side, c.source) not in named} & set(kept.sides)

    def _complete(self, kept: Endpoint, frame: pl.DataFrame, book: ColumnBook) -> tuple[pl.DataFrame, set[_Place]]:
        """The frame with the columns that its versions have and it hasn't (a feature that is gone is missing in every row),
        and which version has which column: by its signatures, and where a value came all the same."""
        have: set[_Place] = set()
        for model, version in frame.select("model", "version").unique().iter_rows():
            owned = kept.owners.get((model, version))
            if owned is None:
                owned = kept.owners[model, version] = _of_signatures(book, book.known(model, version)) & set(kept.sides)
            have |= {(model, version, name) for name in owned}
            rows = None
            for name in frame.columns:
                if name in kept.free:
                    have.add((model, version, name))
                elif name in kept.sides and name not in owned:
                    if rows is None:
                        rows = frame.filter((pl.col("model") == model) & (pl.col("version") == version))
                    if rows[name].null_count() < rows.height:
                        have.add((model, version, name))
        absent = {name for _, _, name in have} - set(frame.columns)
        if absent:
            frame = frame.with_columns(
                pl.lit(None, polars_type(book.type_of(name))).alias(name) for name in sorted(absent)
            )
        return frame, have

    def _merged(self, kept: Endpoint) -> Reference | None:
        merged = kept.references.get("")
        for version, reference in kept.references.items():
            if version:
                merged = reference if merged is None else merged.together(reference)
        return merged

    # -- references ---------------------------------------------------------------------------------------------------

    def _restore(self, kept: Endpoint) -> None:
        settings = kept.settings
        if settings is None:
            return
        for segment in {key.segment for key in self._store.keys(kept.name, 0.0, time.time() + DAY) if key.segment}:
            name, _, value = segment.partition("=")
            if name in settings.segments and value != OTHER:
                kept.known.setdefault(name, {MISSING}).add(value)
        if settings.reference == "none":
            self._store.keep_streams(kept.name, set())
            return
        stored: dict[tuple[str, str], dict[str, bytes]] = {}
        for one in self._store.stored_streams(kept.name):
            stored.setdefault((one.view.side, one.view.version), {})[one.view.column] = one.state
        kept.versions = self._store.rows(kept.name)
        kept.versions.pop("", None)
        wanted = {"": self._source(settings)}
        for version in {row["version"] for row in self._store.references(kept.name)}:
            source = wanted.get(version, _first(settings))
            found = self._store.newest_reference(kept.name, version)
            if found is None or not self._holds(settings, found, source):
                continue
            side: Side = "output" if version else "input"
            kept.references[version] = found
            kept.streams.set_reference(side, version, found, stored.get((side, version)))
        if stored:
            self._store.keep_streams(
                kept.name,
                {
                    (side, column, version)
                    for (side, version), group in kept.streams.groups.items()
                    for column in (*group.numbers, *group.categories)
                },
            )

    def _holds(self, settings: EndpointSettings, found: Reference, source: str) -> bool:
        """Whether a stored reference is what the settings ask for, or stands in for a file that still can't be read."""
        if found.source == source:
            return True
        if found.source == _instead(settings, source):
            return source == _first(settings) or not self._readable(settings)
        return False

    def _readable(self, settings: EndpointSettings) -> bool:
        try:
            read_file(Path(self._file(settings)), {}, 1)
        except TidegateError:
            return False
        return True

    def _source(self, settings: EndpointSettings) -> str:
        """Where the inputs' reference is from, in words that change when it does."""
        if settings.reference == "first" or (settings.reference == "training" and not self._file(settings)):
            return _first(settings)
        return f"file {self._file(settings)}"

    def _file(self, settings: EndpointSettings) -> str:
        if settings.reference == "training":
            return settings.files.get(settings.stable, "")
        return settings.reference if settings.reference not in ("first", "none") else ""

    def _count(self, kept: Endpoint, frame: pl.DataFrame) -> None:
        served = frame.filter((pl.col("status") == 200) & pl.col("role").is_in(ROLES))
        for version, count in served["version"].value_counts().iter_rows():
            kept.versions[version] = kept.versions.get(version, 0) + count

    def _learn_safely(self, kept: Endpoint, now: float) -> None:
        """A reference that can't be made is said once and tried again: rows are counted without it. Errors: StateError."""
        try:
            self._learn(kept, now)
        except StateError:
            raise
        except Exception as exc:
            self._say(f"{kept.name}: no reference could be made: {type(exc).__name__}: {exc}")

    def _learn(self, kept: Endpoint, now: float) -> None:
        settings = kept.settings
        if settings is None or settings.reference == "none":
            return
        if "" not in kept.references and self._due(kept, "", now):
            made = (
                self._from_file(kept, settings)
                if self._file(settings)
                else self._first_rows(kept, settings, "input", "")
            )
            self._adopt(kept, "input", "", made)
        for version, rows in list(kept.versions.items()):
            if version not in kept.references and rows >= settings.first_rows and self._due(kept, version, now):
                self._adopt(kept, "output", version, self._first_rows(kept, settings, "output", version))

    def _due(self, kept: Endpoint, version: str, now: float) -> bool:
        if now < kept.tried.get(version, -1e9):
            return False
        kept.tried[version] = now + LEARN_EVERY
        return True

    def _adopt(self, kept: Endpoint, side: Side, version: str, made: Reference | None) -> None:
        if made is None or not made.columns:
            return
        made.version = version
        made.id = self._store.put_reference(kept.name, version, made, ACTOR, side)
        kept.references[version] = made
        kept.streams.set_reference(side, version, made)
        self._written.pop((kept.name, side, version), None)

    def _from_file(self, kept: Endpoint, settings: EndpointSettings) -> Reference | None:
        path = self._file(settings)
        book = ColumnBook(self._layout.log(kept.name) / "columns.json")
        names = {column.source: column.name for column in book.columns if column.side == "input" and not column.part}
        parts = [column.name for column in book.columns if column.side == "input" and column.part]
        try:
            frame = read_file(Path(path), names)
        except TidegateError as exc:
            return self._in_its_stead(kept, settings, str(exc))
        sides = {column.name: column.side for column in book.columns if column.side == "input"}
        if parts and not any(name in frame.columns for name in parts):
            wide = [name for name in frame.columns if frame.schema[name].is_numeric()][: len(parts)]
            if len(wide) == len(parts):  # one tensor of all features, in the file's order
                frame = frame.rename(dict(zip(wide, parts, strict=True)))
        frame = with_descriptors(frame, book)
        season = _times(frame, settings)
        if not any(name in sides for name in frame.columns):
            return self._in_its_stead(kept, settings, f"reference {path} has none of the columns {', '.join(sides)}")
        return make(frame, sides, self._source(settings), season=season)

    def _in_its_stead(self, kept: Endpoint, settings: EndpointSettings, why: str) -> Reference | None:
        self._say(f"{kept.name}: {why}; the first {settings.first_rows} rows are taken instead")
        kept.tried[""] = time.monotonic() + AGAIN_EVERY
        made = self._first_rows(kept, settings, "input", "")
        if made is not None:
            made.source = _instead(settings, self._source(settings))
        return made

    def _say(self, message: str) -> None:
        """In the log of the process, once."""
        if message not in self._said:
            self._said.add(message)
            log(message)

    def _first_rows(self, kept: Endpoint, settings: EndpointSettings, side: Side, version: str) -> Reference | None:
        """From the log, once there are enough rows."""
        total = sum(kept.versions.values()) if side == "input" else kept.versions.get(version, 0)
        if total < settings.first_rows:
            return None
        table = predictions(self._layout, kept.name)
        table.open()
        scan = table.scan()
        if scan is None:
            return None
        chosen = scan.filter((pl.col("status") == 200) & pl.col("role").is_in(ROLES) & pl.col("mirror_of").is_null())
        if version:
            chosen = chosen.filter(pl.col("version") == version)
        sides = {name: of for name, of in kept.sides.items() if of == side}
        names = [name for name in chosen.collect_schema().names() if name in sides]
        wanted = settings.first_rows
        # in two steps, so that only files with those rows are read for their values
        last = chosen.select(pl.col("time").bottom_k(wanted).max()).collect(engine="streaming").item()
        rows = chosen.filter(pl.col("time") <= last).select(["time", *names]).collect(engine="streaming")
        rows = rows.sort("time", maintain_order=True).head(wanted)
        if rows.height < wanted:  # the log no longer has as many
            kept.tried[version] = time.monotonic() + AGAIN_EVERY
            return None
        used = [name for name in names if rows[name].null_count() < rows.height]
        season = rows["time"] if settings.season == "hourOfWeek" and side == "input" else None
        return make(rows.select(used), {name: sides[name] for name in used}, _first(settings), season=season)


def _first(settings: EndpointSettings) -> str:
    return f"first {settings.first_rows} rows"


def _instead(settings: EndpointSettings, source: str) -> str:
    return f"{_first(settings)} instead of {source}"


def _mark(group: Group) -> tuple[int, ...]:
    numbers, categories = group.numbers.values(), group.categories.values()
    return (*(one.state.rows for one in numbers), *(one.state.rows for one in categories))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino


def _times(frame: pl.DataFrame, settings: EndpointSettings) -> pl.Series | None:
    if settings.season != "hourOfWeek":
        return None
    name = settings.time_column
    if name not in frame.columns:
        log(f"the reference has no column {name!r} (timeColumn), so that it has no season")
        return None
    series = frame[name]
    if series.dtype == pl.String:
        series = series.str.to_datetime(strict=False)
    return series if series.dtype.is_temporal() else None


def _of_signatures(book: ColumnBook, signatures: list[Signature]) -> set[str]:
    """Columns that these signatures fill: of the same name, of a type that holds theirs, of a part that they have."""
    found = set()
    for signature in signatures:
        for side, specs in (("input", signature.inputs), ("output", signature.outputs)):
            for spec in specs:
                parts = _parts(spec, signature.classes if side == "output" else [])
                kind = TYPES[spec.datatype]
                for column in book.columns:
                    if (column.side, column.source) != (side, spec.name) or (parts and column.part not in parts):
                        continue
                    if column.type == kind or _holds(column.type, kind):
                        found.add(column.name)
    return found


def _parts(spec: TensorSpec, classes: list[str]) -> set[str] | None:
    """Names of the parts that a tensor is cut into; None where only its values say."""
    if len(spec.shape) < 2:
        return {""}
    width = spec.shape[1] if len(spec.shape) == 2 else -1
    if width <= 0 or width > MAX_WIDTH:
        return None
    if width == 1:
        return {""}
    return set(classes) if len(set(classes)) == width else {str(i) for i in range(width)}


def log(message: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} ingest: {message}\n")
    sys.stderr.flush()
