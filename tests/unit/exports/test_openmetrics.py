"""/metrics by the parser of Prometheus' own client: every family as it is described, counters that never jump back."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse_text
from starlette.testclient import TestClient

from tidegate.api.app import build
from tidegate.changes import create_key
from tidegate.exports.collect import EDGES, collect
from tidegate.exports.families import FAMILIES
from tidegate.exports.openmetrics import text
from tidegate.profiles.profile import Key, Profile
from tidegate.stats import histogram
from tidegate.storage.layout import Layout
from tidegate.storage.log.status import IngestStatus, save_status
from tidegate.storage.monitor_report import Figure, MonitorReport, save_report
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.profiles import ProfileStore
from tidegate.telemetry import BUCKETS, Counters, bucket_of
from tidegate.types.monitoring import Alarm, Incident
from tidegate.types.processes import Processes, ProcessStatus
from tidegate.types.traffic import Arm, EndpointRoute, RoutingTable

ODD = 'a "quoted"\\n\nname'


def write_counters(layout: Layout, slot: str, counters: Counters, **more: object) -> None:
    body = {"time": time.time(), "slot": slot, "series": counters.snapshot(int(time.time()) + 1), **more}
    (layout.run / f"counters-{slot}.json").write_bytes(msgspec.json.encode(body))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / ".tidegate")
    for slot, seed in (("0", 0), ("1", 1)):
        counters = Counters()
        series = counters.series("loan", "1", "stable")
        now = int(time.time())
        for n in range(100 * (seed + 1)):
            series.observe(now, 200 if n % 10 else 503, 2000.0)
        write_counters(layout, slot, counters, in_flight=3, rejected=2, unlogged=1, dropped={"loan": 4})
    runner = ProcessStatus("runner-loan-1", "runner", "ready", os.getpid(), 2, 1 << 20, 5.0, model="loan", version="1")
    layout.processes.write_bytes(msgspec.json.encode(Processes(os.getpid(), 1, time.time(), [runner])))
    table = RoutingTable(7, [EndpointRoute("loan", "loan-model", [Arm("1", 90.0), Arm("2", 10.0, "canary")])], [])
    layout.routing.write_bytes(msgspec.json.encode(table))
    (layout.run / "controller.json").write_text('{"revision": 3, "in_force": true, "waiting": [], "failed": []}')
    save_status(layout, IngestStatus(os.getpid(), time.time(), "running", rows=500, lag_bytes=10, lag_seconds=0.5))
    figures = [Figure("loan", f"output.share.{ODD}", 0.25, 100, limit=0.5), Figure("loan", f"output.share.{ODD}", 0.25)]
    save_report(layout, MonitorReport(os.getpid(), time.time(), limit=12.0, figures=figures))
    (layout.run / "notify.json").write_text('[{"to": "slack://***", "for": "all", "sent": 3, "failed": 1}]')
    store = MonitoringStore(layout)
    store.put_incident(Incident(0, "loan", "firing", "page", "c", 1.0))
    store.put_alarm(Alarm(0, "loan/output.null", "loan", "output.null", "firing", "page"))
    store.close()
    minute = time.time() // 60 * 60 - 60
    queue: dict[int, int] = {}
    histogram.add(queue, np.full(50, 4000))
    profiles = ProfileStore(layout)
    window = Profile(minute, 60.0, 50, 50, {200: 50}, queue=queue, infer=dict(queue), batch={2: 50})
    profiles.commit({(Key("loan", "1", "stable"), int(minute)): window}, [], {"0": 1})
    profiles.close()
    return layout


def samples(layout: Layout) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    body, _ = text(collect(layout))
    found = {}
    for family in parse_open(body.decode()):
        for sample in family.samples:
            found[sample.name, frozenset(sample.labels.items())] = sample.value
    return found


def value(layout: Layout, name: str, **labels: str) -> float:
    (found,) = [v for (n, have), v in samples(layout).items() if n == name and set(labels.items()) <= have]
    return found


def test_the_parser_of_openmetrics_takes_it_and_every_family_is_described(layout: Layout) -> None:
    body, content_type = text(collect(layout))
    assert content_type.startswith("application/openmetrics-text") and body.endswith(b"# EOF\n")
    found = {family.name: family for family in parse_open(body.decode())}
    for name, family in found.items():
        known = FAMILIES[name]
        assert (family.type, family.unit, family.documentation) == (known.kind, known.unit, known.help)
        extra = {"le"} if known.kind == "histogram" else {name} if known.kind == "stateset" else set()
        for sample in family.samples:
            assert sample.name in known.samples and set(sample.labels) <= {*known.labels, *extra}
    missing = set(FAMILIES) - set(found)
    assert missing == {"tidegate_rollout_phase", "tidegate_stream_log_evidence", "tidegate_stream_effect"}


def test_values_are_what_was_counted(layout: Layout) -> None:
    served = {"endpoint": "loan", "model": "loan-model", "version": "1", "role": "stable"}
    assert value(layout, "tidegate_requests_total", worker="1", status="2xx", **served) == 180
    assert value(layout, "tidegate_requests_total", worker="0", status="5xx", **served) == 10
    assert value(layout, "tidegate_request_duration_seconds_count", worker="1", **served) == 200
    assert value(layout, "tidegate_request_duration_seconds_sum", worker="1", **served) == pytest.approx(0.4)
    assert value(layout, "tidegate_queue_seconds", quantile="0.99", **served) == pytest.approx(0.004, rel=0.03)
    assert value(layout, "tidegate_batch_rows", **served) == 2
    assert value(layout, "tidegate_metric", metric=f"output.share.{ODD}") == 0.25
    assert value(layout, "tidegate_alarms_firing", endpoint="loan", severity="page") == 1
    assert value(layout, "tidegate_alarms_firing", endpoint="loan", severity="ticket") == 0
    assert value(layout, "tidegate_runner_state", tidegate_runner_state="ready", replica="0") == 1
    assert value(layout, "tidegate_runner_state", tidegate_runner_state="failed", replica="0") == 0
    assert value(layout, "tidegate_split_weight_percent", version="2", role="canary") == 10
    assert value(layout, "tidegate_notifications_total", channel="slack://***", result="sent") == 3
    assert value(layout, "tidegate_shadow_dropped_total", worker="0") == 4 and value(layout, "tidegate_up") == 1


def test_buckets_hold_what_they_say(layout: Layout) -> None:
    edges = {
        float(dict(labels)["le"]): v
        for (name, labels), v in samples(layout).items()
        if name.endswith("_bucket") and ("worker", "0") in labels
    }
    assert len(edges) == len(EDGES) + 1
    for edge, count in edges.items():
        assert count == (100 if edge > 0.0021 else 0)
    for index in EDGES:  # an edge is exactly the begin of one of our buckets
        assert bucket_of(10.0 * 1.2**index * 1.0001) == index and index < BUCKETS


def test_a_worker_that_restarts_resets_its_own_series_alone(layout: Layout) -> None:
    before = samples(layout)
    counters = Counters()
    counters.series("loan", "1", "stable").observe(int(time.time()), 200, 1000.0)
    write_counters(layout, "0", counters)
    after = samples(layout)
    fell = {key for key, v in after.items() if key in before and v < before[key] and key[0].endswith("_total")}
    assert fell and all(("worker", "0") in labels for _, labels in fell)


def test_the_route_needs_a_key_where_keys_are_needed_and_speaks_both_dialects(layout: Layout) -> None:
    client = TestClient(build(layout), base_url="http://127.0.0.1:8000")
    asked = client.get("/metrics", headers={"accept": "text/plain"})
    assert asked.headers["content-type"].startswith("text/plain")
    assert "tidegate_requests" in {family.name for family in parse_text(asked.text)}
    opened = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert opened.headers["content-type"].startswith("application/openmetrics-text")
    secret, _ = create_key(layout, "view", "prometheus", valid_for=0.0, actor="test")
    lesser, _ = create_key(layout, "predict", "app", valid_for=0.0, actor="test")
    locked = TestClient(build(layout, host="0.0.0.0", require_keys=True))
    assert locked.get("/metrics").status_code == 401
    assert locked.get("/metrics", headers={"authorization": f"Bearer {secret}"}).status_code == 200
    assert locked.get("/metrics", headers={"authorization": f"Bearer {lesser}"}).status_code == 403


def test_the_revision_is_the_one_that_status_shows(layout: Layout) -> None:
    found = samples(layout)
    assert found["tidegate_revision", frozenset()] == 3
    assert found["tidegate_revision_in_force", frozenset()] == 1
    assert found["tidegate_routing_revision", frozenset()] == 7


def test_nothing_is_there_and_it_says_so(tmp_path: Path) -> None:
    found = {family.name for family in parse_open(text(collect(Layout(tmp_path / "none")))[0].decode())}
    assert (
        found
        == {
            "tidegate_build",
            "tidegate_up",
            "tidegate_revision",
            "tidegate_revision_in_force",
            "tidegate_routing_revision",
        }
        and not (tmp_path / "none").exists()
    )
