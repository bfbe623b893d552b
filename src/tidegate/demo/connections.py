"""The Python client's calls over bare asyncio connections: what the replay needs on a machine that also serves.

    client.core program --Send--> an idle connection --> HTTP/1.1 kept alive --> Reply --> program ... --> result

tidegate.client builds the requests, reads the answers and decides on retries, as for any user; only the socket is
another. A general HTTP library costs milliseconds of processor time a request, and here it shares the cores with those
it asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TypeVar, cast
from urllib.parse import urlsplit

from tidegate.client.client import carry_out
from tidegate.client.core import Program, Reply, Send

T = TypeVar("T")


class Connections:
    """A pool that grows to the number of calls made at once. Belongs to one event loop."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._idle: list[_Connection] = []

    async def run(self, program: Program[T]) -> T:
        """Carry a program out. Errors: those of the program."""
        return await carry_out(program, self._send)

    def close(self) -> None:
        """Close what is idle."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _send(self, step: Send) -> Reply:
        loop = asyncio.get_running_loop()
        connection = self._idle.pop() if self._idle else None
        if connection is None or connection.closed:
            try:
                _, connection = await loop.create_connection(lambda: _Connection(self._host), self._host, self._port)
            except OSError as exc:
                return Reply(0, {}, b"", "connect", str(exc))
        reply = await connection.send(step, loop)
        if not connection.closed:
            self._idle.append(connection)
        return reply


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Reply] | None = None
        self._data = b""
        self.closed = False

    async def send(self, step: Send, loop: asyncio.AbstractEventLoop) -> Reply:
        """One exchange; a Reply of status 0 when it fails. The server's own time-out answers before this one does."""
        assert self._transport is not None
        self._answer = loop.create_future()
        lines = [f"{step.method} {step.path} HTTP/1.1", f"host: {self._host}", f"content-length: {len(step.content)}"]
        lines += [f"{name}: {value}" for name, value in step.headers.items()]
        self._transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + step.content)
        timer = loop.call_later(step.timeout + 0.5, self._give_up, "timeout", "no answer in time")
        try:
            return await self._answer
        finally:
            timer.cancel()
            if not self._answer.done() or self._answer.cancelled():
                self.close()  # cancelled half-way: what comes next on this connection is not for the next call

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        self._data = self._data + data if self._data else data
        found = parse(self._data)
        if found is None or self._answer is None or self._answer.done():
            return
        reply, self._data = found
        if reply.headers.get("connection") == "close":
            self.close()
        self._answer.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self._give_up("lost", str(exc) if exc else "the server closed the connection")

    def _give_up(self, failure: str, reason: str) -> None:
        self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Reply(0, {}, b"", "timeout" if failure == "timeout" else "lost", reason))


def parse(data: bytes) -> tuple[Reply, bytes] | None:
    """The first whole response in `data` and what follows it; None while it isn't whole. Needs a Content-Length.

    >>> parse(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhiHTTP")
    (Reply(status=200, headers={'content-length': '2'}, body=b'hi', failure='', reason=''), b'HTTP')
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *rest = data[:end].decode("latin-1").split("\r\n")
    headers: Mapping[str, str] = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)
    }
    size = end + 4 + int(headers.get("content-length", "0"))
    if len(data) < size:
        return None
    return Reply(int(first.split(" ", 2)[1]), headers, data[end + 4 : size]), data[size:]
