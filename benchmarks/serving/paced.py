"""Load at a fixed rate, an open loop: request k is due at k/rate whether or not those before it were answered.

Latency is counted from when a request was due, so a stall is paid for by every request that it delays (no
coordinated omission).
One asyncio process, raw sockets, keep-alive; good for a few thousand requests a second.

    due --free connection, or a new one--> write --> status line, length, body --> latency
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

Check = Callable[[int, bytes], bool]


@dataclass
class Outcome:
    """What came back. `latency` in seconds, one a request that was answered well, in the order of answering;
    `failures` by reason.
    """

    latency: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    late: float = 0.0
    """The most, in seconds, by which the generator itself was late to send; above a few ms the figures are its
    own.
    """

    def fail(self, reason: str) -> None:
        self.failures[reason] = self.failures.get(reason, 0) + 1

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    def quantile(self, share: float, last: int = 0) -> float:
        """Of the latencies (of the `last` ones only, where given), in seconds; NaN where none was answered."""
        ordered = sorted(self.latency[-last:])
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.got = bytearray()
        self.waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self.waiting and not self.waiting.done():
            self.waiting.set_exception(ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self.got += data
        head = self.got.find(b"\r\n\r\n")
        if head < 0 or self.waiting is None or self.waiting.done():
            return
        lines = bytes(self.got[:head]).split(b"\r\n")
        size = next((int(line[15:]) for line in lines[1:] if line.lower().startswith(b"content-length:")), 0)
        if len(self.got) >= head + 4 + size:
            body = bytes(self.got[head + 4 : head + 4 + size])
            del self.got[: head + 4 + size]
            self.waiting.set_result((int(lines[0].split()[1]), body))

    async def ask(self, request: bytes, timeout: float) -> tuple[int, bytes]:
        assert self.transport is not None
        self.waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await asyncio.wait_for(self.waiting, timeout)


def message(path: str, host: str, body: bytes) -> bytes:
    """An HTTP/1.1 request that posts JSON."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def drive(
    url: str,
    body: bytes,
    rate: float,
    seconds: float,
    *,
    timeout: float = 10.0,
    check: Check = lambda status, _: status == 200,
    each_second: Callable[[float, Outcome], Awaitable[None]] | None = None,
) -> Outcome:
    """Send `rate` requests a second for `seconds`. `check(status, body)` says whether an answer is good."""
    where = urlsplit(url)
    request = message(where.path, where.netloc, body)
    loop = asyncio.get_running_loop()
    idle: deque[Connection] = deque()
    outcome = Outcome()

    async def one(due: float) -> None:
        try:
            while idle and idle[-1].closed:
                idle.pop()
            connection = (
                idle.pop() if idle else (await loop.create_connection(Connection, where.hostname, where.port))[1]
            )
            status, answer = await connection.ask(request, timeout)
        except (OSError, TimeoutError) as exc:
            outcome.fail(type(exc).__name__)
            return
        if check(status, answer):
            outcome.latency.append(time.perf_counter() - due)
        else:
            outcome.fail(f"status {status}")
        idle.append(connection)

    began = time.perf_counter()
    tasks: set[asyncio.Task[None]] = set()
    next_second = 1.0
    total = round(rate * seconds)
    while outcome.sent < total:
        elapsed = time.perf_counter() - began
        while outcome.sent < min(elapsed * rate, total):
            due = began + outcome.sent / rate
            outcome.late = max(outcome.late, time.perf_counter() - due)
            task = loop.create_task(one(due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            outcome.sent += 1
        if each_second and elapsed >= next_second:
            next_second += 1.0
            await each_second(elapsed, outcome)
        await asyncio.sleep(max(0.0, min(0.005, began + outcome.sent / rate - time.perf_counter())))
    if tasks:
        await asyncio.wait(tasks, timeout=timeout + 1)
    for connection in idle:
        if connection.transport:
            connection.transport.close()
    return outcome
