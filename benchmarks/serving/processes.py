"""Start a server, find all its processes, weigh them, end them. Ours are known by a tag in their environment, so no
other is touched.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

TICK = os.sysconf("SC_CLK_TCK")
TAG = "BENCH_TAG"
PREFER = "BENCH_PREFER"


@dataclass(frozen=True)
class Server:
    """One started server. `log` is the file with what it prints."""

    child: subprocess.Popen[bytes]
    tag: str
    log: Path

    @property
    def pids(self) -> list[int]:
        """All its processes: those that carry the tag, and its children should they have cleaned their
        environment.
        """
        try:
            children = [child.pid for child in psutil.Process(self.child.pid).children(recursive=True)]
        except psutil.Error:
            children = []
        return sorted({*tagged(self.tag), *children})


def start(command: Sequence[str], env: Mapping[str, str], folder: Path, name: str, core: int | None) -> Server:
    """Start `command` in a session of its own, pinned to `core` unless that is None."""
    tag = f"{name}-{os.getpid()}-{time.time_ns()}"
    log = folder / f"{name}.log"
    pin = ["taskset", "-c", str(core)] if core is not None else []
    with log.open("wb") as out:
        child = subprocess.Popen(
            [*pin, *command],
            env={**_usual(os.environ), **env, TAG: tag},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    prefer([child.pid])
    return Server(child, tag, log)


def pause(server: Server) -> None:
    """Stop all its processes where they are, so that idling costs the others nothing."""
    for pid in server.pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)


def resume(server: Server) -> None:
    """Let them go on."""
    for pid in server.pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _usual(env: Mapping[str, str]) -> dict[str, str]:
    """Without a developer's switch that would have every process compile all its modules at every start."""
    return {name: value for name, value in env.items() if name != "PYTHONDONTWRITEBYTECODE"}


def ask_to_end(server: Server) -> None:
    """SIGTERM to the first process, without waiting."""
    resume(server)
    if server.child.poll() is None:
        server.child.terminate()


def end(server: Server, patience: float = 15.0) -> None:
    """SIGTERM to the first process, then to whatever is left, then SIGKILL."""
    resume(server)
    plan = [(0.0, signal.SIGTERM, True), (patience * 0.5, signal.SIGTERM, False), (patience, signal.SIGKILL, False)]
    began = time.monotonic()
    while True:
        if plan and time.monotonic() - began >= plan[0][0]:
            _, number, first = plan.pop(0)
            for pid in [server.child.pid] if first else server.pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        server.child.poll()
        if not server.pids or time.monotonic() - began > patience + 5:
            return
        time.sleep(0.1)


def tagged(tag: str) -> list[int]:
    """All processes that carry the tag."""
    word = f"{TAG}={tag}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) != os.getpid():
            try:
                if word in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue
    return sorted(found)


def prefer(pids: Iterable[int]) -> None:
    """Where BENCH_PREFER=1: ask the kernel to serve these sessions before the machine's other work (Linux
    autogroups; needs root).
    """
    if os.environ.get(PREFER) != "1":
        return
    for pid in pids:
        try:
            Path(f"/proc/{pid}/autogroup").write_text("-20")
        except OSError:
            continue


def cpu(pids: Iterable[int]) -> dict[int, float]:
    """Seconds of CPU that each process has used, its threads included, children not."""
    used = {}
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        used[pid] = (int(fields[11]) + int(fields[12])) / TICK
    return used


def memory(pids: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Bytes resident (RSS) and the process's fair share of them (PSS, which counts a page shared by two as a half
    each).
    """
    held = {}
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        size = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines[1:]}
        held[pid] = (size.get("Rss", 0), size.get("Pss", 0))
    return held


def busy(core: int | None) -> float:
    """Seconds that a core (all cores: None) has been busy since boot, steal excluded."""
    name = "cpu" if core is None else f"cpu{core}"
    for line in Path("/proc/stat").read_text().splitlines():
        if line.split()[0] == name:
            user, nice, system, _, _, irq, softirq = (int(word) for word in line.split()[1:8])
            return (user + nice + system + irq + softirq) / TICK
    raise ValueError(f"there is no {name} in /proc/stat")


def settle(server: Server, quiet: float = 0.06, longest: float = 20.0) -> float:
    """Wait until a server does next to nothing (a log may still be catching up), so that the next one's visit is its
    own.

    Returns the CPU seconds it used meanwhile.
    """
    pids = server.pids
    first = last = sum(cpu(pids).values())
    deadline = time.monotonic() + longest
    while time.monotonic() < deadline:
        time.sleep(0.5)
        now = sum(cpu(pids).values())
        if (now - last) / 0.5 <= quiet:
            return now - first
        last = now
    return last - first


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
