"""`python -m benchmarks.serving.switch`: a blue-green switch under 1,000 requests a second, there and back.

    start --to 2 (blueGreen) -> promote -> all answers by 2 -> abort or undo -> all answers by 1
    32 connections, each paced, 1,000 requests a second in all, spread by the kernel over all workers

Counted: seconds from the command to the last answer of the version that was left, and requests that failed (bar: 0).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from benchmarks.serving import model, processes, report, results
from benchmarks.serving.alone import Alone, tidegate
from benchmarks.serving.change import _both_ready
from benchmarks.serving.paced import Connection, message
from benchmarks.serving.rounds import spread
from benchmarks.serving.say import say
from benchmarks.serving.systems import V2_PATH
from tidegate import app
from tidegate.rollout import commands
from tidegate.storage.layout import Layout
from tidegate.storage.rollouts import RolloutStore

RATE = 1000
CONNECTIONS = 32


class Paced:
    """Connections that ask on a schedule of their own. `seen` holds (sent, answered, version); "" for a failure."""

    def __init__(self, port: int, request: bytes) -> None:
        self.port, self.request = port, request
        self.seen: list[tuple[float, float, str]] = []
        self.failed = 0
        self.going = True

    async def one(self, at: int) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, "127.0.0.1", self.port)
        period = CONNECTIONS / RATE
        due = time.perf_counter() + period * at / CONNECTIONS
        while self.going:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            due += period
            sent = time.perf_counter()
            try:
                status, body = await connection.ask(self.request, 10.0)
                version = msgspec.json.decode(body)["model_version"] if status == 200 else ""
            except (OSError, TimeoutError, KeyError, msgspec.DecodeError):
                version = ""
                _, connection = await loop.create_connection(Connection, "127.0.0.1", self.port)
            self.failed += not version
            self.seen.append((sent, time.perf_counter(), version))

    async def left(self, old: str, since: float, quiet: float = 1.0, patience: float = 30.0) -> float:
        """Seconds from `since` to when the last request was sent that `old` answered, once it has been quiet a while."""
        while time.perf_counter() - since < patience:
            last = max((sent for sent, _, by in self.seen if by == old), default=0.0)
            others = any(sent > max(last, since) and by not in ("", old) for sent, _, by in self.seen)
            if others and time.perf_counter() - max(last, since) > quiet:
                return max(last - since, 0.0)
            await asyncio.sleep(0.02)
        raise TimeoutError(f"version {old} still answers after {patience:g} s")


def _wait(layout: Layout, done: Callable[[str, str], bool], patience: float = 30.0) -> None:
    store = RolloutStore(layout)
    try:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            state = store.current(model.NAME)
            if state is not None and done(state.phase, state.reason):
                return
            time.sleep(0.02)
        raise TimeoutError(f"the rollout stands at {state}")
    finally:
        store.close()


async def switches(one: Alone, count: int, request: bytes) -> dict[str, Any]:
    """`count` times there (promote) and back (undo)."""
    layout = Layout(one.state)
    asking = Paced(one.port, request)
    tasks = [asyncio.create_task(asking.one(at)) for at in range(CONNECTIONS)]
    await asyncio.sleep(1)
    there: list[float] = []
    back: list[float] = []
    for _ in range(count):
        await asyncio.to_thread(commands.start, layout, model.NAME, "2", actor="benchmark")
        await asyncio.to_thread(_wait, layout, lambda phase, _: phase == "Paused")
        since = time.perf_counter()
        await asyncio.to_thread(commands.promote, layout, model.NAME, actor="benchmark")
        there.append(await asking.left("1", since))
        await asyncio.to_thread(_wait, layout, lambda phase, _: phase == "Healthy")
        since = time.perf_counter()
        await asyncio.to_thread(commands.undo, layout, model.NAME, actor="benchmark")
        back.append(await asking.left("2", since))
    asking.going = False
    await asyncio.gather(*tasks)
    return {
        "there_ms": spread([value * 1e3 for value in there]),
        "back_ms": spread([value * 1e3 for value in back]),
        "requests": len(asking.seen),
        "failed": asking.failed,
    }


def run(count: int, workers: int) -> dict[str, Any]:
    """On a system with two versions, both warm, and several gateway workers."""
    bench = model.make()
    request = message(V2_PATH, "localhost", bench.body("v2"))
    with tidegate(bench, workers=workers, versions=2) as one:
        _both_ready(one)
        file = one.folder / "tidegate.yaml"
        project = json.loads(file.read_text())
        project["endpoints"][model.NAME]["strategy"] = {"blueGreen": {}}
        file.write_text(json.dumps(project))
        app.apply(Layout(one.state), file, actor="benchmark")
        found = asyncio.run(switches(one, count, request))
    say(
        f"there {found['there_ms']['median']:.0f} ms, back {found['back_ms']['median']:.0f} ms, {found['failed']} failed"
    )
    return {"workers": workers, "switches": count, "rate": RATE, "connections": CONNECTIONS, **found}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.switch", description=__doc__)
    parser.add_argument("--switches", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(words)
    processes.prefer([os.getpid()])
    content = run(given.switches, given.workers)
    results.write("switch", content)
    print(report.switch(content))


if __name__ == "__main__":
    main()
