"""`python -m benchmarks.serving.change`: how soon a new split is in force on every gateway worker, and whether a
request fails meanwhile.

32 connections ask without pause, spread by the kernel over all workers
(a) routing.json is replaced while the controller is paused       the gateways' own part; bar: <= 100 ms
(b) `apply` of an edited project file                             the whole way: state, controller, gateways
in force = the last connection's first request that the new version answers
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from benchmarks.serving import model, processes, report, results
from benchmarks.serving.alone import Alone, tidegate
from benchmarks.serving.paced import Connection, message
from benchmarks.serving.rounds import spread
from benchmarks.serving.say import say
from benchmarks.serving.systems import V2_PATH
from tidegate import app
from tidegate.storage.layout import Layout, write_atomic
from tidegate.types.traffic import Arm, RoutingTable

CONNECTIONS = 32


class Asking:
    """Connections that ask all the time. `seen[i]` holds (sent at, version) of connection i, newest last."""

    def __init__(self, port: int, request: bytes) -> None:
        self.port, self.request = port, request
        self.seen: list[list[tuple[float, str]]] = [[] for _ in range(CONNECTIONS)]
        self.failed = self.answered = 0
        self.going = True

    async def one(self, at: int) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, "127.0.0.1", self.port)
        while self.going:
            sent = time.perf_counter()
            try:
                status, body = await connection.ask(self.request, 10.0)
                version = msgspec.json.decode(body)["model_version"] if status == 200 else ""
            except (OSError, TimeoutError, KeyError, msgspec.DecodeError):
                version = ""
                _, connection = await loop.create_connection(Connection, "127.0.0.1", self.port)
            self.answered += 1
            self.failed += not version
            self.seen[at].append((sent, version))
            await asyncio.sleep(0.002)

    async def until(self, version: str, since: float, patience: float = 10.0) -> float:
        """Seconds from `since` to the moment from which every connection is answered by `version`."""
        while time.perf_counter() - since < patience:
            firsts = [next((sent for sent, by in own if sent >= since and by == version), None) for own in self.seen]
            if all(first is not None for first in firsts):
                return max(first for first in firsts if first is not None) - since
            await asyncio.sleep(0.01)
        raise TimeoutError(f"version {version} is not in force on every worker after {patience:g} s")

    def forget(self) -> None:
        for own in self.seen:
            own.clear()


def by_file(one: Alone) -> Callable[[str], None]:
    """A change that goes to the gateways alone: the routing table with all weight on one version."""
    layout = Layout(one.state)

    def change(version: str) -> None:
        table = msgspec.json.decode(layout.routing.read_bytes(), type=RoutingTable)
        endpoints = [msgspec.structs.replace(e, arms=[Arm(version, 100.0)]) for e in table.endpoints]
        write_atomic(
            layout.routing,
            msgspec.json.encode(msgspec.structs.replace(table, revision=table.revision + 1, endpoints=endpoints)),
        )

    return change


def by_apply(one: Alone) -> Callable[[str], None]:
    """A change as a user makes it: edit the project file, apply it."""
    layout, file = Layout(one.state), one.folder / "tidegate.yaml"
    original = file.read_text()

    def change(version: str) -> None:
        file.write_text(original.replace('"1": 100', f'"{version}": 100'))
        app.apply(layout, file, actor="benchmark")

    return change


async def flips(one: Alone, change: Callable[[str], None], count: int, request: bytes) -> dict[str, Any]:
    """Change from one version to the other `count` times while all connections ask."""
    asking = Asking(one.port, request)
    tasks = [asyncio.create_task(asking.one(at)) for at in range(CONNECTIONS)]
    await asyncio.sleep(1)
    took = []
    for number in range(count):
        version = "2" if number % 2 == 0 else "1"
        asking.forget()
        since = time.perf_counter()
        await asyncio.to_thread(change, version)
        took.append(await asking.until(version, since))
        await asyncio.sleep(0.3)
    asking.going = False
    await asyncio.gather(*tasks)
    return {"ms": spread([value * 1e3 for value in took]), "requests": asking.answered, "failed": asking.failed}


def run(count: int, workers: int) -> dict[str, Any]:
    """Both ways, on a system with two versions and several gateway workers."""
    bench = model.make()
    request = message(V2_PATH, "localhost", bench.body("v2"))
    with tidegate(bench, workers=workers, versions=2) as one:
        _both_ready(one)
        whole = asyncio.run(flips(one, by_apply(one), count, request))
        say(f"apply: {whole['ms']['median']:.0f} ms, {whole['failed']} of {whole['requests']} failed")
        controllers = [pid for pid, name in one.names().items() if name == "controller"]
        for pid in controllers:
            os.kill(pid, signal.SIGSTOP)  # or it would at once put its own table back
        try:
            file = asyncio.run(flips(one, by_file(one), count, request))
        finally:
            for pid in controllers:
                os.kill(pid, signal.SIGCONT)
        say(f"file: {file['ms']['median']:.0f} ms, {file['failed']} of {file['requests']} failed")
    return {"workers": workers, "changes": count, "connections": CONNECTIONS, "file": file, "apply": whole}


def _both_ready(one: Alone, patience: float = 60.0) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        table = msgspec.json.decode((one.state / "run" / "routing.json").read_bytes(), type=RoutingTable)
        if sum(version.state == "READY" for version in table.versions) == 2:
            return
        time.sleep(0.1)
    raise TimeoutError("the second version did not become ready")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.change", description=__doc__)
    parser.add_argument("--changes", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(words)
    processes.prefer([os.getpid()])
    content = run(given.changes, given.workers)
    results.write("change", content)
    print(report.change(content))


if __name__ == "__main__":
    main()
