"""Deadlines hold though the wall clock jumps: they are counted on the monotonic clock, which nobody sets."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest

from tidegate.gateway.data_plane import Answer, Call, DataPlane
from tidegate.telemetry import Counters
from tidegate.types.traffic import Arm, EndpointRoute, RoutingTable, VersionRoute
from tidegate.wire.frames import CODECS

HOUR_NS = 3_600_000_000_000


@pytest.mark.parametrize("jump", [HOUR_NS, -HOUR_NS])
def test_a_jump_of_the_wall_clock_moves_no_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: int) -> None:
    """A runner that listens and never answers; the clock jumps while the request waits."""
    path = tmp_path / "r.sock"
    silent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    silent.bind(str(path))
    silent.listen()
    table = RoutingTable(
        1, [EndpointRoute("e", "m", [Arm("1", 100)], timeout=0.6)], [VersionRoute("m", "1", "READY", [str(path)])]
    )

    async def body() -> tuple[Answer, float]:
        plane = DataPlane(None, Counters())
        await plane.apply(table)
        began = time.perf_counter()
        answered = plane.infer(Call("e", b"{}", CODECS["v2"]))
        await asyncio.sleep(0.1)
        now, now_ns = time.time, time.time_ns
        monkeypatch.setattr(time, "time", lambda: now() + jump / 1e9)
        monkeypatch.setattr(time, "time_ns", lambda: now_ns() + jump)
        answer = await asyncio.wait_for(answered, 10)
        took = time.perf_counter() - began
        plane.close()
        return answer, took

    answer, took = asyncio.run(body())
    silent.close()
    assert answer.status == 504 and "no answer from the model within" in answer.message
    assert 0.55 < took < 5
