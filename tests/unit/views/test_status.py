"""Status is put together from files that other processes write: merged rightly, and never an exception."""

import os
import subprocess
import sys
import time

import msgspec
import pytest

from tidegate.storage.layout import Layout
from tidegate.telemetry import Counters, quantile
from tidegate.types.processes import Processes, ProcessStatus
from tidegate.types.traffic import Arm, EndpointRoute, RoutingTable, VersionRoute
from tidegate.views.status import gather, is_alive, is_running


def write(layout, name, value):
    (layout.run / name).write_bytes(msgspec.json.encode(value))


@pytest.fixture
def layout(tmp_path):
    """A state folder whose supervisor is a living process with `tidegate` in its command line."""
    layout = Layout(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)  # tidegate"])
    deadline = time.time() + 5
    while not is_alive(child.pid) and time.time() < deadline:
        time.sleep(0.01)
    runner = ProcessStatus("r-0", "runner", "ready", 7, 2, 1000, 1.0, model="m", version="1")
    gateway = ProcessStatus("g0", "gateway", "ready", 8, 0, 500)
    write(
        layout,
        "processes.json",
        Processes(child.pid, 1, time.time(), [gateway, runner], "http://h:1", "h:2", "http://h:3"),
    )
    table = RoutingTable(
        4, [EndpointRoute("e", "m", [Arm("1", 90.0), Arm("2", 10.0, "canary")])], [VersionRoute("m", "1", "READY")]
    )
    write(layout, "routing.json", table)
    write(layout, "controller.json", {"revision": 3, "in_force": True, "waiting": [], "failed": [], "time": 0})
    write(layout, "project.json", {"project": "loans"})
    yield layout
    child.kill()
    child.wait()


def counted(now, latencies_us, status=200, version="1"):
    counters = Counters()
    for value in latencies_us:
        counters.series("e", version, "stable").observe(int(now) - 1, status, value)
    return counters.snapshot(int(now))


def counters(now, slot, series, **more):
    return {"time": now, "slot": slot, "window_s": 10, "series": series, "in_flight": 1, "rejected": 2, **more}


def test_workers_add_and_their_quantiles_merge_exactly(layout):
    now = time.time()
    fast, slow = [1_000.0] * 90, [50_000.0] * 10
    write(layout, "counters-g0.json", counters(now, "g0", counted(now, fast), journal={"failed": 1}, unlogged=2))
    write(layout, "counters-g1.json", counters(now, "g1", counted(now, slow, 500), journal={"failed": 3}, unlogged=4))
    view = gather(layout)
    together = counted(now, fast + slow)[0]
    traffic = view.endpoints[0].traffic
    assert (traffic.requests, traffic.errors, traffic.rps) == (100, 10, pytest.approx(10.0))
    assert traffic.by_status == {"200": 90, "500": 10}
    assert traffic.p50_ms == quantile(together["buckets"], 0.5) == pytest.approx(1.0, rel=0.1)
    assert traffic.p99_ms == quantile(together["buckets"], 0.99) == pytest.approx(50.0, rel=0.1)
    assert (view.in_flight, view.rejected, view.log.failed, view.log.unlogged) == (2, 4, 4, 6)


def test_a_worker_that_stopped_counting_has_totals_but_no_rate(layout):
    now = time.time() - 60
    write(layout, "counters-g0.json", counters(now, "g0", counted(now, [1000.0] * 10)))
    traffic = gather(layout).endpoints[0].traffic
    assert (traffic.requests, traffic.rps, traffic.p99_ms) == (10, 0.0, 0.0)


def test_what_no_version_saw_counts_for_the_endpoint_alone(layout):
    now = time.time()
    write(layout, "counters-g0.json", counters(now, "g0", counted(now, [1000.0] * 5, 404, "")))
    endpoint = gather(layout).endpoints[0]
    assert endpoint.traffic.requests == 5
    assert [arm.traffic.requests for arm in endpoint.arms] == [0, 0]


def test_versions_and_processes(layout):
    view = gather(layout)
    assert view.running
    assert (view.project, view.revision, view.in_force) == ("loans", 3, True)
    (version,) = view.versions
    assert (version.state, version.replicas, version.restarts, version.rss) == ("READY", 1, 2, 1000)
    assert view.rss == 1500
    assert [(a.version, a.role, a.weight, a.state) for a in view.endpoints[0].arms] == [
        ("1", "stable", 90.0, "READY"),
        ("2", "canary", 10.0, "UNKNOWN"),
    ]


def test_ingest_is_shown_with_its_lag_and_not_when_it_is_gone(layout):
    (supervisor,) = [gather(layout).supervisor]
    status = {
        "pid": supervisor,
        "time": 1,
        "state": "running",
        "lag_bytes": 10,
        "lag_seconds": 0.5,
        "error": "disk full",
    }
    write(layout, "ingest.json", status)
    log = gather(layout).log
    assert (log.ingest, log.lag_bytes, log.lag_seconds, log.error) == ("running", 10, 0.5, "disk full")
    write(layout, "ingest.json", {**status, "pid": 2**22 + 1})
    assert gather(layout).log.ingest == "not running"


@pytest.mark.parametrize("name", ["routing.json", "counters-g0.json", "ingest.json", "controller.json", "project.json"])
def test_a_broken_file_is_not_there(layout, name):
    (layout.run / name).write_text("{broken")
    assert gather(layout).running


def test_not_running(tmp_path):
    layout = Layout(tmp_path)
    assert not is_running(layout)
    assert not gather(layout).running
    child = subprocess.Popen([sys.executable, "-c", "0  # tidegate"])
    child.wait()
    write(layout, "processes.json", Processes(child.pid, 1, 1.0, []))
    assert not is_running(layout)
    assert not gather(layout).running


def test_another_programs_process_id_is_not_ours():
    child = subprocess.Popen(["sleep", "30"])
    try:
        assert not is_alive(child.pid)
        assert not is_alive(0)
    finally:
        child.kill()
        assert not is_alive(child.pid) or os.name == "nt"
        child.wait()
