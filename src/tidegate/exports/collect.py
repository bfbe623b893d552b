"""All families with their samples, now. Reads; never fails for what isn't there. Some milliseconds.

Sources: counters of the gateways (serving), profiles of the last whole minutes (queue, infer, batches), the supervisor's
processes, ingest, the rollouts, and what the monitor process wrote last.
"""

from __future__ import annotations

import math
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import get_args

import msgspec
from prometheus_client.core import Metric

from tidegate import __version__
from tidegate.errors import StateError
from tidegate.exports.families import FAMILIES
from tidegate.exports.sources import Running, read
from tidegate.storage.layout import Layout
from tidegate.telemetry import BASE_US, GROWTH
from tidegate.types.monitoring import Severity
from tidegate.types.processes import ProcessState
from tidegate.types.rollouts import Phase

WINDOW = 300.0
QUANTILES = (0.5, 0.9, 0.99)
EDGES = tuple(range(12, 92, 4))
"""Every fourth bucket of telemetry.py is a bucket here: from 0.09 ms to 160 s, each twice the one before."""

Labels = dict[str, str]
Add = Callable[[str, Labels, float], None]


class Collected:
    """Families being filled, in the order of families.py."""

    def __init__(self) -> None:
        self._made: dict[str, Metric] = {}

    def add(self, name: str, labels: Labels, value: float, suffix: str = "") -> None:
        """One sample."""
        family = FAMILIES[name]
        made = self._made.setdefault(name, family.metric())
        suffix = suffix or {"counter": "_total", "info": "_info"}.get(family.kind, "")
        made.add_sample(name + suffix, labels, value)

    def state(self, name: str, labels: Labels, state: str, known: Iterable[str]) -> None:
        """One sample a known state: 1 for the one it is in."""
        for one in known:
            self.add(name, {**labels, name: one}, float(one == state))

    def families(self) -> list[Metric]:
        """Those that have samples."""
        return [self._made[name] for name in FAMILIES if name in self._made]


def collect(layout: Layout) -> list[Metric]:
    """Everything."""
    out = Collected()
    running = Running(layout)
    out.add("tidegate_build", {"version": __version__}, 1.0)
    _up(out, running)
    _serving(out, running)
    _processes(out, running)
    _log(out, layout, running)
    for endpoint in running.table.endpoints:
        for arm in endpoint.arms:
            out.add("tidegate_split_weight_percent", running.labels(endpoint.name, arm.version, arm.role), arm.weight)
    _notices(out, layout)
    _watched(out, layout)
    if (layout.root / "state.db").exists():
        try:
            _windows(out, layout, running)
            _alarms(out, layout, running)
            _rollouts(out, layout, running)
        except StateError:  # the database is locked or being moved: the rest is worth having
            pass
    return out.families()


def _up(out: Collected, running: Running) -> None:
    import psutil

    found = running.processes
    out.add("tidegate_up", {}, float(found is not None and psutil.pid_exists(found.supervisor)))
    out.add("tidegate_revision", {}, running.force.revision)
    out.add("tidegate_revision_in_force", {}, float(running.force.in_force))
    out.add("tidegate_routing_revision", {}, running.table.revision)


def _serving(out: Collected, running: Running) -> None:
    for worker in running.workers:
        slot = {"worker": worker.slot}
        out.add("tidegate_in_flight", slot, worker.in_flight if time.time() - worker.time < 10 else 0)
        out.add("tidegate_rejected", slot, worker.rejected)
        out.add("tidegate_unlogged", slot, worker.unlogged)
        out.add("tidegate_journal_failures", slot, worker.journal.failed if worker.journal is not None else 0)
        for endpoint, count in worker.dropped.items():
            out.add("tidegate_shadow_dropped", {"endpoint": endpoint, **slot}, count)
        for series in worker.series:
            labels = {**running.labels(series.endpoint, series.version, series.role), **slot}
            classes: Counter[str] = Counter()
            for status, count in series.by_status.items():
                classes[f"{status[:1]}xx"] += count
            for name, count in sorted(classes.items()):
                out.add("tidegate_requests", {**labels, "status": name}, count)
            _histogram(out, labels, series.total, series.total_seconds)


def _histogram(out: Collected, labels: Labels, counts: list[int], seconds: float) -> None:
    if not counts:
        return
    name = "tidegate_request_duration_seconds"
    below = at = 0
    for edge in EDGES:
        below, at = below + sum(counts[at:edge]), edge
        out.add(name, {**labels, "le": f"{BASE_US * GROWTH**edge / 1e6:.6g}"}, below, "_bucket")
    out.add(name, {**labels, "le": "+Inf"}, sum(counts), "_bucket")
    out.add(name, labels, sum(counts), "_count")
    out.add(name, labels, seconds, "_sum")


def _processes(out: Collected, running: Running) -> None:
    if running.processes is None:
        return
    for one in running.processes.processes:
        labels = {"process": one.name, "kind": one.kind}
        out.add("tidegate_process_resident_memory_bytes", labels, one.rss)
        out.add("tidegate_process_restarts", labels, one.restarts)
        out.add("tidegate_process_start_time_seconds", labels, one.started)
        if one.kind == "runner":
            place = {"model": one.model, "version": one.version, "replica": str(one.replica)}
            out.state("tidegate_runner_state", place, one.state, get_args(ProcessState))


def _log(out: Collected, layout: Layout, running: Running) -> None:
    if (ingest := running.ingest) is not None:
        out.add("tidegate_journal_lag_bytes", {}, ingest.lag_bytes)
        out.add("tidegate_journal_lag_seconds", {}, ingest.lag_seconds)
        out.add("tidegate_log_rows", {}, ingest.rows)
        out.add("tidegate_log_damage", {"kind": "torn"}, ingest.torn_lines)
        out.add("tidegate_log_damage", {"kind": "corrupt"}, ingest.corrupt_lines)
    if layout.root.is_dir():
        out.add("tidegate_disk_free_bytes", {}, shutil.disk_usage(layout.root).free)


def _windows(out: Collected, layout: Layout, running: Running) -> None:
    from tidegate.stats import histogram
    from tidegate.storage.profiles import ProfileStore

    store = ProfileStore(layout)
    try:
        end = time.time() // 60 * 60
        for endpoint in store.endpoints():
            for key in store.keys(endpoint, end - WINDOW, end):
                if key.segment:
                    continue
                window = store.read(endpoint, end - WINDOW, end, version=key.version, role=key.role, stage=key.stage)
                labels = running.labels(endpoint, key.version, key.role, key.stage)
                for name, counts in (
                    ("tidegate_queue_seconds", window.queue),
                    ("tidegate_infer_seconds", window.infer),
                ):
                    for q in QUANTILES if counts else ():
                        out.add(name, {**labels, "quantile": f"{q:g}"}, histogram.quantile(counts, q) / 1e6)
                if requests := sum(count for size, count in window.batch.items() if size):
                    rows = sum(size * count for size, count in window.batch.items())
                    out.add("tidegate_batch_rows", labels, rows / requests)
        for view in store.streams():
            labels = {"endpoint": view.endpoint, "side": view.side, "column": view.column, "version": view.version}
            if math.isfinite(view.log_m):
                out.add("tidegate_stream_log_evidence", labels, view.log_m)
            out.add("tidegate_stream_effect", labels, view.effect)
    finally:
        store.close()


def _alarms(out: Collected, layout: Layout, running: Running) -> None:
    from tidegate.storage.monitoring import MonitoringStore

    store = MonitoringStore(layout)
    try:
        firing = Counter(
            (alarm.endpoint, alarm.severity)
            for alarm in store.alarms(open_only=True, limit=10_000)
            if alarm.state in ("firing", "acknowledged")
        )
        incidents = Counter(incident.endpoint for incident in store.incidents(open_only=True, limit=10_000))
    finally:
        store.close()
    for endpoint in sorted({*running.models, *incidents, *(endpoint for endpoint, _ in firing)}):
        for severity in get_args(Severity):  # zeros too: a series that ends says nothing of now
            out.add("tidegate_alarms_firing", {"endpoint": endpoint, "severity": severity}, firing[endpoint, severity])
        out.add("tidegate_incidents_open", {"endpoint": endpoint}, incidents[endpoint])


def _watched(out: Collected, layout: Layout) -> None:
    from tidegate.storage.monitor_report import load_report

    report = load_report(layout)
    if report is None:
        return
    out.add("tidegate_monitor_time_seconds", {}, report.time)
    if report.limit:
        out.add("tidegate_stream_log_limit", {}, report.limit)
    seen: set[tuple[str, ...]] = set()
    for one in report.figures:
        place = (one.endpoint, one.metric, one.version, one.segment)
        if place in seen or not math.isfinite(one.value):
            continue  # two monitors of one metric: a sample may be there only once
        seen.add(place)
        labels = dict(zip(("endpoint", "metric", "version", "segment"), place, strict=True))
        out.add("tidegate_metric", labels, one.value)
        if one.limit is not None:
            out.add("tidegate_metric_limit", labels, one.limit)


def _rollouts(out: Collected, layout: Layout, running: Running) -> None:
    from tidegate.storage.rollouts import RolloutStore

    store = RolloutStore(layout)
    try:
        for endpoint in running.table.endpoints:
            state = store.current(endpoint.name)
            if state is not None:
                labels = {"endpoint": endpoint.name, "version": state.canary}
                out.state("tidegate_rollout_phase", labels, state.phase, get_args(Phase))
    finally:
        store.close()


class _Channel(msgspec.Struct):
    to: str
    sent: int = 0
    failed: int = 0
    dropped: int = 0
    limited: int = 0


def _notices(out: Collected, layout: Layout) -> None:
    """By channel; two of one masked address are one series."""
    counts: Counter[tuple[str, str]] = Counter()
    for one in read(layout.root / "run" / "notify.json", list[_Channel]) or []:
        for result in ("sent", "failed", "dropped", "limited"):
            counts[one.to, result] += getattr(one, result)
    for (channel, result), count in counts.items():
        out.add("tidegate_notifications", {"channel": channel, "result": result}, count)
