"""The journal as the tracer reads it: from a position of its own (run/traces.json), new lines only, never in anybody's way.

Traces are a sample: at the first start reading begins at the end, and where more than MOST bytes have piled up (the
collector was away) it goes on at the end again; how much was skipped is counted. A chunk that nobody took comes again.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tidegate.storage.journal_reader import Position, behind, read_chunk, segments
from tidegate.storage.layout import Layout, write_atomic

MOST = 64 << 20
CHUNK = 4 << 20


class Tail:
    """One reader."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._file = layout.run / "traces.json"
        self.skipped = 0
        """Bytes."""
        self.sent = 0
        """Spans of the chunk at hand that have arrived: its reader's to count, 0 at each new chunk."""
        try:
            packed = msgspec.json.decode(self._file.read_bytes(), type=dict[str, int])
            self._at = {slot: Position.unpack(one) for slot, one in packed.items()}
        except (OSError, msgspec.MsgspecError):
            self._at = self._ends()

    def chunks(self) -> Iterator[list[bytes]]:
        """Lines written since, some MiB at a time; a chunk is behind us once the next is asked for. `save` then."""
        folder = self._layout.journal
        left = behind(folder, self._at)
        if sum(left.values()) > MOST:
            self.skipped += sum(left.values())
            self._at, self.sent = self._ends(), 0
            return
        for slot, files in segments(folder).items():
            position = self._at.get(slot, Position())
            while (chunk := read_chunk(files, position, CHUNK)) is not None:
                yield chunk.lines
                position = self._at[slot] = chunk.end
                self.sent = 0

    def save(self) -> None:
        """Go on from here after a restart."""
        write_atomic(self._file, msgspec.json.encode({slot: one.pack() for slot, one in self._at.items()}))

    def _ends(self) -> dict[str, Position]:
        """The last whole line of each slot's newest segment: a line may be half written now."""
        ends = {}
        for slot, files in segments(self._layout.journal).items():
            position = Position(files[-1].number, 0)
            size = files[-1].path.stat().st_size
            with files[-1].path.open("rb") as file:
                start = max(0, size - CHUNK)
                file.seek(start)
                cut = file.read(size - start).rfind(b"\n") + 1
            ends[slot] = Position(position.segment, start + cut) if cut else position
        return ends
