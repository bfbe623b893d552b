"""The open loop: latency counts from when a request was due, and what isn't answered well is a failure with a reason."""

from __future__ import annotations

import asyncio
import time

from benchmarks.serving import paced


async def serve(answer, body: bytes, rate: float, seconds: float, **more) -> paced.Outcome:
    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                status = await answer(await reader.readexactly(size))
                text = b"ok" if status == 200 else b"no"
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(text), text))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        return await paced.drive(f"http://127.0.0.1:{port}/x", body, rate, seconds, **more)
    finally:
        server.close()


def test_the_rate_is_held_and_each_request_is_whole() -> None:
    seen = []

    async def answer(body: bytes) -> int:
        seen.append(body)
        return 200

    outcome = asyncio.run(serve(answer, b"x" * 5000, 200, 0.5))
    assert outcome.sent == len(seen) == len(outcome.latency) == 100
    assert set(seen) == {b"x" * 5000}
    assert outcome.failed == 0


def test_a_stall_is_paid_for_by_all_the_requests_that_it_delays() -> None:
    count = 0

    async def answer(_: bytes) -> int:
        nonlocal count
        count += 1
        if count == 10:
            time.sleep(0.3)  # stops the loop, the generator too, as a stalled machine would
        return 200

    outcome = asyncio.run(serve(answer, b"x", 200, 0.6))
    slow = [value for value in outcome.latency if value > 0.05]
    assert len(slow) > 20  # a closed loop would have seen one
    assert outcome.quantile(1.0) > 0.25


def test_failures_are_named() -> None:
    async def answer(_: bytes) -> int:
        return 503

    outcome = asyncio.run(serve(answer, b"x", 100, 0.1))
    assert outcome.failures == {"status 503": 10}

    async def never(_: bytes) -> int:
        await asyncio.sleep(5)
        return 200

    outcome = asyncio.run(serve(never, b"x", 50, 0.1, timeout=0.2))
    assert outcome.failures == {"TimeoutError": 5}
