"""What is there: the project in force, the machine, what the log, the monitors, rollouts, retrainings and the audit say.

state folder --collect--> Evidence     a load test's result --keep--> readiness/loadtest-ENDPOINT.json --> Evidence
"""

from __future__ import annotations

import os
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from tidegate.app import label_options
from tidegate.auth.policy import keys_required
from tidegate.config import Endpoint, Project, load_project
from tidegate.errors import ConfigError, NotFound, TidegateError
from tidegate.plugins import nearest
from tidegate.runner.options import VersionOptions
from tidegate.storage.baselines import BaselineStore
from tidegate.storage.layout import Layout, safe_name, write_atomic
from tidegate.storage.log.recent import snapshot
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.profiles import ProfileStore
from tidegate.storage.retraining import RetrainingStore
from tidegate.storage.rollouts import RolloutStore
from tidegate.storage.state import StateStore
from tidegate.storage.tags import TagStore
from tidegate.types.monitoring import Incident, Monitor
from tidegate.types.retraining import Retraining
from tidegate.types.rollouts import RolloutState
from tidegate.types.scoping import ScopingOptions
from tidegate.views.status import is_running

QUICK_ROWS = 200
"""Labelled rows from which on the model is held against a quick one."""


class Load(msgspec.Struct, frozen=True):
    """A load test: requests a second asked for and reached, how many failed, and milliseconds by quantile."""

    time: float
    seconds: float
    target: float
    reached: float
    failed: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


class Machine(msgspec.Struct, frozen=True):
    """Memory in bytes. `used` by our processes, `free` for them and others."""

    cpus: int
    memory: int
    free: int
    used: int
    gpus: list[str]


class Evidence(msgspec.Struct):
    """All of it, for one endpoint. `quick` is how much better than a quick model it is (a difference of errors), None where unknown."""

    name: str
    project: Project
    endpoint: Endpoint
    scoping: ScopingOptions
    stable: str
    version: VersionOptions | None
    machine: Machine
    now: float
    running: bool = False
    load: Load | None = None
    keys: int = 0
    keys_required: bool = False
    rows: int = 0
    labels: int = 0
    newest_label: float = 0.0
    newest_row: float = 0.0
    columns: list[str] = []
    monitors: list[Monitor] = []
    streams: int = 0
    incidents: list[Incident] = []
    baselines: dict[str, str] = {}
    quick: tuple[float, float, float] | None = None
    rollouts: list[RolloutState] = []
    retrainings: list[Retraining] = []
    actions: set[str] = set()
    verified: bool = False
    tags: int = 0

    @property
    def made(self) -> Retraining | None:
        """The retraining that made the version that serves."""
        return next((run for run in self.retrainings if run.version == self.stable), None)


def collect(layout: Layout, file: Path | None, endpoint: str) -> Evidence:
    """Errors: NotFound for an unknown endpoint; ConfigError without a project."""
    project = _project(layout, file)
    if endpoint not in project.endpoints:
        known = ", ".join(project.endpoints) or "none"
        raise NotFound(f"there is no endpoint {endpoint!r}.{nearest(endpoint, project.endpoints)} Known: {known}")
    chosen = project.endpoints[endpoint]
    stable = max(chosen.split, key=lambda version: chosen.split[version], default="")
    version = project.models[chosen.model].versions.get(stable) if chosen.model else None
    found = Evidence(
        endpoint, project, chosen, project.scoping or ScopingOptions(), stable, version, machine(layout), time.time(),
        keys_required=keys_required(project.server.host, project.server.keys),
    )  # fmt: skip
    if not (layout.root / "state.db").exists():
        return found
    found.running = is_running(layout)
    found.load = last_load(layout, endpoint)
    _from_state(found, layout)
    with suppress(NotFound):
        _from_log(found, layout)
    return found


def names(layout: Layout, file: Path | None) -> list[str]:
    """The endpoints that there are, but for stages of pipelines."""
    project = _project(layout, file)
    stages = {f"{name}.{stage.stage}" for name, one in project.endpoints.items() for stage in one.pipeline}
    return [name for name in project.endpoints if name not in stages]


def _project(layout: Layout, file: Path | None) -> Project:
    """The one in force, or where there is none yet the file's."""
    if (layout.root / "state.db").exists():
        with closing(StateStore(layout)) as store:
            desired = store.desired()
        if desired.project:
            return Project.model_validate_json(desired.project)
    if file is None:
        raise ConfigError("nothing was applied yet; `tidegate up` starts the project")
    return load_project(file)


def _from_state(found: Evidence, layout: Layout) -> None:
    name = found.name
    with closing(StateStore(layout)) as store:
        found.keys = len(store.list_keys(valid_only=True))
        audit = store.audit(10_000)
        found.actions = {entry.action for entry in audit}
        verified = next((entry for entry in audit if entry.action == "lineage.verify" and name in entry.target), None)
        found.verified = verified is not None and bool((verified.after or {}).get("same"))
    with closing(MonitoringStore(layout)) as monitoring:
        found.monitors = [one for one in monitoring.monitors(name) if one.state == "active"]
        found.incidents = monitoring.incidents(open_only=True, endpoint=name)
    with closing(ProfileStore(layout)) as profiles:
        found.streams = len(profiles.streams(name))
    with closing(BaselineStore(layout)) as baselines:
        found.baselines = {one.name: one.kind for one in baselines.listed(name)}
    with closing(RolloutStore(layout)) as rollouts:
        found.rollouts = rollouts.history(name, 200)
    with closing(RetrainingStore(layout)) as runs:
        found.retrainings = runs.listed(name, 200)
    with closing(TagStore(layout)) as tags:
        found.tags = len(tags.listed(name))


def _from_log(found: Evidence, layout: Layout) -> None:
    seen = snapshot(layout, found.name)
    found.columns = [column.name for column in seen.book.columns]
    counted = seen.predictions.select(pl.len(), pl.col("time").max()).collect()
    found.rows = int(counted.item(0, 0))
    found.newest_row = counted.item(0, 1).timestamp() if counted.item(0, 1) is not None else 0.0
    labels = seen.feedback.filter(pl.col("type") == "label").select(pl.len(), pl.col("received").max()).collect()
    found.labels = int(labels.item(0, 0))
    found.newest_label = labels.item(0, 1).timestamp() if labels.item(0, 1) is not None else 0.0
    if "quick" in found.baselines.values() and found.labels >= QUICK_ROWS:
        with suppress(TidegateError):
            found.quick = _beside_quick(layout, found)


def _beside_quick(layout: Layout, found: Evidence) -> tuple[float, float, float] | None:
    """The model's errors less the quick one's, and its bounds."""
    from tidegate.evaluation.table import evaluate

    rules, _ = label_options(layout, found.name)
    table = evaluate(layout, found.name, rules, start=found.now - 90 * 86400.0, end=found.now)
    gap = next((one.gap for one in table.lines[0].beside if one.kind == "quick"), None)
    return (gap.error, gap.low, gap.high) if gap is not None and gap.known else None


def machine(layout: Layout) -> Machine:
    """What is here."""
    import psutil

    from tidegate.metrics.software.host import Host

    memory = psutil.virtual_memory()
    used = Host(layout).sample().get("software.memory")
    return Machine(
        os.cpu_count() or 1, memory.total, memory.available, int(used.value) if used is not None else 0, _gpus()
    )


def _gpus() -> list[str]:
    try:
        import pynvml
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
        names = [
            pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(n)) for n in range(pynvml.nvmlDeviceGetCount())
        ]
    except pynvml.NVMLError:
        return []
    return [name if isinstance(name, str) else name.decode() for name in names]


def keep_load(layout: Layout, endpoint: str, report: Any) -> None:
    """Keep a load test's result (`client.loadtest.Report`)."""
    folder = layout.root / "readiness"
    folder.mkdir(mode=0o700, exist_ok=True)
    load = Load(
        time.time(), report.seconds, report.target_rate, report.achieved_rate, sum(report.errors.values()), report.p50_ms,
        report.p90_ms, report.p99_ms, report.max_ms,
    )  # fmt: skip
    write_atomic(folder / f"loadtest-{safe_name(endpoint)}.json", msgspec.json.encode(load))


def last_load(layout: Layout, endpoint: str) -> Load | None:
    """The newest that was kept."""
    try:
        return msgspec.json.decode((layout.root / "readiness" / f"loadtest-{endpoint}.json").read_bytes(), type=Load)
    except (OSError, msgspec.MsgspecError):
        return None
