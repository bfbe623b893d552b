"""One Tidegate by itself, as `tidegate up` starts it, with names for its processes.

project file in a folder of its own -> supervisor -> run/processes.json says who is who
"""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving import processes
from benchmarks.serving.environments import tool
from benchmarks.serving.model import Bench
from benchmarks.serving.rounds import post_once
from benchmarks.serving.say import stop
from benchmarks.serving.systems import V2_PATH, write_project


@dataclass
class Alone:
    """A running Tidegate. `ready` is the seconds from its start to its first right answer over HTTP."""

    server: processes.Server
    folder: Path
    port: int
    ready: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{V2_PATH}"

    @property
    def state(self) -> Path:
        return self.folder / ".tidegate"

    def names(self) -> dict[int, str]:
        """pid -> what that process is: supervisor, g0 (gateway), runner, ingest, web, controller; `other` for the
        rest.
        """
        known: dict[str, Any] = json.loads((self.state / "run" / "processes.json").read_text())
        found = {int(known["supervisor"]): "supervisor"}
        for one in known["processes"]:
            if one.get("pid"):
                kind = "gateway" if one["kind"] == "gateway" else one["kind"]
                found[int(one["pid"])] = f"{kind} {one['name']}" if kind == "gateway" else kind
        return {pid: found.get(pid, "other") for pid in self.server.pids}


@contextlib.contextmanager
def tidegate(
    bench: Bench,
    *,
    core: int | None = None,
    workers: int = 0,
    versions: int = 1,
    patience: float = 90.0,
    env: Mapping[str, str] | None = None,
) -> Iterator[Alone]:
    """Start it, wait for its first right answer, end it."""
    folder = Path(tempfile.mkdtemp(prefix="tidegate-bench-"))
    port = processes.free_port()
    write_project(folder, bench, http=port, workers=workers, versions=versions)
    began = time.monotonic()
    server = processes.start([tool("tidegate", "tidegate"), "up"], env or {}, folder, "tidegate", core)
    try:
        yield Alone(server, folder, port, _wait(server, port, bench, began, patience))
    finally:
        processes.end(server)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: processes.Server, port: int, bench: Bench, began: float, patience: float) -> float:
    body = bench.body("v2")
    while time.monotonic() - began < patience and server.child.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if post_once(port, V2_PATH, body)[0] == 200:
                processes.prefer(server.pids)
                return time.monotonic() - began
        time.sleep(0.01)
    return stop(f"Tidegate did not start; the end of its output:\n{server.log.read_text(errors='replace')[-1500:]}")
