"""The replay's connections against real sockets: answers in pieces, closed connections, silence, a full server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tidegate.client import core
from tidegate.demo.connections import Connections, parse
from tidegate.errors import DeadlineExceeded, NotFound, Unavailable

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


def answer(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def ask(handle: Handler, times: int = 1, timeout: float = 2.0) -> tuple[list[object], int]:
    """What GET /v2 gives `times` in a row from a server that answers with `handle`, and how many connections it saw."""

    async def main() -> tuple[list[object], int]:
        seen = 0
        requests = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal seen, requests
            seen += 1
            while await reader.readline():
                while (await reader.readline()).strip():
                    pass
                requests += 1
                await handle(reader, writer, requests)
                await writer.drain()
                if writer.is_closing():
                    return

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        connections = Connections(f"http://127.0.0.1:{port}")
        try:
            found = [await connections.run(core.get_json("/v2", timeout)) for _ in range(times)]
        finally:
            connections.close()
            server.close()
        return found, seen

    return asyncio.run(main())


def test_one_connection_serves_many_calls() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(answer(b"%d" % number))

    assert ask(handle, times=5) == ([1, 2, 3, 4, 5], 1)


def test_an_answer_may_come_in_pieces() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        for byte in answer(b"[1, 2]"):
            writer.write(bytes([byte]))
            await asyncio.sleep(0.001)

    assert ask(handle) == ([[1, 2]], 1)


def test_a_connection_that_the_server_will_end_is_not_used_again() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(answer(b"%d" % number, more="Connection: close\r\n"))  # said, and not yet done

    assert ask(handle, times=3) == ([1, 2, 3], 3)


def test_a_lost_or_refused_request_is_tried_again() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        if number == 1:
            writer.close()
        elif number == 2:
            writer.write(answer(b'{"error":"full"}', "503 Service Unavailable"))
        else:
            writer.write(answer(b"3"))

    found, connections = ask(handle)
    assert found == [3] and connections == 2


def test_a_refusal_is_the_client_s_error() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(answer(b'{"error":"unknown endpoint"}', "404 Not Found"))

    with pytest.raises(NotFound, match="unknown endpoint"):
        ask(handle)


def test_silence_ends_with_the_time_out() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await asyncio.sleep(1.5)

    with pytest.raises(DeadlineExceeded):
        ask(handle, timeout=0.1)


def test_nobody_there() -> None:
    async def main() -> None:
        await Connections("http://127.0.0.1:1").run(core.get_json("/v2", 0.2))

    with pytest.raises(Unavailable):
        asyncio.run(main())


def test_half_an_answer_is_none() -> None:
    assert parse(b"HTTP/1.1 200 OK\r\nContent-Len") is None
    assert parse(answer(b"hello")[:-1]) is None
