"""The journal's writer against real files, pipes and limits: in order, whole lines, and never in the loop's way."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import resource
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tidegate.storage.journal import JournalWriter, next_segment, segment_name
from tidegate.storage.journal_reader import read_all


def run(body: Callable[[], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        return await body()

    return asyncio.run(whole())


def line(number: int, size: int = 0) -> bytes:
    return json.dumps({"n": number, "pad": "x" * size}).encode() + b"\n"


async def submit(writer: JournalWriter, *lines: bytes) -> bool:
    """Append, and wait for the outcome."""
    done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    writer.submit(list(lines), done.set_result)
    return await done


def numbers(folder: Path) -> list[int]:
    """What is in all segments; fails at anything that is no whole line."""
    found = []
    for path in sorted(folder.glob("*.ndjson")):
        data = path.read_bytes()
        assert not data or data.endswith(b"\n"), f"{path.name} ends within a line"
        found += [json.loads(text)["n"] for text in data.splitlines()]
    return found


@pytest.fixture
def limit() -> Iterator[Callable[[int], None]]:
    """Sets how large this process's files may grow; as it was, afterwards."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_lines_are_on_disk_in_order_before_anybody_hears_of_it(tmp_path: Path) -> None:
    async def body() -> None:
        writer = JournalWriter(tmp_path, "g0")
        writer.start()
        outcomes: list[tuple[int, bool]] = []

        def done(ok: bool, number: int) -> None:
            outcomes.append((number, ok and number in numbers(tmp_path)))

        for number in range(200):
            writer.submit([line(number)], lambda ok, number=number: done(ok, number))  # type: ignore[misc]
        assert writer.busy
        while len(outcomes) < 200:
            await asyncio.sleep(0.01)
        assert outcomes == [(number, True) for number in range(200)]
        assert not writer.busy
        await writer.close()

    run(body)
    assert numbers(tmp_path) == list(range(200))


def test_segments_are_closed_at_their_size_and_numbers_never_come_back(tmp_path: Path) -> None:
    async def body() -> None:
        writer = JournalWriter(tmp_path, "g0", segment_size=1000)
        writer.start()
        for number in range(5):
            assert await submit(writer, line(number, 600))
        await writer.close()

    run(body)
    names = sorted(p.name for p in tmp_path.glob("*.ndjson"))
    assert names[:2] == [segment_name("g0", 0), segment_name("g0", 1)]
    assert numbers(tmp_path) == list(range(5))
    after = next_segment(tmp_path, "g0")
    for path in tmp_path.glob("*.ndjson"):
        path.unlink()
    assert next_segment(tmp_path, "g0") == after, "ingest deletes what it has; the next writer must not reuse a number"
    assert next_segment(tmp_path, "g1") == 0


def test_a_new_life_never_appends_to_an_old_segment(tmp_path: Path) -> None:
    (tmp_path / segment_name("g0", 4)).write_bytes(line(1) + b'{"torn')

    async def body() -> None:
        writer = JournalWriter(tmp_path, "g0")
        writer.start()
        assert await submit(writer, line(2))
        await writer.close()

    run(body)
    assert (tmp_path / segment_name("g0", 5)).read_bytes() == line(2)


def test_what_does_not_fit_is_cut_to_whole_lines_and_reported(tmp_path: Path, limit: Callable[[int], None]) -> None:
    """Three batches leave in one write of which one and a half fit: one is good, two have failed, no half line is left."""

    async def body() -> None:
        writer = JournalWriter(tmp_path, "g0")
        writer.start()
        assert await submit(writer, line(0, 1000))
        size = len(line(0, 1000))
        limit(2 * size + size // 2)
        one_write = [line(1, 1000), line(2, 1000)]
        assert await submit(writer, *one_write) is False
        assert writer.status.healthy is False and "File too large" in writer.status.error
        assert writer.status.failed == 2 and writer.status.offset == 2 * size
        assert numbers(tmp_path) == [0, 1], "line 1 was whole, and ingest may have read it: it stays"
        assert await submit(writer, line(3, 1000)) is False
        limit(resource.RLIM_INFINITY)
        assert await submit(writer, line(4, 1000)) is True
        assert writer.status.healthy is True and not writer.status.error
        await writer.close()

    run(body)
    assert numbers(tmp_path) == [0, 1, 4]


def test_of_batches_in_one_write_those_that_fit_are_good(tmp_path: Path, limit: Callable[[int], None]) -> None:
    size = len(line(0, 1000))
    limit(2 * size + size // 2)

    async def body() -> dict[int, bool]:
        writer = JournalWriter(tmp_path, "g0")
        outcomes: dict[int, bool] = {}
        for number in range(4):  # submitted before the thread runs: one write for all
            writer.submit([line(number, 1000)], lambda ok, n=number: outcomes.__setitem__(n, ok))  # type: ignore[misc]
        writer.start()
        while len(outcomes) < 4:
            await asyncio.sleep(0.01)
        await writer.close()
        return outcomes

    assert run(body) == {0: True, 1: True, 2: False, 3: False}
    assert numbers(tmp_path) == [0, 1]


def test_a_reader_beside_a_full_disk_misses_nothing(tmp_path: Path, limit: Callable[[int], None]) -> None:
    """Ingest may read between a short write and its undoing: the place that it remembers must stay the end of a line."""
    size = len(line(0, 1000))
    seen: list[int] = []

    async def body() -> None:
        writer = JournalWriter(tmp_path, "g0")
        writer.start()
        position: dict[str, Any] = {}

        def read() -> None:
            for chunk, _ in read_all(tmp_path, position):
                seen.extend(json.loads(text)["n"] for text in chunk.lines)
                position[chunk.slot] = chunk.end

        limit(2 * size + size // 2)
        original = os.ftruncate
        try:
            os.ftruncate = lambda fd, length: (read(), original(fd, length))[1]  # type: ignore[assignment, func-returns-value]
            assert await submit(writer, line(0, 1000), line(1, 1000), line(2, 1000)) is False
        finally:
            os.ftruncate = original
        limit(resource.RLIM_INFINITY)
        assert await submit(writer, line(3, 1000)) is True
        read()
        await writer.close()

    run(body)
    assert seen == [0, 1, 3]


def test_a_write_that_hangs_stops_nobody_and_has_failed_at_its_deadline(tmp_path: Path) -> None:
    """The segment's descriptor is a full pipe: the thread hangs in write(), as on a dead disk."""

    async def body() -> None:
        writer = JournalWriter(tmp_path, "g0", deadline=0.4)
        writer.start()
        assert await submit(writer, line(0))
        reading, writing = os.pipe()
        fcntl.fcntl(writing, 1031, 4096)  # F_SETPIPE_SZ
        os.write(writing, b"\0" * 4096)
        on_disk, writer._fd = writer._fd, writing
        turns = 0
        began = time.monotonic()
        outcome = asyncio.ensure_future(submit(writer, line(1)))
        await asyncio.sleep(0.05)  # the thread hangs on line 1 now; line 2 waits behind it
        behind = asyncio.ensure_future(submit(writer, line(2)))
        while not (outcome.done() and behind.done()):
            await asyncio.sleep(0.01)
            turns += 1
        took = time.monotonic() - began
        assert outcome.result() is behind.result() is False
        assert 0.4 <= took < 3 and turns >= 10, "the loop went on"
        assert writer.status.failed == 2 and "longer than 0.4 s" in writer.status.error
        os.set_blocking(reading, False)
        while writer._queue.qsize() or not writer.status.healthy:  # the disk comes back
            try:
                os.read(reading, 65536)
            except BlockingIOError:
                await asyncio.sleep(0.01)
        writer._fd = on_disk
        assert await submit(writer, line(3)) is True
        await writer.close()
        os.close(reading)
        os.close(writing)

    run(body)
    assert numbers(tmp_path) == [0, 3]


def test_a_cut_that_fails_moves_on_to_a_new_segment(tmp_path: Path, limit: Callable[[int], None]) -> None:
    size = len(line(0, 1000))

    async def body() -> None:
        writer = JournalWriter(tmp_path, "g0")
        writer.start()
        assert await submit(writer, line(0, 1000))
        original = os.ftruncate

        def refuse(fd: int, length: int) -> None:
            raise OSError(5, "Input/output error")

        limit(size + size // 2)
        os.ftruncate = refuse  # type: ignore[assignment]
        try:
            assert await submit(writer, line(1, 1000)) is False
        finally:
            os.ftruncate = original
        limit(resource.RLIM_INFINITY)
        assert await submit(writer, line(2, 1000)) is True
        await writer.close()

    run(body)
    lines = [text for chunk, _ in read_all(tmp_path) for text in chunk.lines]
    assert [json.loads(text)["n"] for text in lines] == [0, 2]
    torn = [damage for chunk, _ in read_all(tmp_path) for damage in chunk.damage if "torn" in damage.reason]
    assert len(torn) == 1, "the half line is at its segment's end, where readers skip it and say so"


def test_a_half_line_that_cannot_be_left_is_never_appended_to(tmp_path: Path, limit: Callable[[int], None]) -> None:
    """Neither the cut nor a new segment works for a while: writes fail until one does, rather than joining two lines."""
    size = len(line(0, 1000))
    (tmp_path / segment_name("g0", 1)).mkdir()  # the name of the next segment is taken

    async def body() -> None:
        writer = JournalWriter(tmp_path, "g0")
        writer.status.segment = 0
        writer.start()
        original = os.ftruncate

        def refuse(fd: int, length: int) -> None:
            raise OSError(5, "Input/output error")

        limit(size // 2)
        os.ftruncate = refuse  # type: ignore[assignment]
        try:
            assert await submit(writer, line(1, 1000)) is False
            limit(resource.RLIM_INFINITY)
            assert await submit(writer, line(2)) is False
        finally:
            os.ftruncate = original
        assert await submit(writer, line(3)) is True
        await writer.close()

    run(body)
    assert [json.loads(t)["n"] for t in (tmp_path / segment_name("g0", 0)).read_bytes().splitlines()] == [3]


def test_a_folder_that_is_not_there_is_said_at_the_start(tmp_path: Path) -> None:
    async def body() -> None:
        JournalWriter(tmp_path / "nowhere", "g0").start()

    with pytest.raises(FileNotFoundError, match="nowhere"):
        run(body)
