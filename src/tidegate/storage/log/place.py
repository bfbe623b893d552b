"""Which table a record belongs to, and how a chunk of the journal is dealt out to the tables.

A record whose request reached a version, or names a known endpoint, goes to that endpoint's table. Everything else (a
caller's wrong model name, say) goes to `_unmatched`, so that wrong names can't fill the disk with tables. That table
is committed last: what it has, all have, even where an endpoint became known in between and the record would now go
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tidegate.storage.journal_reader import Chunk, Position, Record
from tidegate.storage.layout import Layout
from tidegate.storage.log.tables import endpoints
from tidegate.types.inference import Signature
from tidegate.types.records import FeedbackRecord, PredictionRecord
from tidegate.types.traffic import RoutingTable

UNMATCHED = "_unmatched"

Already = Callable[[str, bool, str], Position]
"""(endpoint, predictions rather than feedback, slot) -> up to where that table has the slot's journal."""


class Share(msgspec.Struct):
    """One endpoint's records of a chunk."""

    predictions: list[PredictionRecord] = []
    feedback: list[FeedbackRecord] = []


class Directory:
    """Known endpoints and signatures: the routing table's (read again when it changes), and those that have a log."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._stamp = 0
        self.routed: set[str] = set()
        self._logged: set[str] = set()
        self.signatures: dict[tuple[str, str], Signature] = {}

    def refresh(self) -> None:
        self._logged = set(endpoints(self._layout))
        path = self._layout.root / "run" / "routing.json"
        try:
            stamp = path.stat().st_mtime_ns
            if stamp == self._stamp:
                return
            table = msgspec.json.decode(path.read_bytes(), type=RoutingTable)
        except (FileNotFoundError, msgspec.MsgspecError):
            return
        self._stamp = stamp
        self.routed = {endpoint.name for endpoint in table.endpoints}
        for version in table.versions:
            if version.signature is not None:
                self.signatures[version.model, version.version] = version.signature

    def place(self, record: Record) -> str:
        """The endpoint whose table it goes to."""
        name = record.endpoint
        if name in self.routed or name in self._logged:
            return name
        if isinstance(record, PredictionRecord) and record.version and _plain(name):
            return name
        return UNMATCHED


def deal(
    chunk: Chunk, records: list[Record | None], directory: Directory, already: Already | None = None
) -> dict[str, Share]:
    """The records of a chunk by endpoint, without those that their table has already (`already` says up to where)."""
    shares: dict[str, Share] = {}
    offsets: list[int] | None = None
    limits: dict[tuple[str, bool], int] = {}
    for number, record in enumerate(records):
        if record is None:
            continue
        name = directory.place(record)
        is_prediction = isinstance(record, PredictionRecord)
        if already is not None:
            limit = limits.get((name, is_prediction))
            if limit is None:
                limit = limits[name, is_prediction] = max(
                    _limit(already(name, is_prediction, chunk.slot), chunk),
                    _limit(already(UNMATCHED, is_prediction, chunk.slot), chunk),
                )
            if limit > chunk.start.offset:
                offsets = offsets or chunk.offsets()
                if offsets[number] < limit:
                    continue
        share = shares.get(name)
        if share is None:
            share = shares[name] = Share([], [])
        if isinstance(record, PredictionRecord):
            share.predictions.append(record)
        else:
            share.feedback.append(record)
    return shares


def _limit(position: Position, chunk: Chunk) -> int:
    """The offset in the chunk's segment below which a table has everything."""
    if position.segment == chunk.start.segment:
        return position.offset
    return chunk.end.offset if position.segment > chunk.start.segment else 0


def _plain(name: str) -> bool:
    return bool(name) and len(name) <= 100 and name[0].isalnum() and all(c.isalnum() or c in "_.-" for c in name)
