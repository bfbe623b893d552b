"""What runs, what it serves, how fast and how well: one value, put together from the small files in `run/`.

    processes.json (supervisor), routing.json, controller.json (controller), counters-SLOT.json (gateways), ingest.json
        --gather--> StatusView

Several gateway workers count the same endpoints: totals and rates add; quantiles are read from their buckets, added.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tidegate.storage.layout import Layout
from tidegate.telemetry import BUCKETS, quantile
from tidegate.types.processes import Processes
from tidegate.types.traffic import RoutingTable

T = TypeVar("T")

STALE = 5.0
"""Seconds after which a worker's rates and quantiles no longer say anything of now; its totals still count."""


class Traffic(msgspec.Struct):
    """What was asked of something. Totals since the workers began; rates and quantiles over the last 10 s."""

    requests: int = 0
    errors: int = 0
    rps: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    by_status: dict[str, int] = {}


class ArmView(msgspec.Struct):
    """One version's part in an endpoint's split. `weight` is a percentage."""

    version: str
    role: str
    weight: float
    state: str
    traffic: Traffic


class EndpointView(msgspec.Struct):
    """One endpoint: all that was asked of it (also what no version saw), then by version."""

    name: str
    model: str
    traffic: Traffic
    arms: list[ArmView]


class VersionView(msgspec.Struct):
    """One model version and its runners. `rss` in bytes, `load_seconds` of the slowest runner."""

    model: str
    version: str
    state: str
    platform: str
    reason: str
    replicas: int
    ready: int
    restarts: int
    rss: int
    load_seconds: float


class ProcessView(msgspec.Struct):
    """One process. `rss` in bytes, `uptime` in seconds."""

    name: str
    kind: str
    state: str
    pid: int
    restarts: int
    rss: int
    uptime: float
    reason: str
    model: str
    version: str
    replica: int


class LogView(msgspec.Struct):
    """From journal to prediction log. `failed` counts failed journal writes, `unlogged` answers without a record."""

    ingest: str = "not running"
    lag_bytes: int = 0
    lag_seconds: float = 0.0
    rows: int = 0
    feedback: int = 0
    torn_lines: int = 0
    corrupt_lines: int = 0
    failed: int = 0
    unlogged: int = 0
    error: str = ""


class StatusView(msgspec.Struct):
    """All that `tidegate status` shows. `waiting` and `failed` are the controller's words on the newest revision."""

    running: bool
    time: float
    project: str = ""
    supervisor: int = 0
    http: str = ""
    grpc: str = ""
    control: str = ""
    revision: int = 0
    in_force: bool = False
    waiting: list[str] = []
    failed: list[str] = []
    traffic: Traffic = msgspec.field(default_factory=Traffic)
    in_flight: int = 0
    rejected: int = 0
    endpoints: list[EndpointView] = []
    versions: list[VersionView] = []
    processes: list[ProcessView] = []
    log: LogView = msgspec.field(default_factory=LogView)
    rss: int = 0


class _Series(msgspec.Struct):
    endpoint: str
    version: str = ""
    role: str = ""
    requests: int = 0
    errors: int = 0
    rps: float = 0.0
    by_status: dict[str, int] = {}
    buckets: list[int] = []


class _Journal(msgspec.Struct):
    failed: int = 0


class _Counters(msgspec.Struct):
    time: float
    slot: str
    series: list[_Series] = []
    in_flight: int = 0
    rejected: int = 0
    unlogged: int = 0
    journal: _Journal | None = None


class _Ingest(msgspec.Struct):
    pid: int
    time: float
    state: str
    lag_bytes: int = 0
    lag_seconds: float = 0.0
    rows: int = 0
    feedback: int = 0
    torn_lines: int = 0
    corrupt_lines: int = 0
    error: str = ""


class _Force(msgspec.Struct):
    revision: int = 0
    in_force: bool = False
    waiting: list[str] = []
    failed: list[str] = []


def read_processes(layout: Layout) -> Processes | None:
    """What the supervisor last wrote, whether or not it still lives; None where it wrote nothing."""
    return _read(layout.root / "run" / "processes.json", Processes)


def is_running(layout: Layout) -> bool:
    """Whether this state folder's supervisor lives now."""
    found = read_processes(layout)
    return found is not None and is_alive(found.supervisor)


def is_alive(pid: int) -> bool:
    """Whether a process of ours has this id: a stale file may name an id that something else has by now."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    proc = Path(f"/proc/{pid}")
    try:
        if (proc / "stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z":
            return False
        return b"tidegate" in (proc / "cmdline").read_bytes()
    except (OSError, IndexError):
        return not Path("/proc/self").exists()  # no /proc on this system: the signal's answer has to do


def gather(layout: Layout) -> StatusView:
    """The state of a project now. Never fails: what isn't there is shown as not there. Costs some milliseconds."""
    now = time.time()
    run = layout.root / "run"
    processes = read_processes(layout)
    running = processes is not None and is_alive(processes.supervisor)
    project = _read(run / "project.json", dict[str, Any]) or {}
    view = StatusView(running, now, project=str(project.get("project", "")))
    if processes is None or not running:
        return view
    table = _read(run / "routing.json", RoutingTable) or RoutingTable(0, [], [])
    counters = [c for path in sorted(run.glob("counters-*.json")) if (c := _read(path, _Counters)) is not None]
    force = _read(run / "controller.json", _Force) or _Force()
    view.supervisor, view.http, view.grpc, view.control = (
        processes.supervisor,
        processes.http,
        processes.grpc,
        processes.control,
    )
    view.revision, view.in_force, view.waiting, view.failed = (
        force.revision,
        force.in_force,
        force.waiting,
        force.failed,
    )
    view.processes = _processes(processes, now)
    view.rss = sum(p.rss for p in view.processes)
    view.versions = _versions(table, processes)
    view.endpoints = _endpoints(table, counters, now)
    view.traffic = _merge([(s, c.time) for c in counters for s in c.series], now)
    view.in_flight = sum(c.in_flight for c in counters)
    view.rejected = sum(c.rejected for c in counters)
    view.log = _log(_read(run / "ingest.json", _Ingest), counters)
    return view


def _processes(processes: Processes, now: float) -> list[ProcessView]:
    return [
        ProcessView(
            p.name, p.kind, p.state, p.pid, p.restarts, p.rss, max(now - p.started, 0.0) if p.started else 0.0,
            p.reason, p.model, p.version, p.replica,
        )
        for p in processes.processes
    ]  # fmt: skip


def _versions(table: RoutingTable, processes: Processes) -> list[VersionView]:
    views = []
    for version in table.versions:
        mine = [
            p for p in processes.processes if (p.kind, p.model, p.version) == ("runner", version.model, version.version)
        ]
        ready = [p.ready for p in mine if p.state == "ready" and p.ready is not None]
        views.append(
            VersionView(
                version.model, version.version, version.state, version.platform, version.reason, len(mine), len(ready),
                sum(p.restarts for p in mine), sum(p.rss for p in mine),
                max((r.load_seconds for r in ready), default=0.0),
            )
        )  # fmt: skip
    return views


def _endpoints(table: RoutingTable, counters: list[_Counters], now: float) -> list[EndpointView]:
    states = {(v.model, v.version): v.state for v in table.versions}
    series = [(s, c.time) for c in counters for s in c.series]
    views = []
    for endpoint in table.endpoints:
        mine = [(s, t) for s, t in series if s.endpoint == endpoint.name]
        arms = [
            ArmView(
                arm.version,
                arm.role,
                arm.weight,
                states.get((endpoint.model, arm.version), "UNKNOWN"),
                _merge([(s, t) for s, t in mine if s.version == arm.version], now),
            )
            for arm in endpoint.arms
        ]
        views.append(EndpointView(endpoint.name, endpoint.model, _merge(mine, now), arms))
    return views


def _merge(series: list[tuple[_Series, float]], now: float) -> Traffic:
    out = Traffic(by_status={})
    buckets = [0] * BUCKETS
    for one, written in series:
        out.requests += one.requests
        out.errors += one.errors
        for status, count in one.by_status.items():
            out.by_status[status] = out.by_status.get(status, 0) + count
        if now - written <= STALE:
            out.rps += one.rps
            for i, count in enumerate(one.buckets[:BUCKETS]):
                buckets[i] += count
    out.p50_ms, out.p99_ms = quantile(buckets, 0.5), quantile(buckets, 0.99)
    return out


def _log(ingest: _Ingest | None, counters: list[_Counters]) -> LogView:
    failed = sum(c.journal.failed for c in counters if c.journal is not None)
    view = LogView(failed=failed, unlogged=sum(c.unlogged for c in counters))
    if ingest is not None:
        view.ingest = ingest.state if is_alive(ingest.pid) else "not running"
        view.lag_bytes, view.lag_seconds = ingest.lag_bytes, ingest.lag_seconds
        view.rows, view.feedback = ingest.rows, ingest.feedback
        view.torn_lines, view.corrupt_lines, view.error = ingest.torn_lines, ingest.corrupt_lines, ingest.error
    return view


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None
