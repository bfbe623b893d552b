"""Reads the journal: segments on disk -> whole lines, from any position, never a part of a line.

    <slot>-<segment:08d>.ndjson  --segments--> {slot: [Segment, ...]} --read_chunk--> Chunk(lines, start, end, damage)

A segment is finished once a later one of its slot exists: its writer never comes back to it. A finished segment that
doesn't end in a newline has a torn tail (its writer was killed within a write): the tail is skipped and reported. In
the newest segment such a tail may still be growing, so it is left for the next read. A line of blanks is one that was
erased.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import msgspec

from tidegate.types.records import FeedbackRecord, PredictionRecord

_NAME = re.compile(r"(?P<slot>[A-Za-z0-9_.-]+)-(?P<number>\d{8,})\.ndjson")
_OFFSET_BITS = 40

Record = PredictionRecord | FeedbackRecord

_prediction = msgspec.json.Decoder(PredictionRecord)
_feedback = msgspec.json.Decoder(FeedbackRecord)


class Position(NamedTuple):
    """A place in a slot's journal: all bytes before `offset` of `segment`, and all earlier segments, lie behind it.

    >>> Position.unpack(Position(3, 17).pack())
    Position(segment=3, offset=17)
    """

    segment: int = 0
    offset: int = 0

    def pack(self) -> int:
        """One 63-bit number that grows with the position: segment << 40 | offset."""
        return self.segment << _OFFSET_BITS | self.offset

    @classmethod
    def unpack(cls, packed: int) -> Position:
        return cls(packed >> _OFFSET_BITS, packed & ((1 << _OFFSET_BITS) - 1))


class Segment(NamedTuple):
    """One file of a slot."""

    slot: str
    number: int
    path: Path


class Damage(msgspec.Struct, frozen=True):
    """Bytes that are no record: where they are (bytes from the start of the segment) and what is wrong."""

    slot: str
    segment: int
    offset: int
    length: int
    reason: str


class Chunk(msgspec.Struct):
    """Whole lines of one segment, and the positions around them."""

    slot: str
    start: Position
    end: Position
    lines: list[bytes]
    damage: list[Damage]

    def offsets(self) -> list[int]:
        """The offset at which each line starts."""
        return list(accumulate((len(line) + 1 for line in self.lines), initial=self.start.offset))[:-1]

    def records(self) -> list[Record | None]:
        """The lines decoded; None for an erased line and for a corrupt one, which is added to `damage`."""
        out: list[Record | None] = []
        decode = _prediction.decode
        for number, line in enumerate(self.lines):
            try:
                out.append(decode(line))
            except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
                out.append(self._unusual(number, line, str(exc)))
        return out

    def _unusual(self, number: int, line: bytes, reason: str) -> Record | None:
        if not line.strip():
            return None
        try:
            return _feedback.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
            why = str(exc) if b'"prediction_id"' in line else reason
            offset = self.offsets()[number]
            self.damage.append(Damage(self.slot, self.start.segment, offset, len(line), f"not a record: {why}"))
            return None


def segments(folder: Path) -> dict[str, list[Segment]]:
    """Every slot's segments, oldest first."""
    found: dict[str, list[Segment]] = {}
    for entry in os.scandir(folder):
        match = _NAME.fullmatch(entry.name)
        if match:
            slot = match["slot"]
            found.setdefault(slot, []).append(Segment(slot, int(match["number"]), Path(entry.path)))
    return {slot: sorted(found[slot], key=lambda s: s.number) for slot in sorted(found)}


def read_chunk(slot_segments: list[Segment], position: Position, max_bytes: int = 8 << 20) -> Chunk | None:
    """The next whole lines at or after `position`: about `max_bytes` of them, at least one line, all of one segment.

    None when there is nothing new. `slot_segments` must have been listed before the call (that order makes "finished"
    safe).
    """
    for index, segment in enumerate(slot_segments):
        if segment.number < position.segment:
            continue
        offset = position.offset if segment.number == position.segment else 0
        finished = index + 1 < len(slot_segments)
        try:
            data = _read_lines(segment.path, offset, max_bytes)
        except FileNotFoundError:
            continue  # deleted since it was listed: that happens only to what every table has
        cut = data.rfind(b"\n") + 1
        if cut:
            lines = data[: cut - 1].split(b"\n")
            return Chunk(
                segment.slot, Position(segment.number, offset), Position(segment.number, offset + cut), lines, []
            )
        if data and finished:
            torn = Damage(segment.slot, segment.number, offset, len(data), "torn tail: the writer ended within a line")
            end = Position(segment.number, offset + len(data))
            return Chunk(segment.slot, Position(segment.number, offset), end, [], [torn])
        if not finished:
            return None
    return None


def _read_lines(path: Path, offset: int, max_bytes: int) -> bytes:
    """From `offset`: about max_bytes, more where a single line is longer, the rest of the file where there is less."""
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        data = file.read(max_bytes)
        if len(data) < max_bytes or b"\n" in data:
            return data
        parts = [data]
        while True:
            more = file.read(max_bytes)
            parts.append(more)
            if b"\n" in more or len(more) < max_bytes:
                return b"".join(parts)


def read_all(
    folder: Path, start: dict[str, Position] | None = None, max_bytes: int = 8 << 20
) -> Iterator[tuple[Chunk, list[Record | None]]]:
    """Every chunk of every slot from `start` to the present end, with its records."""
    for slot, files in segments(folder).items():
        position = (start or {}).get(slot, Position())
        while (chunk := read_chunk(files, position, max_bytes)) is not None:
            yield chunk, chunk.records()
            position = chunk.end


def behind(folder: Path, positions: dict[str, Position]) -> dict[str, int]:
    """Bytes of each slot that lie after its position."""
    left: dict[str, int] = {}
    for slot, files in segments(folder).items():
        position = positions.get(slot, Position())
        total = 0
        for segment in files:
            if segment.number >= position.segment:
                try:
                    size = segment.path.stat().st_size
                except FileNotFoundError:
                    continue
                total += max(0, size - (position.offset if segment.number == position.segment else 0))
        left[slot] = total
    return left
