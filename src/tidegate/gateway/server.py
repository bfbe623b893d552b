"""HTTP/1.1 over asyncio: llhttp (httptools) parses, and a finished request goes to the door as one object. No task, no thread.

    bytes --llhttp--> Exchange(method, target, headers, body) --door.take--> ... --exchange.respond--> bytes

A connection is answered in order; while one request is worked on, the next ones of the same connection wait unparsed beyond a small
number. Limits hold before memory is spent: on the head's size, on the body's (413 before it is read), on how long a client may take to
send either, and on the number of connections.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final, Protocol, cast

import httptools

MAX_HEAD: Final = 65536
MAX_QUEUED: Final = 32
HEAD_TIMEOUT: Final = 15.0
BODY_TIMEOUT: Final = 30.0
SLOWEST_BODY: Final = 50_000  # bytes a second; a body may take BODY_TIMEOUT and what it needs at this pace
IDLE_TIMEOUT: Final = 120.0

_LINES: Final = {s.value: b"HTTP/1.1 %d %b\r\n" % (s.value, s.phrase.encode()) for s in HTTPStatus}


class Exchange:
    """One request, and the way to answer it. Header names are lower case."""

    __slots__ = ("body", "connection", "headers", "keep_alive", "limit", "method", "parts", "size", "url")

    def __init__(self, connection: Connection, url: bytes) -> None:
        self.connection = connection
        self.url = url
        self.method = b""
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.parts: list[bytes] | None = None
        self.size = 0
        self.limit = 0
        self.keep_alive = True

    def get(self, name: bytes) -> str | None:
        """A header's value."""
        value = self.headers.get(name)
        return value.decode("latin-1") if value is not None else None

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        """Answer. `headers` are whole lines (`name: value\\r\\n`), without content-length, date and connection."""
        self.connection.respond(self, status, headers, body)


class Door(Protocol):
    """What stands behind the server."""

    def limit(self, exchange: Exchange) -> int:
        """The most bytes its body may have."""
        ...

    def take(self, exchange: Exchange) -> None:
        """A whole request. `respond` must be called once, now or later."""
        ...

    def refuse(self, exchange: Exchange, status: int, message: str) -> None:
        """A request that the server itself refuses (too large): say so in the protocol's form, with `respond`."""
        ...


class Connection(asyncio.Protocol):
    """One client. Also the parser's callbacks."""

    __slots__ = (
        "_closing",
        "_current",
        "_exchange",
        "_head",
        "_parser",
        "_paused",
        "_queue",
        "_server",
        "_skip",
        "_transport",
        "expected",
        "since",
    )  # fmt: skip

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._parser: Any = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None  # being received
        self._current: Exchange | None = None  # being answered
        self._queue: deque[Exchange] | None = None
        self._head = 0
        self._skip = False
        self._closing = False
        self._paused = False
        self.since = time.monotonic()
        self.expected = 0

    # -- the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        server = self._server
        if len(server.connections) >= server.max_connections:
            body = b'{"error":"too many connections"}'
            self._transport.write(
                b"%bcontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
                % (_LINES[503], len(body), body)
            )
            self.close()
            return
        server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._closing = True
        self._transport = None
        self._queue = None

    def pause_writing(self) -> None:
        """The client reads slower than we answer: read no more from it."""
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        if self._transport is not None and not self._closing:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._bad(400, "this server speaks HTTP/1.1 only")
        except httptools.HttpParserCallbackError:
            if not self._closing:
                raise
        except httptools.HttpParserError as exc:
            self._bad(400, f"the request is not valid HTTP/1.1: {exc}")

    # -- the parser

    def on_url(self, url: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self._exchange = Exchange(self, url)
            self._head = len(url)
            self.since = time.monotonic()
        else:  # a long target comes in pieces
            exchange.url += url
            self._head += len(url)
            if self._head > MAX_HEAD:
                self._bad(414, f"the request's target has more than {MAX_HEAD} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        exchange = self._exchange
        if exchange is None:  # a trailer
            return
        self._head += len(name) + len(value)
        if self._head > MAX_HEAD:
            self._bad(431, f"the request's head has more than {MAX_HEAD} bytes")
            return
        exchange.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        exchange = self._exchange
        if exchange is None or self._closing:
            return
        exchange.method = self._parser.get_method()
        length = exchange.headers.get(b"content-length")
        if length is not None or b"transfer-encoding" in exchange.headers:
            exchange.limit = self._server.door.limit(exchange)
            if length is not None:
                self.expected = int(length)
                if self.expected > exchange.limit:
                    self._too_large(
                        exchange, f"the body has {self.expected} bytes, the limit is {exchange.limit} (maxBody)"
                    )
                    return
            if (
                exchange.headers.get(b"expect", b"").lower() == b"100-continue"
                and self._transport is not None
                and not self._busy()
            ):
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        exchange = self._exchange
        if exchange is None or self._closing or self._skip:
            return
        exchange.size += len(body)
        if exchange.size > exchange.limit:
            self._too_large(exchange, f"the body has more than {exchange.limit} bytes (maxBody)")
        elif exchange.parts is not None:
            exchange.parts.append(body)
        elif exchange.body:
            exchange.parts = [exchange.body, body]
        else:
            exchange.body = body

    def on_message_complete(self) -> None:
        exchange = self._exchange
        self._exchange = None
        self.expected = 0
        if exchange is None or self._closing or self._skip:
            return
        if exchange.parts is not None:
            exchange.body = b"".join(exchange.parts)
            exchange.parts = None
        exchange.keep_alive = self._parser.should_keep_alive()
        if self._busy():
            if self._queue is None:
                self._queue = deque()
            self._queue.append(exchange)
            if len(self._queue) >= MAX_QUEUED and self._transport is not None:
                self._transport.pause_reading()
            return
        self._current = exchange
        self._server.door.take(exchange)

    def _busy(self) -> bool:
        return self._current is not None or bool(self._queue)

    # -- answers

    def respond(self, exchange: Exchange, status: int, headers: bytes, body: bytes) -> None:
        transport = self._transport
        if transport is None or exchange is not self._current:
            return  # the client has gone
        keep = exchange.keep_alive and not self._server.draining and not self._skip
        transport.write(
            b"%b%bdate: %b\r\ncontent-length: %d\r\n%b\r\n%b"
            % (
                _LINES[status], headers, self._server.date(), len(body), b"" if keep else b"connection: close\r\n",
                b"" if exchange.method == b"HEAD" else body,
            )
        )  # fmt: skip
        self._current = None
        self.since = time.monotonic()
        if not keep:
            self.close()
        elif self._queue:
            self._next()

    def _next(self) -> None:
        assert self._queue is not None
        exchange = self._queue.popleft()
        if not self._queue and self._transport is not None and not self._paused:
            self._transport.resume_reading()
        self._current = exchange
        # not from within the last answer: a client's hundred pipelined requests must not nest a hundred deep
        asyncio.get_running_loop().call_soon(self._server.door.take, exchange)

    def _too_large(self, exchange: Exchange, message: str) -> None:
        """Answer at once, and let what still comes in fall: the connection ends with the answer."""
        self._skip = True
        self._exchange = None
        if self._current is None:
            self._current = exchange
            exchange.body, exchange.parts = b"", None
            self._server.door.refuse(exchange, 413, message)
        else:
            self.close()

    def _bad(self, status: int, message: str) -> None:
        """What can't be parsed ends the connection, in words if nothing else is being answered on it."""
        transport = self._transport
        if transport is not None and self._current is None and not self._closing:
            import orjson

            body = orjson.dumps({"error": message})
            transport.write(
                b"%bcontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
                % (_LINES[status], len(body), body)
            )
        self.close()

    def close(self) -> None:
        """After what was written has left."""
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    def check(self, now: float) -> None:
        """Let go of a client that takes too long, or is idle for long."""
        waited = now - self.since
        if self._current is not None:
            return
        if self._exchange is not None:
            allowed = BODY_TIMEOUT + self.expected / SLOWEST_BODY if self._exchange.method else HEAD_TIMEOUT
            if waited > allowed:
                self._bad(408, f"the request did not arrive within {allowed:.0f} s")
        elif waited > IDLE_TIMEOUT:
            self.close()

    @property
    def idle(self) -> bool:
        """Nothing is being received or answered."""
        return self._current is None and self._exchange is None and not self._queue


class HttpServer:
    """Listens, with the port shared between processes (SO_REUSEPORT)."""

    def __init__(self, door: Door, max_connections: int = 4096) -> None:
        self.door = door
        self.max_connections = max_connections
        self.connections: set[Connection] = set()
        self.draining = False
        self._server: asyncio.Server | None = None
        self._date = b""
        self._second = 0

    async def start(self, host: str, port: int) -> None:
        """Errors: OSError when the address can't be had."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self), host, port, reuse_port=hasattr(socket, "SO_REUSEPORT"), backlog=2048
        )

    def date(self) -> bytes:
        """The date header's value, made once a second."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._date = formatdate(second, usegmt=True).encode()
        return self._date

    def sweep(self) -> None:
        """Once a second: clients that take too long."""
        now = time.monotonic()
        for connection in list(self.connections):
            connection.check(now)

    def stop_listening(self) -> None:
        """No new connections; those that are there are answered, and end with their answer."""
        self.draining = True
        if self._server is not None:
            self._server.close()

    def close(self) -> None:
        """End what is left."""
        for connection in list(self.connections):
            connection.close()
