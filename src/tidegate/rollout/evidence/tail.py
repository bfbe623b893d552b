"""The journal's lines of one endpoint, slot by slot, as they are appended.

    segments --read_chunk--> lines --"endpoint" in the bytes?--> decoded, without what evidence needn't

A line of another endpoint costs one search of bytes. `read` is bounded, so that a long backlog doesn't hold up the caller.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from tidegate.storage.journal_reader import Position, read_chunk, segments

CHUNK = 2 << 20


class Line(msgspec.Struct, gc=False):
    """A prediction's record, as far as evidence needs it. Fields as in types.records.PredictionRecord."""

    id: str
    endpoint: str
    version: str
    role: str
    status: int
    time: int = 0
    latency_us: int = 0
    unit: str = ""
    assignment: str = ""
    forced: bool = False
    mirror_of: str = ""
    fallback_of: str = ""
    error: str = ""
    codec: str = "v2"
    request: msgspec.Raw = msgspec.Raw(b"null")
    outputs: msgspec.Raw = msgspec.Raw(b"null")
    output_binary: str = ""
    kind: str = "prediction"


class Said(msgspec.Struct, gc=False):
    """Feedback, as far as evidence needs it."""

    prediction_id: str
    endpoint: str
    type: str
    value: bool | int | float | str | None = None
    name: str = ""
    kind: str = "feedback"


class Read(msgspec.Struct):
    """One line and where it begins."""

    position: Position
    line: Line


class Tail:
    """Reads on from `positions` (slot -> Position)."""

    def __init__(self, folder: Path, endpoint: str, positions: dict[str, Position], feedback: bool = False) -> None:
        self._folder = folder
        self._endpoint = endpoint
        self._mark = b'"endpoint":"' + endpoint.encode() + b'"'
        self._lines = msgspec.json.Decoder(Line)
        self._said = msgspec.json.Decoder(Said)
        self._feedback = feedback
        self.positions = dict(positions)
        self.lost = False
        """Whether a segment that should have been read was no longer there."""

    def read(self, budget: int = CHUNK) -> tuple[dict[str, list[Read]], list[Said]]:
        """What is new, by slot, up to about `budget` bytes a slot; and what people said of predictions."""
        found: dict[str, list[Read]] = {}
        said: list[Said] = []
        for slot, files in segments(self._folder).items():
            position = self.positions.get(slot, Position())
            if position.segment < files[0].number and position != Position():
                self.lost = True
            chunk = read_chunk(files, position, budget)
            if chunk is None:
                continue
            at = chunk.start.offset
            segment = chunk.start.segment
            for raw in chunk.lines:
                if self._mark in raw:
                    self._take(raw, Position(segment, at), found.setdefault(slot, []), said)
                at += len(raw) + 1
            self.positions[slot] = chunk.end
        return found, said

    def _take(self, raw: bytes, position: Position, lines: list[Read], said: list[Said]) -> None:
        try:
            line = self._lines.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            if self._feedback:
                with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):  # ingest says where there is damage
                    told = self._said.decode(raw)
                    if told.endpoint == self._endpoint:
                        said.append(told)
            return
        if line.endpoint == self._endpoint and line.kind == "prediction":
            lines.append(Read(position, line))


def end_of(folder: Path) -> dict[str, Position]:
    """Where each slot's journal ends now: a rollout needs nothing of what was before it."""
    ends: dict[str, Position] = {}
    for slot, files in segments(folder).items():
        last = files[-1]
        size = last.path.stat().st_size
        with last.path.open("rb") as file:  # a line that is being written belongs to what comes
            back = min(size, 1 << 20)
            file.seek(size - back)
            whole = file.read(back).rfind(b"\n") + 1
        ends[slot] = Position(last.number, size - back + whole)
    return ends
