"""One pass from the committed positions to the journal's present end.

    [lock -> chunks of every slot, up to BATCH_BYTES -> records -> a commit a table -> committed.json
          -> profiles and streams (watch.py) of the same rows -> unlock] ...

Killed before a table's commit, its records are read again. Killed after it and before committed.json, they are read
again, and dropped because the table's own position says that it has them. Each is tested with kill -9.

Profiles have positions of their own. Where they are behind the tables (after a kill between the two, or a database that
could not be written), they catch up from the journal first; the tables never wait for them.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tidegate.errors import StateError
from tidegate.ingest.watch import Watch
from tidegate.ingest.watch import log as log
from tidegate.metrics.descriptors.dispatch import describe
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
PATIENCE = 30.0
_CHUNK_BYTES = 8 << 20


_ELSEWHERE = (StateError, OSError, MemoryError)
"""What is no fault of the rows: tried again later, all of it."""


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
        self._first: dict[str, int] = {}
        """Where each slot stood when this process first met it (packed)."""
        self.patience = 1.0
        """Seconds until profiles that failed are tried again; twice as long each time, up to PATIENCE."""
        self._wait = 0.0
        self._again = 0.0

    def run(
        self, goes_on: Callable[[], bool] = lambda: True, catches_up: Callable[[], bool] = lambda: True
    ) -> Committed:
        """One pass; `goes_on` is asked between batches, `catches_up` before profiles that are behind go on with another
        one. Errors: StateError, OSError, DeltaError; what was committed stays."""
        collecting = gc.isenabled()
        # a batch is a million small lists, none of them in a cycle: the collector would visit each, many times
        gc.disable()
        try:
            more = True
            while True:
                with writing(self.layout):
                    more = self._turn(more)
                if not (more or (self._behind() and catches_up())) or not goes_on():
                    return self._committed
        except BaseException:
            self._lose()
            raise
        finally:
            if collecting:
                gc.enable()

    def bring_up(self) -> Committed:
        """All of the journal, for a caller who holds the log's lock. Errors: StateError where the profiles can't follow."""
        more = True
        while more or self._behind():
            more = self._turn(more)
        if not self._level:
            raise StateError(f"the profiles can't be brought up to the log: {self.watch_error}")
        return self._committed

    def keep(self, now: float) -> None:
        """What profiles need now and then (watch.keep); `now` of a steady clock."""
        if self._level:
            with writing(self.layout):
                self._watch(lambda: self.watch.keep(now))

    def _turn(self, more: bool) -> bool:
        self._tables.clear()
        self._committed = load_committed(self.layout)
        if more:
            more = self._batch(self._committed)
        if not self._level and time.monotonic() >= self._again:
            self._catch_up(self._committed)
        return more

    def _behind(self) -> bool:
        """Whether profiles are behind and may be tried at once."""
        return not self._level and time.monotonic() >= self._again

    def _batch(self, committed: Committed) -> bool:
        """Read and commit one batch; False when it reached the end of every journal.

        A batch that isn't full is the last of its pass: what was written meanwhile waits for the next one. To go on
        would be a commit of a few rows after the other, for as long as there is traffic.
        """
        self._directory.refresh()
        journal = segments(self.layout.journal)
        positions = {slot: committed.position(slot) for slot in journal}
        for slot, position in positions.items():
            self._first.setdefault(slot, position.pack())
        for slot, position in positions.items():
            if journal[slot][-1].number < position.segment:
                raise StateError(
                    f"the journal of {slot} ends at segment {journal[slot][-1].number}, "
                    f"but the log has it up to {position.segment}: "
                    "was an older journal folder put back? Move its files away, or restore journal/ and log/ together"
                )
        if self._level or time.monotonic() >= self._again:
            # before anything is committed: where slots begin must not be forgotten by a kill
            self._watch(lambda: self._begin(positions))
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

    def folded(self, committed: Committed) -> dict[str, int]:
        """How far each slot is in the profiles, as far as it is known: what comes after it is still needed."""
        known = self.watch.positions
        return {slot: known.get(slot, 0) if known is not None else 0 for slot in committed.positions}

    # -- profiles -----------------------------------------------------------------------------------------------------

    def _begin(self, here: dict[str, Position]) -> dict[str, int]:
        """How far each slot is in the profiles; where they aren't level with the tables, that is noted."""
        folded = self.watch.begin({slot: self._first.get(slot, at.pack()) for slot, at in here.items()})
        if any(folded[slot] != at.pack() for slot, at in here.items()):
            self._level = False
        return folded

    def _watch(self, act: Callable[[], object]) -> None:
        """Do something for the profiles. Where that fails they fall behind, and the log goes on."""
        try:
            act()
        except Exception as exc:  # a locked database, a full disk, a value that nobody thought of: never the log's end
            self._fail(exc)

    def _fail(self, exc: Exception, again_later: bool = False) -> None:
        self.watch_error = f"{type(exc).__name__}: {exc}"
        self._lose()
        if again_later or isinstance(exc, _ELSEWHERE):
            self._wait = min(PATIENCE, self._wait * 2 or self.patience)
            self._again = time.monotonic() + self._wait

    def _lose(self) -> None:
        self._level = False
        self.watch.abandon()

    def _catch_up(self, committed: Committed) -> None:
        """Fold what the tables have and the profiles haven't, from the journal: one batch of it at most."""
        journal = segments(self.layout.journal)
        goal = {slot: committed.position(slot) for slot in journal}
        try:
            folded = self._begin(goal)
            places = {slot: Position.unpack(folded[slot]) for slot in journal}
            read = 0
            while (behind := [slot for slot in journal if places[slot] < goal[slot]]) and read < BATCH_BYTES:
                for slot in behind:
                    chunk = read_chunk(journal[slot], places[slot], _CHUNK_BYTES)
                    if chunk is None or chunk.start > goal[slot]:
                        # the journal no longer has it: what profiles miss is in the log
                        self.watch.begin({})
                        self.watch.commit({slot: goal[slot].pack()})
                        places[slot] = goal[slot]
                        continue
                    places[slot] = min(chunk.end, goal[slot])
                    read += max(1, chunk.end.offset - chunk.start.offset)
                    self._fold(chunk, goal[slot], places[slot])
        except Exception as exc:
            self._fail(exc, again_later=True)
        else:
            self.watch_error = ""
            self._wait = 0.0
            self._level = not any(places[slot] != goal[slot] for slot in journal)

    def _fold(self, chunk: Chunk, goal: Position, end: Position) -> None:
        """One chunk into the profiles. Rows of an endpoint that can't be summarised are left out, and that is said."""
        left_out: set[str] = set()
        while True:
            self.watch.begin({})
            shares = deal(chunk, _before(chunk, goal), self._directory)
            for endpoint, share in shares.items():
                if share.predictions and endpoint != UNMATCHED and endpoint not in left_out:
                    count = len(share.predictions)
                    try:
                        frame = self._frame(endpoint, share)
                        self.watch.take(endpoint, frame, self._maker(endpoint).book)
                    except _ELSEWHERE:
                        raise
                    except Exception as exc:
                        log(f"{count} predictions of {endpoint} are in no profile: {type(exc).__name__}: {exc}")
                        left_out.add(endpoint)
                        break
            else:
                self.watch.commit({chunk.slot: end.pack()})
                return
            self.watch.abandon()

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
            maker = self._makers[endpoint] = FrameMaker(book, BlobStore(self.layout.blobs), describe)
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
