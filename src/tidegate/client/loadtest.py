"""An open-loop load generator: requests leave on schedule whether or not earlier ones were answered (`tidegate
loadtest`).

    schedule (i / rate) --> an idle connection, or a queue while none is --> answer --> histogram(now - scheduled time)

Latency counts from the moment a request was due, not from when it could be sent, so a server that stalls can't hide
it: this is
what is called freedom from coordinated omission (Gil Tene, "How NOT to Measure Latency"). Raw HTTP/1.1 over asyncio
protocols, because a general client would itself be the bottleneck.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import msgspec
import orjson

from tidegate.errors import InvalidRequest, Unavailable

TICK: Final = 0.001
DRAIN: Final = 10.0
"""Seconds to wait for the last answers after the schedule's end."""


class Histogram:
    """Counts of durations in log-spaced buckets from 1 us to over an hour; a quantile is within 1% of the true one."""

    GROWTH: Final = math.log(1.01)
    SIZE: Final = 2300

    def __init__(self) -> None:
        self.counts = [0] * self.SIZE
        self.total = 0
        self.longest = 0.0
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        microseconds = seconds * 1e6
        index = int(math.log(microseconds) / self.GROWTH) if microseconds > 1 else 0
        self.counts[min(index, self.SIZE - 1)] += 1
        self.total += 1
        self.sum += seconds
        if seconds > self.longest:
            self.longest = seconds

    def quantile(self, q: float) -> float:
        """Milliseconds: the middle of the bucket that holds the q-quantile; 0.0 where nothing was counted."""
        if not self.total:
            return 0.0
        rank = max(math.ceil(q * self.total), 1)
        seen = 0
        for index, count in enumerate(self.counts):
            seen += count
            if seen >= rank:
                return min(math.exp((index + 0.5) * self.GROWTH) / 1000, self.longest * 1000)
        return self.longest * 1000


class Report(msgspec.Struct, frozen=True):
    """What a run showed. Times in milliseconds, over answered requests of any status, counted from when each was
    due.
    """

    target_rate: float
    achieved_rate: float
    """Answers with status 200 a second."""
    seconds: float
    sent: int
    ok: int
    errors: dict[str, int]
    """By status; `lost` where the connection broke, `unanswered` where no answer came before the end, `unsent` where
    no connection was free before it."""
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    mean_ms: float
    latest_send_ms: float
    """How late the generator itself was at worst; large values say that the generator was the bottleneck."""
    slo_ms: float | None = None
    slo_met: bool | None = None
    """Whether p99 is within `slo_ms` and nothing failed; None where no SLO was given."""


class _Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, owner: _Generator) -> None:
        self.owner = owner
        self.due = 0.0
        self.busy = False
        self.open = False
        self._write: Any = None
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._need = -1
        self._status = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._write = self._transport.write
        self.open = True

    def send(self, request: bytes, due: float) -> None:
        self.busy = True
        self.due = due
        self._buffer = b""
        self._need = -1
        self._write(request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer = self._buffer + data if self._buffer else data
        if self._need < 0:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = buffer[:end].lower()
            self._status = int(buffer[9:12])
            at = head.find(b"\r\ncontent-length:")
            if at >= 0:
                stop = head.find(b"\r\n", at + 17)
                self._need = end + 4 + int(head[at + 17 : stop if stop >= 0 else end])
            elif b"chunked" in head:
                self._need = 0
            else:
                self._need = end + 4
            self._closing = b"\r\nconnection: close" in head
        if (self._need and len(buffer) >= self._need) or (not self._need and buffer.endswith(b"0\r\n\r\n")):
            self.busy = False
            closing = self._closing
            if closing and self._transport is not None:
                self.open = False
                self._transport.close()
            self.owner.answered(self, self._status)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self.owner.lost(self)

    def close(self) -> None:
        self.open = False
        if self._transport is not None:
            self._transport.abort()


class _Generator:
    """The schedule and the connections."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, requests: Sequence[bytes]) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._requests = requests
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()
        self._due: deque[float] = deque()
        self._next = 0
        self._stopping = False
        self._opening: set[asyncio.Task[None]] = set()
        self.histogram = Histogram()
        self.statuses: dict[int, int] = {}
        self.sent = 0
        self.broken = 0
        self.latest = 0.0

    async def open(self, count: int) -> None:
        for _ in range(count):
            self._idle.append(await self._connect())

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(self), self._host, self._port, ssl=self._tls
            )
        except OSError as exc:
            raise Unavailable(f"can't connect to {self._host}:{self._port}: {exc}") from exc
        self._all.add(connection)
        return connection

    async def run(self, rate: float, seconds: float) -> None:
        """Follow the schedule, then wait for what is still open."""
        count = max(int(rate * seconds), 1)
        started = time.perf_counter()
        issued = 0
        while issued < count:
            now = time.perf_counter()
            ready = min(int((now - started) * rate) + 1, count)
            if ready > issued:
                self.latest = max(self.latest, now - (started + issued / rate))
            while issued < ready:
                due = started + issued / rate
                issued += 1
                if self._idle and not self._due:
                    self._send(self._idle.pop(), due)
                else:
                    self._due.append(due)
            pause = started + issued / rate - time.perf_counter()
            await asyncio.sleep(max(pause, TICK) if pause > 0 else 0)
        end = time.perf_counter() + DRAIN
        while (self._due or any(c.busy for c in self._all)) and time.perf_counter() < end:
            await asyncio.sleep(0.01)
        self._stopping = True

    def _send(self, connection: _Connection, due: float) -> None:
        request = self._requests[self._next]
        self._next = (self._next + 1) % len(self._requests)
        self.sent += 1
        connection.send(request, due)

    def answered(self, connection: _Connection, status: int) -> None:
        self.histogram.add(time.perf_counter() - connection.due)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if connection.open:
            self._free(connection)

    def _free(self, connection: _Connection) -> None:
        if self._due:
            self._send(connection, self._due.popleft())
        else:
            self._idle.append(connection)

    def lost(self, connection: _Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if self._stopping:
            return
        if connection.busy:
            self.broken += 1
        task = asyncio.ensure_future(self._replace())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _replace(self) -> None:
        while not self._stopping:
            try:
                self._free(await self._connect())
                return
            except Unavailable:
                await asyncio.sleep(0.05)

    def close(self) -> tuple[int, int]:
        """Let go of everything; how many were never answered, and how many never sent."""
        self._stopping = True
        waiting = sum(1 for c in self._all if c.busy)
        for task in self._opening:
            task.cancel()
        for connection in list(self._all):
            connection.close()
        return waiting, len(self._due)


def run(
    url: str,
    path: str,
    bodies: Sequence[bytes],
    rate: float,
    seconds: float,
    connections: int = 64,
    headers: Mapping[str, str] | None = None,
    slo: float | None = None,
) -> Report:
    """POST the bodies in turn to `url` + `path`, `rate` a second for `seconds`, over `connections` connections.

    `slo` in seconds. Errors: InvalidRequest for arguments that make no sense, Unavailable when nothing listens there.
    """
    try:
        import uvloop
    except ImportError:
        return asyncio.run(_run(url, path, bodies, rate, seconds, connections, headers or {}, slo))
    report: Report = uvloop.run(_run(url, path, bodies, rate, seconds, connections, headers or {}, slo))
    return report


async def _run(
    url: str,
    path: str,
    bodies: Sequence[bytes],
    rate: float,
    seconds: float,
    connections: int,
    headers: Mapping[str, str],
    slo: float | None,
) -> Report:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequest(f"url is {url!r}; it must be like http://127.0.0.1:8080")
    if rate <= 0 or seconds <= 0 or connections < 1 or not bodies:
        raise InvalidRequest("rate and seconds must be above 0, connections at least 1, and there must be a body")
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    requests = [_request(parts.netloc.rpartition("@")[2], path, body, headers) for body in bodies]
    generator = _Generator(parts.hostname, port, tls, requests)
    await generator.open(connections)
    started = time.perf_counter()
    await generator.run(rate, seconds)
    elapsed = time.perf_counter() - started
    unanswered, unsent = generator.close()
    await asyncio.sleep(0)
    return _report(generator, rate, max(elapsed, seconds), unanswered, unsent, slo)


def _request(host: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = {"host": host, "content-type": "application/json", "content-length": str(len(body))}
    lines |= {key.lower(): value for key, value in headers.items()}
    for key, value in lines.items():
        if any(c in key + value for c in "\r\n"):
            raise InvalidRequest(f"header {key!r} holds a line break")
    head = "".join(f"{key}: {value}\r\n" for key, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def _report(
    generator: _Generator, rate: float, seconds: float, unanswered: int, unsent: int, slo: float | None
) -> Report:
    h = generator.histogram
    ok = generator.statuses.get(200, 0)
    errors = {str(status): n for status, n in sorted(generator.statuses.items()) if status != 200}
    errors |= {k: n for k, n in (("lost", generator.broken), ("unanswered", unanswered), ("unsent", unsent)) if n}
    p99 = h.quantile(0.99)
    return Report(
        target_rate=rate,
        achieved_rate=ok / seconds,
        seconds=seconds,
        sent=generator.sent,
        ok=ok,
        errors=errors,
        p50_ms=h.quantile(0.5),
        p90_ms=h.quantile(0.9),
        p99_ms=p99,
        p999_ms=h.quantile(0.999),
        max_ms=h.longest * 1000,
        mean_ms=h.sum / h.total * 1000 if h.total else 0.0,
        latest_send_ms=generator.latest * 1000,
        slo_ms=slo * 1000 if slo is not None else None,
        slo_met=None if slo is None else bool(ok) and not errors and p99 <= slo * 1000,
    )


def make_bodies(
    metadata: Mapping[str, Any], reference: Path | None = None, rows: int = 1, count: int = 200
) -> list[bytes]:
    """v2 JSON bodies for a model: rows of a reference file (Parquet or CSV), or made up from the model's metadata.

    A reference's columns are matched to the inputs by name; a model with one matrix takes them side by side.
    Errors: InvalidRequest when the file lacks an input.
    """
    if reference is None:
        return [_made_up(metadata["inputs"], rows, seed) for seed in range(min(count, 16))]
    import polars

    lazy = polars.scan_csv(reference) if reference.suffix.lower() == ".csv" else polars.scan_parquet(reference)
    frame = lazy.head(rows * count).collect()
    if not frame.height:
        raise InvalidRequest(f"{reference} has no rows")
    starts = range(0, max(frame.height - rows + 1, 1), rows)
    return [_from_frame(metadata["inputs"], frame[start : start + rows], reference) for start in starts]


def _from_frame(inputs: Sequence[Mapping[str, Any]], frame: Any, reference: Path) -> bytes:
    from tidegate.client.data import to_inputs

    missing = [tensor["name"] for tensor in inputs if tensor["name"] not in frame.columns]
    if missing and len(inputs) == 1 and len(inputs[0]["shape"]) == 2:
        (tensor,) = inputs
        width = int(tensor["shape"][1])
        numeric = [name for name in frame.columns if frame[name].dtype.is_numeric()]
        matrix = frame.select(numeric[:width] if width > 0 else numeric)
        data = [value for row in matrix.rows() for value in row]
        shape = [matrix.height, matrix.width]
        return orjson.dumps(
            {"inputs": [{"name": tensor["name"], "shape": shape, "datatype": tensor["datatype"], "data": data}]}
        )
    if missing:
        raise InvalidRequest(f"{reference} has no column {missing[0]!r}, which the model takes")
    arrays = to_inputs(frame.select([tensor["name"] for tensor in inputs]))
    tensors = [
        {
            "name": tensor["name"],
            "shape": [frame.height] + [1] * (len(tensor["shape"]) - 1),
            "datatype": tensor["datatype"],
            "data": arrays[tensor["name"]].tolist(),
        }
        for tensor in inputs
    ]
    return orjson.dumps({"inputs": tensors})


def _made_up(inputs: Sequence[Mapping[str, Any]], rows: int, seed: int) -> bytes:
    tensors = []
    for k, tensor in enumerate(inputs):
        shape = [max(int(n), 1) for n in tensor["shape"]]
        if tensor["shape"] and tensor["shape"][0] == -1:
            shape[0] = rows
        kind = tensor["datatype"]
        numbers = range(seed + k, seed + k + math.prod(shape))
        data: list[Any] = [
            f"text {n % 7}"
            if kind == "BYTES"
            else n % 2 == 0
            if kind == "BOOL"
            else n % 10 + 0.5
            if kind.startswith("FP")
            else n % 10
            for n in numbers
        ]
        tensors.append({"name": tensor["name"], "shape": shape, "datatype": kind, "data": data})
    return orjson.dumps({"inputs": tensors})
