"""Journal -> review tasks, a quarter of a second after a request: people wait for no flush of the log.

    lines since the last look --"review" in the bytes?--> records --one transaction: tasks, positions--> state.db

Nothing is read until some endpoint has a degree of automation. From then on each line is looked at once; a kill between two
looks repeats one, and a task that is there is not made again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidegate.storage.journal_reader import Position, read_chunk, segments
from tidegate.storage.layout import Layout
from tidegate.types.records import PredictionRecord
from tidegate.types.traffic import RoutingTable

if TYPE_CHECKING:
    from tidegate.storage.review import ReviewStore

MARK = b',"review":{"queue":"'
CHUNK = 4 << 20


class ReviewTasks:
    """Of one ingest process."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._store: ReviewStore | None = None
        self._stamp = 0
        self._on = False
        self._positions: dict[str, Position] = {}

    def look(self) -> int:
        """Read on to the journal's present end; how many tasks are new. Errors: StateError, OSError; the next look repeats it."""
        if not self._wanted():
            return 0
        if self._store is None:
            from tidegate.storage.review import ReviewStore  # the database's library, only where people decide

            self._store = ReviewStore(self._layout)
            self._positions = {slot: Position.unpack(at) for slot, at in self._store.positions().items()}
        made = 0
        for slot, files in segments(self._layout.journal).items():
            while (chunk := read_chunk(files, self._positions.get(slot, Position()), CHUNK)) is not None:
                found = [self._record(line) for line in chunk.lines if MARK in line]
                made += self._store.create([one for one in found if one is not None], {slot: chunk.end.pack()})
                self._positions[slot] = chunk.end
        return made

    def _wanted(self) -> bool:
        """Whether an endpoint has, or once had, people beside its model."""
        if self._on:
            return True
        try:
            stamp = self._layout.routing.stat().st_mtime_ns
            if stamp != self._stamp:
                self._stamp = stamp
                table = msgspec.json.decode(self._layout.routing.read_bytes(), type=RoutingTable)
                self._on = any(one.automation is not None for one in table.endpoints)
        except (FileNotFoundError, msgspec.MsgspecError):
            pass
        return self._on

    @staticmethod
    def _record(line: bytes) -> PredictionRecord | None:
        """A line that holds the mark within a text of its own is none of ours."""
        try:
            found = msgspec.json.decode(line, type=PredictionRecord)
        except msgspec.MsgspecError:
            return None
        return found if found.review is not None else None
