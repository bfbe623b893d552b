"""What evidence rests on: marks that promise no more than is on disk, and refusals that keep their unit."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tidegate.gateway.data_plane import Call, DataPlane
from tidegate.gateway.table import Table
from tidegate.storage import journal
from tidegate.storage.journal import JournalWriter
from tidegate.telemetry import Counters
from tidegate.types.traffic import Arm, EndpointRoute, Mark, RoutingTable, VersionRoute


def table(**fields: Any) -> RoutingTable:
    arms = [Arm("1", 50, "stable"), Arm("1", 10, "baseline"), Arm("2", 40, "canary")]
    endpoint = EndpointRoute("e", "m", arms, unit="header:x-user", salt="r7", assignment="7.1@40", **fields)
    return RoutingTable(1, [endpoint], [VersionRoute("m", "1", "READY"), VersionRoute("m", "2", "READY")])


def served(folder: Path, story: Callable[[DataPlane, JournalWriter], Awaitable[None]], **options: Any) -> None:
    async def run() -> None:
        writer = JournalWriter(folder, "g0", **options)
        writer.start()
        plane = DataPlane(writer, Counters())
        await plane.apply(table(), wait=0.01)
        try:
            await story(plane, writer)
        finally:
            await writer.close()
            plane.close()

    asyncio.run(run())


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for path in folder.glob("g0-*.ndjson") for text in path.read_text().splitlines()]


def test_a_refusal_keeps_its_unit(tmp_path: Path) -> None:
    """Else a user who retries against a version that isn't there would count once a try."""

    async def story(plane: DataPlane, _: JournalWriter) -> None:
        for _ in range(3):
            assert (await plane.infer(Call("e", b"{}", 1, unit="ann"))).status == 503

    served(tmp_path, story)
    assert [(line["unit"], line["assignment"]) for line in lines(tmp_path)] == [("ann", "7.1@40")] * 3


def test_a_mark_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = [True]
    write = os.write

    def slow(fd: int, data: bytes) -> int:
        while held[0] and b'"kind"' in bytes(data):
            time.sleep(0.01)
        return write(fd, data)

    async def story(plane: DataPlane, _: JournalWriter) -> None:
        monkeypatch.setattr(journal.os, "write", slow)
        asking = plane.infer(Call("e", b"{}", 1, unit="ann"))
        await asyncio.sleep(0.05)
        marks: list[Mark] = []
        plane.mark(marks.append)
        await asyncio.sleep(0.6)  # beyond the deadline, at which the loop gives both up
        assert marks == [] and lines(tmp_path) == []
        held[0] = False
        await asking
        plane.mark(marks.append)
        await asyncio.sleep(0.2)
        assert [mark.complete for mark in marks] == [{"e": 2}] and len(lines(tmp_path)) == 1

    served(tmp_path, story, deadline=0.2)


def test_a_mark_says_nothing_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def full(fd: int, data: bytes) -> int:
        if b'"kind"' in bytes(data):
            raise OSError(28, "No space left on device")
        return write(fd, data)

    async def story(plane: DataPlane, writer: JournalWriter) -> None:
        monkeypatch.setattr(journal.os, "write", full)
        await plane.infer(Call("e", b"{}", 1))
        plane.mark(lambda _: None)
        await asyncio.sleep(0.1)
        assert not writer.status.healthy and "No space" in writer.status.error

    served(tmp_path, story)


def test_without_a_rollout_there_is_no_mark(tmp_path: Path) -> None:
    async def story(plane: DataPlane, _: JournalWriter) -> None:
        await plane.apply(RoutingTable(2, [EndpointRoute("e", "m", [Arm("1", 100)])], []), wait=0.01)
        marks: list[Mark] = []
        plane.mark(marks.append)
        await asyncio.sleep(0.05)
        assert marks == []

    served(tmp_path, story)


class Wire:
    """A link as the table sees it."""

    def __init__(self) -> None:
        self.connected = True
        self.waiting: dict[int, None] = {}


def test_each_way_to_use_a_version_has_its_own_head() -> None:
    versions = [VersionRoute("m", "1", "READY", ["a"]), VersionRoute("m", "2", "READY", ["b"])]
    made = Table(RoutingTable(1, table().endpoints, versions), {"a": Wire(), "b": Wire()}, Counters(), None).routes["e"]  # type: ignore[dict-item]
    assert [(target.version.version, target.role) for target in made.arms] == [
        ("2", "canary"), ("1", "stable"), ("1", "baseline"),
    ]  # fmt: skip
    assert made.weights == pytest.approx([40.0, 50.0, 10.0])
    for target in made.arms:
        assert b'"assignment":"7.1@40"' in target.heads[1] and b"forced" not in target.heads[1]
    named = made.by_version["1"]
    assert named.role == "stable" and b'"forced":true' in named.heads[1] and b"assignment" not in named.heads[1]
    assert made.stable is made.arms[1]
    assert {made.choose("ann") for _ in range(20)} == {made.choose("ann")}, "a unit keeps its arm"
    assert len({made.choose("") for _ in range(200)}) == 3, "without one each call is drawn anew"
