"""One pass from the committed positions to the journal's present end.

    [lock -> chunks of every slot, up to BATCH_BYTES -> records -> a commit a table -> committed.json
          -> profiles and streams (watch.py) of the same rows -> unlock] ...

Killed before a table's commit, its records are read again. Killed after it and before committed.json, they are read
again, and dropped because the table's own position says that it has them. Each is tested with kill -9.

Profiles have positions of their own. Where they are behind the tables (after a kill between the two, or a database that
could not be written), they catch up from the journal first; the tables never wait for them.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable
from typing import TYPE_CHECKING

from tidegate.errors import StateError
from tidegate.ingest.watch import Watch
from tidegate.storage.blobs import BlobStore
from tidegate.storage.journal_reader import Chunk, Damage, Position, Record, read_chunk, segments
from tidegate.storage.layout import Layout
from tidegate.storage.log.columns import ColumnBook
from tidegate.storage.log.feedback import feedback_frame, without_known_keys
from tidegate.storage.log.frames import FrameMaker
from tidegate.storage.log.place import UNMATCHED, Directory, Share, deal
from tidegate.storage.log.status import Committed, load_committed, save_committed
from tidegate.storage.log.tables import Table, feedback, predictions, writing
from tidegate.storage.options import LogOptions

if TYPE_CHECKING:
    import polars as pl

BATCH_BYTES = 24 << 20
_CHUNK_BYTES = 8 << 20


class Cycle:
    """Runs passes over one state folder. `options` may be replaced between passes."""

    def __init__(self, layout: Layout, options: LogOptions) -> None:
        self.layout = layout
        self.options = options
        self.touched: set[str] = set()
        self._directory = Directory(layout)
        self._makers: dict[str, FrameMaker] = {}
        self._tables: dict[tuple[str, bool], Table] = {}
        self._swept: set[tuple[str, bool]] = set()
        self.watch = Watch(layout)
        self.watch_error = ""
        self._level = False
        """Whether the profiles are known to stand where the tables do."""

    def run(self, goes_on: Callable[[], bool] = lambda: True) -> Committed:
        """One pass; `goes_on` is asked between batches. Errors: StateError, OSError, DeltaError; what was committed
        stays."""
        collecting = gc.isenabled()
        # a batch is a million small lists, none of them in a cycle: the collector would visit each, many times
        gc.disable()
        try:
            while True:
                with writing(self.layout):
                    self._tables.clear()
                    committed = load_committed(self.layout)
                    goes = self._batch(committed)
                    if not self._level:
                        self._catch_up(committed)
                if not goes or not goes_on():
                    return committed
        except BaseException:
            self._lose()
            raise
        finally:
            if collecting:
                gc.enable()

    def _batch(self, committed: Committed) -> bool:
        """Read and commit one batch; False when it reached the end of every journal.

        A batch that isn't full is the last of its pass: what was written meanwhile waits for the next one. To go on
        would be a commit of a few rows after the other, for as long as there is traffic.
        """
        self._directory.refresh()
        journal = segments(self.layout.journal)
        positions = {slot: committed.position(slot) for slot in journal}
        for slot, position in positions.items():
            if journal[slot][-1].number < position.segment:
                raise StateError(
                    f"the journal of {slot} ends at segment {journal[slot][-1].number}, "
                    f"but the log has it up to {position.segment}: "
                    "was an older journal folder put back? Move its files away, or restore journal/ and log/ together"
                )
        self._watch(lambda: self.watch.begin({slot: position.pack() for slot, position in positions.items()}))
        shares: dict[str, Share] = {}
        moved: dict[str, Position] = {}
        damage: list[Damage] = []
        read, active = 0, list(journal)
        while active and read < BATCH_BYTES:
            for slot in list(active):
                chunk = read_chunk(journal[slot], moved.get(slot, positions[slot]), _CHUNK_BYTES)
                if chunk is None:
                    active.remove(slot)
                    continue
                moved[slot] = chunk.end
                read += max(1, chunk.end.offset - chunk.start.offset)
                for endpoint, share in deal(chunk, chunk.records(), self._directory, self._already).items():
                    have = shares.setdefault(endpoint, Share([], []))
                    have.predictions += share.predictions
                    have.feedback += share.feedback
                damage += chunk.damage
        if not moved:
            return False
        for endpoint, share in sorted(shares.items(), key=lambda item: item[0] == UNMATCHED):
            if share.predictions:
                committed.rows += self._predictions(endpoint, share, moved)
            if share.feedback:
                committed.feedback += self._feedback(endpoint, share, moved)
        committed.note(damage)
        packed = {slot: position.pack() for slot, position in moved.items()}
        committed.positions |= packed
        save_committed(self.layout, committed)
        if self._level:
            self._watch(lambda: self.watch.commit(packed))
        return bool(active)

    def _predictions(self, endpoint: str, share: Share, moved: dict[str, Position]) -> int:
        frame = self._frame(endpoint, share)
        self._append(endpoint, True, frame, moved)
        if self._level and endpoint != UNMATCHED:
            self._watch(lambda: self.watch.take(endpoint, frame, self._maker(endpoint).book))
        return int(frame.height)

    def _frame(self, endpoint: str, share: Share) -> pl.DataFrame:
        maker = self._maker(endpoint)
        for key in {(record.model, record.version) for record in share.predictions}:
            if key in self._directory.signatures:
                maker.book.learn(*key, self._directory.signatures[key])
        frame = maker.frame(share.predictions)
        share.predictions.clear()
        maker.book.save()
        return frame

    @property
    def level(self) -> bool:
        """Whether the profiles have all that the tables have."""
        return self._level

    # -- profiles -----------------------------------------------------------------------------------------------------

    def _watch(self, act: Callable[[], None]) -> None:
        """Do something for the profiles. Where that fails they fall behind, and the log goes on."""
        try:
            act()
        except (
            Exception
        ) as exc:  # a locked database, a full disk, or a value that nobody thought of: never the log's end
            self.watch_error = f"{type(exc).__name__}: {exc}"
            self._lose()

    def _lose(self) -> None:
        self._level = False
        with contextlib.suppress(StateError):
            self.watch.abandon()

    def _catch_up(self, committed: Committed) -> None:
        """Fold what the tables have and the profiles haven't, from the journal. After it they are level, or say why not."""
        journal = segments(self.layout.journal)
        goal = {slot: committed.position(slot) for slot in journal}
        try:
            self.watch.begin({slot: position.pack() for slot, position in goal.items()})
            places = {slot: Position.unpack(self.watch.positions[slot]) for slot in journal}
            while behind := [slot for slot in journal if places[slot] < goal[slot]]:
                moved: dict[str, int] = {}
                for slot in behind:
                    chunk = read_chunk(journal[slot], places[slot], _CHUNK_BYTES)
                    if chunk is None or chunk.start > goal[slot]:
                        places[slot] = goal[
                            slot
                        ]  # the journal no longer has it: what is lost to profiles is in the log
                        moved[slot] = goal[slot].pack()
                        continue
                    shares = deal(chunk, _before(chunk, goal[slot]), self._directory)
                    for endpoint, share in shares.items():
                        if share.predictions and endpoint != UNMATCHED:
                            frame = self._frame(endpoint, share)
                            self.watch.take(endpoint, frame, self._maker(endpoint).book)
                    places[slot] = min(chunk.end, goal[slot])
                    moved[slot] = places[slot].pack()
                self.watch.commit(moved)
        except Exception as exc:
            self.watch_error = f"{type(exc).__name__}: {exc}"
            self._lose()
        else:
            self.watch_error = ""
            self._level = True

    def _feedback(self, endpoint: str, share: Share, moved: dict[str, Position]) -> int:
        table = self._table(endpoint, False)
        frame = without_known_keys(feedback_frame(share.feedback), table.scan())
        if frame.height:
            self._append(endpoint, False, frame, moved)
        return int(frame.height)

    def _append(self, endpoint: str, is_prediction: bool, frame: object, moved: dict[str, Position]) -> None:
        table = self._table(endpoint, is_prediction)
        ahead = {slot: max(position, table.position(slot)) for slot, position in moved.items()}
        try:
            table.append(frame, ahead)  # type: ignore[arg-type]
        except BaseException:
            self._swept.discard((endpoint, is_prediction))  # what the failed write left is swept before the next one
            raise
        self.touched.add(endpoint)

    def _already(self, endpoint: str, is_prediction: bool, slot: str) -> Position:
        return self._table(endpoint, is_prediction).position(slot)

    def _table(self, endpoint: str, is_prediction: bool) -> Table:
        key = (endpoint, is_prediction)
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = (predictions if is_prediction else feedback)(self.layout, endpoint)
            table.open()
            if key not in self._swept:
                table.sweep()
                self._swept.add(key)
        return table

    def _maker(self, endpoint: str) -> FrameMaker:
        maker = self._makers.get(endpoint)
        if maker is None:
            book = ColumnBook(self.layout.log(endpoint) / "columns.json")
            maker = self._makers[endpoint] = FrameMaker(book, BlobStore(self.layout.blobs))
        options = self.options
        maker.blobs.policy = options.blobs
        maker.blobs.share = options.blob_sample
        maker.blobs.limit = options.blob_size
        return maker


def _before(chunk: Chunk, goal: Position) -> list[Record | None]:
    """The chunk's records that begin before `goal`."""
    records = chunk.records()
    if chunk.end <= goal or chunk.start.segment != goal.segment:
        return records
    return [record if at < goal.offset else None for record, at in zip(records, chunk.offsets(), strict=True)]
