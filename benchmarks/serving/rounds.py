"""Systems side by side: start all, check that all say the same, then visit them in turn, round after round.

A shared machine is now fast, now slow. A round puts all systems within the same minutes, and what is compared is the
ratio within a
round; the spread over the rounds says how far to trust it.

    fleet(systems) -> Running ...  --visit(connections)-->  Visit ...  -> ratios(by round)
"""

from __future__ import annotations

import contextlib
import http.client
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.serving import processes, wrk
from benchmarks.serving.model import Bench
from benchmarks.serving.processes import Server
from benchmarks.serving.say import say
from benchmarks.serving.systems import Place, System

SERVER_CORE, LOAD_CORE = 0, 1


@dataclass
class Running:
    """A system that answers. `body` is the file that is posted; `ready` the seconds from its start to its first
    answer.
    """

    system: System
    server: Server
    place: Place
    url: str
    body: Path
    ready: float


@dataclass(frozen=True)
class Visit:
    """One measurement of one system. CPU in microseconds a request: `cpu_us` while answering, `later_us` what it did
    afterwards.

    `others` is the share of a core that all else took meanwhile (pinned: of the server's core), a measure of
    disturbance.
    """

    system: str
    connections: int
    round: int
    rps: float
    p50_us: float
    p99_us: float
    failed: int
    cpu_us: float
    later_us: float
    others: float


def post_once(port: int, path: str, body: bytes, timeout: float = 5.0) -> tuple[int, bytes]:
    """One request. Errors: OSError, http.client.HTTPException."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def start(system: System, bench: Bench, folder: Path, workers: int, core: int | None) -> Running | None:
    """Start one system and wait for its first right answer; None, after saying why, where it doesn't come."""
    folder.mkdir(parents=True, exist_ok=True)
    place = Place(folder, processes.free_port(), bench, workers)
    launch = system.launch(place)
    body = folder / "body.json"
    body.write_bytes(bench.body(system.body))
    began = time.monotonic()
    server = processes.start(launch.command, launch.env, folder, system.name, core)
    trouble = "no answer"
    while time.monotonic() - began < system.patience and server.child.poll() is None:
        try:
            status, answer = post_once(place.port, system.path, body.read_bytes())
            if status == 200:
                system.check(answer, bench.expected)
                ready = time.monotonic() - began
                processes.prefer(server.pids)
                return Running(system, server, place, f"http://127.0.0.1:{place.port}{system.path}", body, ready)
            trouble = f"{status} {answer[:300]!r}"
        except (OSError, http.client.HTTPException) as exc:
            trouble = repr(exc)
        except (ValueError, KeyError, IndexError, TypeError) as exc:
            trouble = f"a wrong answer: {exc}"
            break
        time.sleep(0.1)
    processes.end(server)
    tail = server.log.read_text(errors="replace")[-600:]
    say(f"{system.name} is left out: {trouble}. The end of its output:\n{tail}")
    return None


@contextlib.contextmanager
def fleet(systems: Sequence[System], bench: Bench, workers: int, *, pinned: bool) -> Iterator[list[Running]]:
    """Start all; those that don't come up are left out, aloud. End all, whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="tidegate-bench-"))
    running: list[Running] = []
    try:
        for system in systems:
            one = start(system, bench, folder / system.name, workers, SERVER_CORE if pinned else None)
            if one:
                say(f"{system.name} answers as the model does, {one.ready:.1f} s after its start")
                running.append(one)
                if system.pauses:
                    processes.pause(one.server)
        yield running
    finally:
        for one in running:
            processes.ask_to_end(one.server)
        for one in running:
            processes.end(one.server)
        shutil.rmtree(folder, ignore_errors=True)


def wake(one: Running, patience: float = 20.0) -> None:
    """Wait until a system that was paused answers again. Errors: RuntimeError when it doesn't."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            if post_once(one.place.port, one.system.path, one.body.read_bytes())[0] == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.1)
    tail = one.server.log.read_text(errors="replace")[-600:]
    raise RuntimeError(f"{one.system.name} stopped answering; the end of its output:\n{tail}")


def visit(one: Running, connections: int, number: int, seconds: float, *, pinned: bool, warm: float = 1.0) -> Visit:
    """Wake it, warm up, measure, then wait until the system is quiet."""
    core = LOAD_CORE if pinned else None
    processes.resume(one.server)
    wake(one)
    processes.prefer(one.server.pids)
    if warm:
        wrk.post(one.url, one.body, connections, warm, core=core)
    watched = SERVER_CORE if pinned else None
    before, all_before, began = sum(processes.cpu(one.server.pids).values()), processes.busy(watched), time.monotonic()
    load = wrk.post(one.url, one.body, connections, seconds, core=core)
    took = time.monotonic() - began
    own = sum(processes.cpu(one.server.pids).values()) - before
    others = max(0.0, processes.busy(watched) - all_before - own) / took
    later = processes.settle(one.server, longest=2.0 if one.system.pauses else 20.0)
    if one.system.pauses:
        processes.pause(one.server)
    count = max(1, load.requests)
    return Visit(
        system=one.system.name,
        connections=connections,
        round=number,
        rps=load.rps,
        p50_us=load.p50_us,
        p99_us=load.p99_us,
        failed=load.failed,
        cpu_us=own / count * 1e6,
        later_us=later / count * 1e6,
        others=others,
    )


def visits(
    running: Sequence[Running], connections: Sequence[int], rounds: int, seconds: float, *, pinned: bool
) -> list[Visit]:
    """All systems, at each number of connections, `rounds` times; each round begins with another system."""
    seen: list[Visit] = []
    gone: set[str] = set()
    for number in range(rounds):
        for count in connections:
            for at in range(len(running)):
                one = running[(at + number) % len(running)]
                if one.system.name in gone:
                    continue
                try:
                    v = visit(one, count, number, seconds, pinned=pinned)
                except RuntimeError as exc:
                    say(f"{one.system.name} is left out from here on: {exc}")
                    gone.add(one.system.name)
                    continue
                seen.append(v)
                say(
                    f"round {number + 1}/{rounds} c={count:<3} {v.system:22} {v.rps:9.0f} requests/s  "
                    f"p50 {v.p50_us / 1e3:7.2f}  p99 {v.p99_us / 1e3:7.2f} ms  "
                    f"{v.cpu_us:6.0f} us CPU a request  failed {v.failed}"
                )
    return seen


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, least and most."""
    return {"median": median(values), "min": min(values), "max": max(values), "all": list(values)}
