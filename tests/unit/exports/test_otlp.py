"""Spans and metrics as a collector receives them: a real HTTP server that decodes OTLP's protobuf."""

from __future__ import annotations

import gzip
import json
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.support.receiver import Receiver

from tidegate.exports import exporter as exporter_module
from tidegate.exports import tail as tail_module
from tidegate.exports.exporter import Exporter
from tidegate.exports.spans import is_sampled, spans_of, trace_of
from tidegate.exports.tail import Tail
from tidegate.gateway import record
from tidegate.storage.layout import Layout
from tidegate.telemetry import Counters
from tidegate.wire.trace import parse, span_id

TRACE, PARENT = "ab" * 16, "cd" * 8
HEAD = record.head("loan", "loan-model", "1", "stable", "v2")
NOW = 1_700_000_000_000_000_000


def line(id: str, status: int = 200, **extra: str) -> bytes:
    more = b"".join(record.pair(key, value) for key, value in extra.items())
    body = b'{"inputs":[],"note":"\\"trace\\":\\"00-x"}'
    return record.line(id, NOW, HEAD, status, 10_000, 2_000, 4_000, 8, 2, more, body, b"[]")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / ".tidegate")
    (layout.journal / "0-00000001.ndjson").write_bytes(line("old", trace=f"00-{TRACE}-{PARENT}-01"))
    return layout


def configure(layout: Layout, receiver: Receiver, **telemetry: Any) -> None:
    options = {"otlp": f"http://{receiver.address}", **telemetry}
    (layout.run / "project.json").write_text(json.dumps({"project": "loans", "telemetry": options}))


def write(layout: Layout, *lines: bytes) -> None:
    with (layout.journal / "0-00000001.ndjson").open("ab") as file:
        file.write(b"".join(lines))


def unpacked(headers: dict[str, str], body: bytes) -> bytes:
    return {"gzip": gzip.decompress, "deflate": zlib.decompress}.get(headers.get("content-encoding", ""), bytes)(body)


def received(receiver: Receiver) -> list[Any]:
    found = []
    for path, headers, body in receiver.calls:
        if path == "/v1/traces":
            request = ExportTraceServiceRequest.FromString(unpacked(headers, body))
            found += [s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]
    return found


def attributes(of: Any) -> dict[str, Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in of}


def test_the_spans_of_a_request_hang_under_its_callers(layout: Layout, receiver: Receiver) -> None:
    configure(layout, receiver, traces=0, metrics=False, headers={"x-token": "${OTLP_T}"})
    os.environ["OTLP_T"] = "abc"
    exporter = Exporter(layout)
    exporter.turn()
    assert not receiver.calls, "what was before the start is not sent"
    write(
        layout, line("1-a", trace=f"00-{TRACE}-{PARENT}-01"), line("1-b", trace=f"00-{TRACE}-{PARENT}-00"), line("1-c")
    )
    exporter.turn()
    assert receiver.calls[0][1]["x-token"] == "abc"
    request, queue, infer = received(receiver)
    assert [s.name for s in (request, queue, infer)] == ["predict loan", "queue", "infer"]
    assert {s.trace_id.hex() for s in (request, queue, infer)} == {TRACE}
    assert request.parent_span_id.hex() == PARENT and request.span_id.hex() == span_id("1-a", "request")
    assert queue.parent_span_id == infer.parent_span_id == request.span_id
    assert infer.span_id.hex() == span_id("1-a", "infer"), "what the model was told as its parent"
    assert (request.start_time_unix_nano, request.end_time_unix_nano) == (NOW, NOW + 10_000_000)
    assert request.start_time_unix_nano <= queue.start_time_unix_nano
    assert queue.end_time_unix_nano == infer.start_time_unix_nano <= infer.end_time_unix_nano
    assert infer.end_time_unix_nano - infer.start_time_unix_nano == 4_000_000
    assert infer.end_time_unix_nano <= request.end_time_unix_nano
    found = attributes(request.attributes)
    assert found["tidegate.version"] == "1" and found["http.response.status_code"] == 200 and request.kind == 2


def test_a_failed_request_is_an_error_and_a_copy_belongs_to_its_original() -> None:
    (failed, *_) = spans_of(line("1-a", 500, error="the model raised"), 1.0)
    assert failed.error == "the model raised" and failed.trace == trace_of("1-a") and failed.parent == ""
    (copy, *_) = spans_of(line("1-b", mirror_of="1-a"), 1.0)
    assert (copy.trace, copy.parent, copy.kind) == (failed.trace, failed.id, "internal")
    (again, *_) = spans_of(line("1-c", fallback_of="1-a", trace=f"00-{TRACE}-{PARENT}-01"), 0.0)
    assert (again.trace, again.parent) == (TRACE, failed.id)


def test_the_share_holds_and_an_original_and_its_copies_are_kept_together() -> None:
    ids = [f"18bd-{n:x}" for n in range(5000)]
    kept = [id for id in ids if spans_of(line(id), 0.1)]
    assert 400 < len(kept) < 600 and kept == [id for id in ids if is_sampled(id, None, 0.1)]
    assert all(spans_of(line(f"x-{id}", mirror_of=id), 0.1) for id in kept[:50])
    assert not any(spans_of(line("x", mirror_of=id), 0.1) for id in ids if id not in kept)
    assert not is_sampled("x", parse(f"00-{TRACE}-{PARENT}-00"), 1.0)


@pytest.mark.parametrize(
    "other", [b"", b"{", b'{"kind":"feedback","prediction_id":"1-a"}', b'{"kind":"prediction","id":"1-a"']
)
def test_lines_that_are_no_predictions_have_no_spans(other: bytes) -> None:
    assert spans_of(other, 1.0) == []


def test_the_position_outlives_the_process_and_a_backlog_is_skipped(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Tail(layout)
    first.save()
    write(layout, line("1-a"), line("1-b")[:-20])
    assert sum(map(len, Tail(layout).chunks())) == 1, "whole lines only"
    again = Tail(layout)
    assert sum(map(len, again.chunks())) == 1
    again.save()
    assert not list(Tail(layout).chunks())
    monkeypatch.setattr(tail_module, "MOST", 10)
    write(layout, line("1-b")[-20:], line("1-c"))
    late = Tail(layout)
    assert not list(late.chunks()) and late.skipped > 0
    write(layout, b"x\n")
    assert list(late.chunks()) == [[b"x"]]


def metrics(receiver: Receiver) -> list[dict[str, Any]]:
    found = []
    for path, headers, body in receiver.calls:
        if path == "/v1/metrics":
            request = ExportMetricsServiceRequest.FromString(unpacked(headers, body))
            (resource,) = request.resource_metrics
            assert attributes(resource.resource.attributes)["service.name"] == "loans"
            found.append({m.name: m for scope in resource.scope_metrics for m in scope.metrics})
    return found


def test_metrics_arrive_with_units_and_kinds_and_a_reset_says_so(layout: Layout, receiver: Receiver) -> None:
    def count(n: int) -> None:
        counters = Counters()
        for _ in range(n):
            counters.series("loan", "1", "stable").observe(int(time.time()), 200, 2000.0)
        body = {"time": time.time(), "slot": "0", "series": counters.snapshot(int(time.time()))}
        (layout.run / "counters-0.json").write_text(json.dumps(body))

    configure(layout, receiver, interval=0.001)
    exporter = Exporter(layout)
    for n in (50, 60, 5):
        count(n)
        exporter.turn()
        time.sleep(0.002)
    first, second, third = metrics(receiver)
    (duration,) = first["tidegate.request_duration"].histogram.data_points
    assert first["tidegate.request_duration"].unit == "s" and duration.count == 50
    assert sum(duration.bucket_counts) == 50 and len(duration.bucket_counts) == len(duration.explicit_bounds) + 1
    assert duration.sum == pytest.approx(0.1)
    requests = [m["tidegate.requests"].sum for m in (first, second, third)]
    assert requests[0].is_monotonic and [r.data_points[0].as_double for r in requests] == [50, 60, 5]
    begins = [r.data_points[0].start_time_unix_nano for r in requests]
    assert begins[0] == begins[1] < begins[2]
    assert first["tidegate.up"].HasField("gauge") and first["tidegate.disk_free"].unit == "By"


def test_a_collector_that_is_away_is_said_once_and_hurts_nobody(
    layout: Layout, receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    configure(layout, receiver, traces=1.0, metrics=False)
    exporter = Exporter(layout)
    exporter.turn()
    receiver.statuses = [400, 400, 400]
    for id in ("1-a", "1-b", "1-c", "1-d"):
        write(layout, line(id))
        exporter.turn()
    assert capfd.readouterr().err.count("didn't take the spans") == 1
    assert (exporter.failed, exporter.spans) == (3, 12), "what was written meanwhile arrives when it is back"


def test_what_arrived_of_a_chunk_is_not_sent_again(
    layout: Layout, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter_module, "BATCH", 3)
    configure(layout, receiver, traces=1.0, metrics=False)
    exporter = Exporter(layout)
    exporter.turn()
    write(layout, *(line(f"1-{n}") for n in range(5)))
    receiver.statuses = [200, 200, 400]
    exporter.turn()
    assert len(receiver.calls) == 3, "one failed call ends the turn"
    write(layout, line("1-5"))
    exporter.turn()
    calls = [found for found in receiver.calls if found[0] == "/v1/traces"]
    ids = [s.span_id for s in received(receiver)]
    assert len(calls) == 7 and len(set(ids)) == 18 and exporter.spans == 18


def test_a_batch_that_is_never_taken_holds_up_the_others_for_a_while_only(
    layout: Layout, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter_module, "BATCH", 3)
    monkeypatch.setattr(exporter_module, "STUCK", 2)
    configure(layout, receiver, traces=1.0, metrics=False)
    exporter = Exporter(layout)
    exporter.turn()
    write(layout, line("1-a"), line("1-b"))
    receiver.statuses = [400, 400]
    for _ in range(3):
        exporter.turn()
    assert (exporter.failed, exporter.spans) == (2, 3)


def test_without_an_address_nothing_is_done(layout: Layout) -> None:
    (layout.run / "project.json").write_text('{"project": "loans"}')
    exporter = Exporter(layout)
    exporter.turn()
    assert not (layout.run / "traces.json").exists()
    (layout.run / "project.json").write_text('{"project": "loans", "telemetry": {"otlp": "http://x", "traces": 7}}')
    exporter.turn()
