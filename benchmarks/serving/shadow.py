"""`python -m benchmarks.serving.shadow`: what a shadow on all of the traffic costs those who wait for an answer.

    routing.json with and without a mirror (controller paused), in turn, round by round
    steady rate -> p50 and p99 of callers, with / without                 bar: p99 <= 1.1x while a core is free
    as fast as it goes, shadow behind -> copies dropped, callers' errors    overload drops copies, never answers

Both versions are the same model, so a copy costs as much as the answer itself.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from benchmarks.serving import model, processes, report, results
from benchmarks.serving.alone import Alone, tidegate
from benchmarks.serving.change import _both_ready
from benchmarks.serving.paced import Connection, message
from benchmarks.serving.rounds import spread
from benchmarks.serving.say import say
from benchmarks.serving.systems import V2_PATH
from tidegate.storage.layout import Layout, write_atomic
from tidegate.types.traffic import Mirror, RoutingTable

CONNECTIONS = 16
BUSY = 64


@contextmanager
def paused_controller(one: Alone) -> Iterator[None]:
    """Or it would at once put its own table back."""
    pids = [pid for pid, name in one.names().items() if name == "controller"]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def mirror(one: Alone, on: bool) -> None:
    """Turn the shadow on or off, and wait until every worker has it."""
    layout = Layout(one.state)
    table = msgspec.json.decode(layout.routing.read_bytes(), type=RoutingTable)
    wanted = Mirror("2", 100.0) if on else None
    endpoints = [msgspec.structs.replace(endpoint, mirror=wanted) for endpoint in table.endpoints]
    changed = msgspec.structs.replace(table, revision=table.revision + 1, endpoints=endpoints)
    write_atomic(layout.routing, msgspec.json.encode(changed))
    time.sleep(0.3)


async def steady(port: int, request: bytes, rate: float, seconds: float) -> list[float]:
    """Latencies in ms, each from when its request was due (a stall counts against every request it delays)."""
    found: list[float] = []
    end = time.perf_counter() + seconds

    async def one(at: int) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
        period = CONNECTIONS / rate
        due = time.perf_counter() + period * at / CONNECTIONS
        while due < end:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            status, _ = await connection.ask(request, 10.0)
            if status != 200:
                raise RuntimeError(f"a caller was answered {status}")
            found.append(1e3 * (time.perf_counter() - due))
            due += period

    await asyncio.gather(*(one(at) for at in range(CONNECTIONS)))
    return sorted(found)


async def flat_out(port: int, request: bytes, seconds: float) -> tuple[int, int]:
    """Requests answered and failed by BUSY connections that ask without pause."""
    counts = [0, 0]
    end = time.perf_counter() + seconds

    async def one() -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
        while time.perf_counter() < end:
            status, _ = await connection.ask(request, 10.0)
            counts[status != 200] += 1

    await asyncio.gather(*(one() for _ in range(BUSY)))
    return counts[0], counts[1]


def dropped(one: Alone) -> int:
    """Copies that were not made, over all workers."""
    time.sleep(1.3)
    total = 0
    for path in (one.state / "run").glob("counters-*.json"):
        total += sum(msgspec.json.decode(path.read_bytes()).get("dropped", {}).values())
    return total


def run(rounds: int, rate: float, seconds: float) -> dict[str, Any]:
    """Interleaved rounds at a steady rate, then one flat out."""
    bench = model.make()
    request = message(V2_PATH, "localhost", bench.body("v2"))
    figures: dict[bool, dict[str, list[float]]] = {on: {"p50": [], "p99": []} for on in (False, True)}
    with tidegate(bench, workers=1, versions=2) as one:
        _both_ready(one)
        with paused_controller(one):
            asyncio.run(steady(one.port, request, rate, 2.0))
            for number in range(rounds):
                for on in (False, True) if number % 2 == 0 else (True, False):
                    mirror(one, on)
                    found = asyncio.run(steady(one.port, request, rate, seconds))
                    figures[on]["p50"].append(found[len(found) // 2])
                    figures[on]["p99"].append(found[int(0.99 * len(found))])
                    say(f"shadow {'on ' if on else 'off'} p99 {figures[on]['p99'][-1]:.2f} ms")
            at_rate = dropped(one)
            mirror(one, True)
            answered, failed = asyncio.run(flat_out(one.port, request, seconds))
            behind = dropped(one) - at_rate
    ratios = {
        key: spread([a / b for a, b in zip(figures[True][key], figures[False][key], strict=True)])
        for key in ("p50", "p99")
    }
    return {
        "rate": rate, "rounds": rounds, "seconds": seconds, "connections": CONNECTIONS,
        "with": {key: spread(values) for key, values in figures[True].items()},
        "without": {key: spread(values) for key, values in figures[False].items()},
        "ratio": ratios, "dropped_at_rate": at_rate,
        "flat_out": {"connections": BUSY, "answered": answered, "failed": failed, "dropped": behind},
    }  # fmt: skip


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.shadow", description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--rate", type=float, default=300.0)
    parser.add_argument("--seconds", type=float, default=8.0)
    given = parser.parse_args(words)
    processes.prefer([os.getpid()])
    content = run(given.rounds, given.rate, given.seconds)
    results.write("shadow", content)
    print(report.shadow(content))


if __name__ == "__main__":
    main()
