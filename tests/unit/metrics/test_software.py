"""Software metrics against counts that are known, and gauges of processes that are real."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tidegate.metrics.registry import profile_metrics
from tidegate.metrics.software import host
from tidegate.metrics.software.interval import share
from tidegate.profiles.profile import Profile
from tidegate.stats import histogram
from tidegate.storage.layout import Layout
from tidegate.storage.log.status import IngestStatus, save_status
from tidegate.types.monitoring import Value
from tidegate.types.processes import Processes, ProcessStatus


def window() -> Profile:
    made = Profile(
        0.0, 600.0, requests=1200, rows=1200, status={200: 1100, 400: 40, 429: 20, 500: 30, 504: 10},
        errors={"timeout": 10, "overload": 20, "model": 30, "input": 40}, fallbacks=12, batch={1: 100, 4: 100, 0: 5},
    )  # fmt: skip
    times = np.linspace(1000, 101_000, 1200).astype(np.int64)
    for counts in (made.latency, made.queue, made.infer):
        histogram.add(counts, times)
    return made


def value(id: str, profile: Profile) -> Value | None:
    return profile_metrics()[id].of(profile)


@pytest.mark.parametrize(
    ("id", "expected", "n"),
    [
        ("software.throughput", 2.0, 1200),
        ("software.latency.p50", 0.051, 1200),
        ("software.latency.p90", 0.091, 1200),
        ("software.latency.p95", 0.096, 1200),
        ("software.latency.p99", 0.100, 1200),
        ("software.queue.p99", 0.100, 1200),
        ("software.infer.p99", 0.100, 1200),
        ("software.errors", 60 / 1200, 1200),
        ("software.errors.model", 30 / 1200, 1200),
        ("software.errors.overload", 20 / 1200, 1200),
        ("software.errors.input", 40 / 1200, 1200),
        ("software.errors.other", 0.0, 1200),
        ("software.timeouts", 10 / 1200, 1200),
        ("software.batch.mean", 2.5, 200),
        ("software.fallbacks", 0.01, 1200),
    ],
)
def test_each_metric_of_a_known_window(id: str, expected: float, n: int) -> None:
    found = value(id, window())
    assert found is not None and found.value == pytest.approx(expected, rel=0.02) and found.n == n
    if found.low is not None and found.high is not None:
        assert found.low <= found.value <= found.high
    assert profile_metrics()[id].id == id and profile_metrics()[id].help


def test_an_empty_window_has_a_throughput_and_nothing_else() -> None:
    empty = Profile(0.0, 60.0)
    found = {id: value(id, empty) for id in profile_metrics() if id.startswith("software.")}
    assert found.pop("software.throughput") == Value(0.0, 0)
    assert set(host.GAUGES) < set(found) and len(found) == 14 + len(host.GAUGES) and not any(found.values())


def test_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        found = share(int(rng.binomial(500, 0.03)), 500)
        assert found is not None and found.low is not None and found.high is not None
        covered += found.low <= 0.03 <= found.high
    assert covered >= 0.92 * 400
    inside = 0
    for _ in range(400):
        counts: dict[int, int] = {}
        histogram.add(counts, rng.exponential(10_000, 500).astype(np.int64))
        p90 = profile_metrics()["software.latency.p90"].of(Profile(latency=counts))
        assert p90 is not None and p90.low is not None and p90.high is not None
        inside += p90.low * 0.98 <= 0.01 * np.log(10) <= p90.high * 1.02
    assert inside >= 0.92 * 400


def test_gauges_of_real_processes(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    taken = host.Host(layout)
    assert "software.memory" not in taken.sample(0) and "software.disk_free" in taken.sample(0)
    me = ProcessStatus("gateway-0", "gateway", "ready", os.getpid())
    gone = ProcessStatus("runner-x", "runner", "ready", 2**22 + 1)
    layout.processes.write_bytes(msgspec.json.encode(Processes(0, 1, time.time(), [me, gone])))
    save_status(layout, IngestStatus(os.getpid(), time.time(), "running", lag_seconds=3.5))
    first = taken.sample(0)
    assert first["software.memory"].value > 10 << 20 and first["software.memory"].n == 1
    assert 0 < first["software.open_files"].value < 1 and "software.cpu" not in first
    assert first["software.journal_lag"].value == 3.5
    sum(range(2_000_000))
    assert taken.sample(0)["software.cpu"].value > 0
    assert set(first) <= set(host.GAUGES)
    assert taken.sample() is taken.sample(), "many monitors, one sample"


def test_an_ingest_that_says_nothing_is_behind(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    save_status(layout, IngestStatus(os.getpid(), time.time() - 100, "running"))
    assert host.sample(layout)["software.journal_lag"].value == pytest.approx(100, abs=5)


def test_gauges_have_a_unit_and_words_in_the_registry() -> None:
    for id, (unit, words) in host.GAUGES.items():
        assert (profile_metrics()[id].unit, profile_metrics()[id].help) == (unit, words)
