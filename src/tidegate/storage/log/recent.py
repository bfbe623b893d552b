"""Table and journal as one: what ingest has committed, and after it the records that it hasn't.

    committed.json -> tables (at or after it) -> journal from there, without what the tables have -> did ingest move
    meanwhile? again

So a reader sees each record once, with ingest running, behind, or stopped.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable
from typing import Any

import msgspec
import polars as pl

from tidegate.errors import NotFound
from tidegate.plugins import nearest
from tidegate.storage.blobs import BlobStore
from tidegate.storage.journal_reader import Position, read_chunk, segments
from tidegate.storage.layout import Layout
from tidegate.storage.log.columns import ColumnBook
from tidegate.storage.log.describe import Describe
from tidegate.storage.log.feedback import FEEDBACK_SCHEMA, feedback_frame, latest_labels, without_known_keys
from tidegate.storage.log.frames import FrameMaker, schema_of
from tidegate.storage.log.place import UNMATCHED, Directory, deal
from tidegate.storage.log.status import load_committed
from tidegate.storage.log.tables import Table, endpoints, feedback, predictions, writing

_TRIES = 5


class Snapshot(msgspec.Struct):
    """An endpoint's predictions and feedback as lazy frames, up to where the journal was read, and whose each column is."""

    predictions: pl.LazyFrame
    feedback: pl.LazyFrame
    end: dict[str, Position]
    book: ColumnBook

    def labels(self) -> pl.LazyFrame:
        """The latest label of each instance."""
        return latest_labels(self.feedback)

    def labelled(self) -> pl.LazyFrame:
        """Predictions with label, label_text and label_time of their latest label (null where there is none)."""
        return self.predictions.join(self.labels(), on=["prediction_id", "row"], how="left")


def known_endpoints(layout: Layout) -> list[str]:
    """Endpoints that a reader may ask for: routed ones, and those that have a log."""
    directory = Directory(layout)
    directory.refresh()
    return sorted((directory.routed | set(endpoints(layout))) - {UNMATCHED})


def snapshot(layout: Layout, endpoint: str, describe: Describe | None = None) -> Snapshot:
    """One endpoint now. `describe` is what ingest describes payloads with (metrics.descriptors.describe); without it the rows
    that ingest has yet to commit have no descriptors. Errors: NotFound for an endpoint that isn't known, naming those that are."""
    known = known_endpoints(layout)
    if endpoint not in known and endpoint != UNMATCHED:
        raise NotFound(
            f"there is no log of endpoint {endpoint!r}.{nearest(endpoint, known)} Known: {', '.join(known) or 'none'}"
        )
    for _ in range(_TRIES):
        before = load_committed(layout).positions
        found = _read(layout, endpoint, before, describe)
        if load_committed(layout).positions == before:
            return found
    with writing(layout):
        return _read(layout, endpoint, load_committed(layout).positions, describe)


def _read(layout: Layout, endpoint: str, committed: dict[str, int], describe: Describe | None) -> Snapshot:
    tables = {True: predictions(layout, endpoint), False: feedback(layout, endpoint)}
    # A table that is made from here on has nothing that isn't in the journal after `committed`: it is not read.
    there = {is_prediction: table.open() is not None for is_prediction, table in tables.items()}
    unmatched: dict[bool, Table] = {}
    if endpoint != UNMATCHED and UNMATCHED in endpoints(layout):
        unmatched = {True: predictions(layout, UNMATCHED), False: feedback(layout, UNMATCHED)}
        for table in unmatched.values():
            table.open()
    nowhere = Table(layout.root / "log" / endpoint / "none")

    def already(name: str, is_prediction: bool, slot: str) -> Position:
        own = tables if name == endpoint else unmatched if name == UNMATCHED else {}
        return own.get(is_prediction, nowhere).position(slot)

    directory = Directory(layout)
    directory.refresh()
    book = ColumnBook(layout.log(endpoint) / "columns.json")
    for (model, version), signature in directory.signatures.items():
        book.learn(model, version, signature)
    maker = FrameMaker(book, BlobStore(layout.blobs, "none"), describe)
    made: list[pl.DataFrame] = []
    events: list[pl.DataFrame] = []
    end: dict[str, Position] = {}
    with without_collector():
        for slot, files in segments(layout.journal).items():
            position = Position.unpack(committed.get(slot, 0))
            while (chunk := read_chunk(files, position)) is not None:
                position = chunk.end
                share = deal(chunk, chunk.records(), directory, already).get(endpoint)
                if share is not None and share.predictions:
                    made.append(maker.frame(share.predictions))
                if share is not None and share.feedback:
                    events.append(feedback_frame(share.feedback))
            end[slot] = position
    stored, heard = (tables[is_prediction].scan() if there[is_prediction] else None for is_prediction in (True, False))
    return Snapshot(_together(stored, made, schema_of(book)), _feedback(heard, events), end, book)


def _together(stored: pl.LazyFrame | None, made: list[pl.DataFrame], schema: dict[str, Any]) -> pl.LazyFrame:
    frames = [*([stored] if stored is not None else []), *(frame.lazy() for frame in made)]
    if not frames:
        return pl.LazyFrame(schema=schema)
    return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal")


def _feedback(stored: pl.LazyFrame | None, events: Iterable[pl.DataFrame]) -> pl.LazyFrame:
    new = pl.concat([pl.DataFrame(schema=FEEDBACK_SCHEMA), *events])
    new = pl.concat(
        [new.filter(pl.col("key").is_null()), new.filter(pl.col("key").is_not_null()).unique("key", keep="first")]
    )
    if stored is None:
        return new.lazy()
    return pl.concat([stored, without_known_keys(new, stored).lazy()], how="diagonal")


class without_collector:
    """Decoding makes many small objects and no cycles: keep the garbage collector from visiting each of them again
    and again."""

    def __enter__(self) -> None:
        self._was = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._was:
            gc.enable()
