"""What keeps the disk in bounds: finished journal segments, small files, old rows, blobs that nothing refers to."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import msgspec

from tidegate.storage.journal_reader import Position, segments
from tidegate.storage.layout import Layout
from tidegate.storage.log.references import sweep_blobs
from tidegate.storage.log.status import load_committed
from tidegate.storage.log.tables import endpoints, feedback, predictions, writing
from tidegate.storage.options import LogOptions

HELD_AT_MOST = 2 * 86400.0
"""Seconds after which a hold that nobody renewed is no hold: whoever made it is gone."""


def held(layout: Layout) -> dict[str, int]:
    """The first segment of each slot that somebody still has to read (journal/holds/NAME.json: slot -> packed position)."""
    first: dict[str, int] = {}
    for path in (layout.journal / "holds").glob("*.json"):
        try:
            if time.time() - path.stat().st_mtime > HELD_AT_MOST:
                continue
            positions = msgspec.json.decode(path.read_bytes(), type=dict[str, int])
        except (OSError, msgspec.MsgspecError):
            continue
        for slot, packed in positions.items():
            segment = Position.unpack(packed).segment
            first[slot] = min(segment, first.get(slot, segment))
    return first


def drop_segments(layout: Layout, options: LogOptions, folded: Mapping[str, int] | None = None) -> int:
    """Delete the segments that every table (and the profiles, up to `folded`) has wholly and nobody holds. How many.

    The newest of each slot stays, so that numbers never come back."""
    with writing(layout):
        committed = load_committed(layout)
        needed = held(layout)
        for slot, packed in (folded or {}).items():
            first = Position.unpack(packed).segment
            needed[slot] = min(first, needed.get(slot, first))
        old = [
            segment
            for slot, files in segments(layout.journal).items()
            for segment in files[:-1]
            if segment.number < min(committed.position(slot).segment, needed.get(slot, segment.number + 1))
        ]
        if old and options.durability == "fsync":
            os.sync()  # the tables must outlive a power loss before the only other copy goes
        for segment in old:
            segment.path.unlink(missing_ok=True)
        return len(old)


def compact(layout: Layout, endpoint: str, options: LogOptions) -> bool:
    """Join the small files of an endpoint's tables where there are many. True if any was."""
    done = False
    for table in (predictions(layout, endpoint), feedback(layout, endpoint)):
        with writing(layout):
            table.open()
            if table.small_files() >= options.compact_files:
                table.compact()
                table.vacuum()
                done = True
    return done


def expire(layout: Layout, options: LogOptions, now: float | None = None) -> int:
    """Remove rows that are past their retention, and the blobs that only they referred to. How many rows."""
    moment = time.time() if now is None else now
    removed = 0
    for endpoint in endpoints(layout):
        for table, keep in (
            (predictions(layout, endpoint), options.retention),
            (feedback(layout, endpoint), options.feedback_retention),
        ):
            if keep > 0:
                with writing(layout):
                    table.open()
                    removed += table.expire(moment - keep)
                    table.vacuum()
    if removed:
        with writing(layout):
            sweep_blobs(layout)
    return removed
