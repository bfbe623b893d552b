"""The journal's writer: whole lines in, on disk before `done` is called.

    event loop --submit(lines, done)--> queue --> writer thread --one write--> <slot>-<segment>.ndjson --> done(ok) on the loop

The thread writes everything that gathered while its last write ran, in one system call, so a slow disk delays answers and never the
loop. A write that is cut short (a full disk) is cut back to its last whole line, so that a reader never meets half a line in the
middle of a segment; it is not cut further, as ingest may have read the whole ones already. What isn't wholly on disk has failed. A
batch that isn't on disk within `deadline` is reported as failed to its caller at once; it may still be written later, as a record of
an answer that was never given.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import msgspec

Done = Callable[[bool], None]

_STOP = object()
_ROTATE = object()


class JournalStatus(msgspec.Struct):
    """Where the writer stands; `failed` counts lines that could not be written."""

    segment: int
    offset: int
    failed: int = 0
    healthy: bool = True
    error: str = ""


class _Batch:
    __slots__ = ("done", "lines", "settled", "since")

    def __init__(self, lines: list[bytes], done: Done, since: float) -> None:
        self.lines = lines
        self.done = done
        self.since = since
        self.settled = False


def segment_name(slot: str, segment: int) -> str:
    """`g0`, 7 -> `g0-00000007.ndjson`."""
    return f"{slot}-{segment:08d}.ndjson"


def next_segment(folder: Path, slot: str) -> int:
    """One past the newest segment of this slot, so that a new process never appends after a torn line."""
    numbers = [
        int(p.stem.rpartition("-")[2]) for p in folder.glob(f"{slot}-*.ndjson") if p.stem.rpartition("-")[0] == slot
    ]
    low = folder / f"{slot}.next"  # segments may all have been deleted after ingest; numbers must not come back
    try:
        numbers.append(int(low.read_text()) - 1)
    except (FileNotFoundError, ValueError):
        pass
    return max(numbers, default=-1) + 1


class JournalWriter:
    """One per gateway worker. All methods are for the event loop's thread."""

    def __init__(
        self,
        folder: Path,
        slot: str,
        *,
        segment_size: int = 64_000_000,
        fsync: bool = False,
        deadline: float = 2.0,
    ) -> None:
        self._folder = folder
        self._slot = slot
        self._segment_size = segment_size
        self._fsync = fsync
        self._deadline = deadline
        self._queue: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._outstanding: deque[_Batch] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._fd = -1
        self._torn = False
        self.status = JournalStatus(next_segment(folder, slot), 0)
        self._thread = threading.Thread(target=self._run, name=f"journal-{slot}", daemon=True)

    def start(self) -> None:
        """Open the first segment and start the thread. Errors: OSError when the folder can't be written at all."""
        self._loop = asyncio.get_running_loop()
        self._fd = self._open(self.status.segment)
        self._thread.start()
        self._timer = self._loop.call_later(self._deadline / 4, self._check_deadlines)

    def submit(self, lines: list[bytes], done: Done) -> None:
        """Append whole lines (each ends in a newline). `done(ok)` is called on the loop, once, when they are on disk or have failed."""
        batch = _Batch(lines, done, time.monotonic())
        self._outstanding.append(batch)
        self._queue.put(batch)

    def rotate(self) -> None:
        """Close the segment, so that a reader may have all of it, and go on in the next."""
        self._queue.put(_ROTATE)

    @property
    def busy(self) -> bool:
        """Whether anybody still waits for a write."""
        return any(not batch.settled for batch in self._outstanding)

    async def close(self) -> None:
        """Write what was submitted, then stop the thread."""
        if self._timer is not None:
            self._timer.cancel()
        self._queue.put(_STOP)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join, self._deadline * 2)
        await asyncio.sleep(0)

    # -- the loop's side

    def _check_deadlines(self) -> None:
        now = time.monotonic()
        while self._outstanding and self._outstanding[0].settled:
            self._outstanding.popleft()
        for batch in self._outstanding:
            if now - batch.since < self._deadline:
                break
            if not batch.settled:
                self.status.healthy = False
                self.status.error = f"a write took longer than {self._deadline:g} s"
                self._settle(batch, False)
        assert self._loop is not None
        self._timer = self._loop.call_later(self._deadline / 4, self._check_deadlines)

    def _settle(self, batch: _Batch, ok: bool) -> None:
        if batch.settled:
            return
        batch.settled = True
        if not ok:
            self.status.failed += len(batch.lines)
        batch.lines = []
        batch.done(ok)

    def _written(self, good: list[_Batch], failed: list[_Batch], error: str | None) -> None:
        if error is not None:
            self.status.healthy = not error
            self.status.error = error
        for batch in good:
            self._settle(batch, True)
        for batch in failed:
            self._settle(batch, False)
        while self._outstanding and self._outstanding[0].settled:
            self._outstanding.popleft()

    # -- the thread's side

    def _open(self, segment: int) -> int:
        path = self._folder / segment_name(self._slot, segment)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            (self._folder / f"{self._slot}.next").write_text(str(segment + 1))
        except OSError:  # only a hint; on a full disk the segment itself is what matters
            pass
        return fd

    def _run(self) -> None:
        assert self._loop is not None
        get, get_now = self._queue.get, self._queue.get_nowait
        while True:
            items = [get()]
            try:
                while True:
                    items.append(get_now())
            except queue.Empty:
                pass
            batches = [item for item in items if isinstance(item, _Batch)]
            if batches:
                parts = [batch.lines for batch in batches]  # taken once: the loop empties those that it gives up
                kept, error = self._append([line for part in parts for line in part])
                good = len(batches)
                if error:
                    ends = accumulate(sum(map(len, part)) for part in parts)
                    good = sum(end <= kept for end in ends)
                wrote = any(parts)  # a round of empty batches alone says nothing of the disk
                try:
                    self._loop.call_soon_threadsafe(
                        self._written, batches[:good], batches[good:], error if wrote else None
                    )
                except RuntimeError:  # the loop is closed: nobody waits any more
                    return
            if _ROTATE in items or self.status.offset >= self._segment_size:
                self._next()
            if _STOP in items:
                os.close(self._fd)
                return

    def _append(self, lines: list[bytes]) -> tuple[int, str]:
        """How many bytes are safe on disk, all of them whole lines; and what went wrong, where that isn't all."""
        if not lines:  # given up by the loop, or an empty batch that asks when what was before it is done
            return 0, ""
        data = lines[0] if len(lines) == 1 else b"".join(lines)
        written = 0
        if self._torn and not self._mend():
            return 0, self._explain(self.status.error)
        start = self.status.offset
        try:
            while written < len(data):
                written += os.write(self._fd, data if not written else memoryview(data)[written:])
            self.status.offset = start + written
            if self._fsync:
                os.fdatasync(self._fd)
        except OSError as exc:
            whole = data.rfind(b"\n", 0, written) + 1
            self.status.offset = start + whole
            self._torn = written > whole
            if self._torn:
                self._mend()
            return 0 if self._fsync else whole, self._explain(exc.strerror or str(exc))
        return written, ""

    def _explain(self, why: str) -> str:
        return f"{why} ({self._folder / segment_name(self._slot, self.status.segment)})"

    def _mend(self) -> bool:
        """Cut half a line off the end; where even that fails, leave the segment and go on in a new one. False: neither works yet."""
        try:
            os.ftruncate(self._fd, self.status.offset)
            self._torn = False
        except OSError as exc:
            self.status.error = f"half a line can't be cut off: {exc.strerror or exc}"
            self._torn = not self._next()
        return not self._torn

    def _next(self) -> bool:
        """Whether the segment at hand is a new one."""
        if self.status.offset == 0 and os.fstat(self._fd).st_size == 0:
            return True
        try:
            fd = self._open(self.status.segment + 1)
        except OSError as exc:
            self.status.error = f"can't open a new segment: {exc.strerror or exc}"
            return False
        os.close(self._fd)
        self._fd = fd
        self.status.segment += 1
        self.status.offset = 0
        return True
