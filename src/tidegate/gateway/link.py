"""One connection from a gateway to a runner: many requests in flight, one write a turn of the loop.

send(pending) --frames--> Unix socket --replies--> owner.replied(...)   |   connection lost --> owner.lost(link, pendings)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tidegate.wire.frames import REPLY, request_frame
from tidegate.wire.trace import handed_on

if TYPE_CHECKING:
    from tidegate.gateway.data_plane import DataPlane, Pending

AFTERLIFE = 0.05
"""Seconds before a lost runner is looked for again: one that is dying may still take a connection, and the retry would be spent on it."""

_FOLDERS: dict[str, int] = {}


def short_path(path: str) -> str:
    """A name for a Unix socket that fits the kernel's 107 bytes, however deep the state folder lies (Linux)."""
    if len(path.encode()) <= 100:
        return path
    folder, name = os.path.split(path)
    fd = _FOLDERS.get(folder)
    if fd is None:
        fd = _FOLDERS[folder] = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    return f"/proc/self/fd/{fd}/{name}"


class Link(asyncio.Protocol):
    """Keeps itself connected to one runner's socket until closed."""

    def __init__(self, path: str, owner: DataPlane) -> None:
        self.path = path
        self.waiting: dict[int, Pending] = {}
        self.connected = False
        self.up = asyncio.Event()
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._next = 0
        self._closed = False
        self._task = self._loop.create_task(self._keep_connected())

    async def _keep_connected(self, after: float = 0.0) -> None:
        delay = 0.01
        if after:
            await asyncio.sleep(after)
        while not self._closed:
            try:
                if Path(self.path).exists():
                    await self._loop.create_unix_connection(lambda: self, short_path(self.path))
                    return
            except OSError:
                pass
            await asyncio.sleep(delay)
            delay = min(delay * 1.5, 0.25)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = wire = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass of it
        wire.set_write_buffer_limits(high=1 << 30)
        self._buffer.clear()
        self._out.clear()
        self.connected = True
        self.up.set()
        self._owner.linked(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.connected = False
        self.up.clear()
        lost = list(self.waiting.values())
        self.waiting.clear()
        self._owner.lost(self, lost)
        if not self._closed:
            self._task = self._loop.create_task(self._keep_connected(AFTERLIFE))

    def send(self, pending: Pending, budget_ms: int) -> None:
        """Queue one request; it leaves with all others of this turn of the loop."""
        call = self._next = (self._next + 1) & 0xFFFFFFFF
        pending.number = call
        pending.link = self
        self.waiting[call] = pending
        request = pending.call
        body = request.body
        out = self._out
        if not out:
            self._loop.call_soon(self._flush)
        trace = b""
        if request.trace and pending.target.version.traces:
            trace = handed_on(request.trace, pending.id, request.trace_state)
        out.append(request_frame(call, request.codec, request.flags, budget_ms, request.json_length, len(body), trace))
        out.append(body)

    def _flush(self) -> None:
        out = self._out
        if out and self._transport is not None:
            self._out = []
            self._transport.writelines(out) if len(out) > 64 and sum(
                map(len, out)
            ) > 1 << 20 else self._transport.write(b"".join(out))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        if buffer:
            buffer += data
            source: bytes | bytearray = buffer
        else:
            source = data
        at, end = 0, len(source)
        unpack, head = REPLY.unpack_from, REPLY.size
        pop, replied = self.waiting.pop, self._owner.replied
        while end - at >= head:
            length, call, status, batch, rows, queue_us, infer_us, id_length, json_length = unpack(source, at)
            stop = at + 4 + length
            if stop > end:
                break
            pending = pop(call, None)
            if pending is not None:  # else it timed out and was answered
                replied(
                    pending,
                    status,
                    batch,
                    rows,
                    queue_us,
                    infer_us,
                    id_length,
                    json_length,
                    bytes(source[at + head : stop]),
                )
            at = stop
        if source is buffer:
            del buffer[:at]
        elif at < end:
            buffer += source[at:]
        self._owner.settle()

    def close(self) -> None:
        """Let go of the runner. Requests in flight should have been answered before."""
        self._closed = True
        self._task.cancel()
        if self._transport is not None:
            with contextlib.suppress(Exception):
                self._transport.close()
