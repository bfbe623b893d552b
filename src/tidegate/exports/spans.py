"""From a journal record to its spans, after the fact: the request path pays nothing for them.

    request (server)  time .......................................... time + latency_us
      queue                    [ wait at the runner, queue_us ]
      infer                                                    [ infer_us ]

A record has durations, no marks: what of the latency is neither queue nor infer (decoding, sockets, journal) is laid half
before and half after them. The trace is the caller's where it sent a valid traceparent, else drawn from the prediction's id;
a shadow's copy and a fallback belong to the trace, and below the span, of the request that they stand for.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Literal

import msgspec

from tidegate.wire.trace import Context, parse, span_id


class Record(msgspec.Struct):
    """The part of a PredictionRecord that spans are made of: the rest of the line is skipped, not decoded."""

    id: str
    time: int
    endpoint: str
    model: str = ""
    version: str = ""
    role: str = ""
    status: int = 0
    codec: str = ""
    latency_us: int = 0
    queue_us: int = 0
    infer_us: int = 0
    batch: int = 0
    rows: int = 0
    trace: str = ""
    error: str = ""
    assignment: str = ""
    mirror_of: str = ""
    fallback_of: str = ""
    part_of: str = ""


class Span(msgspec.Struct, frozen=True):
    """Ids in hex, times in nanoseconds since 1970. `error` is empty where it went well."""

    name: str
    trace: str
    id: str
    parent: str
    parent_is_remote: bool
    kind: Literal["server", "internal"]
    start: int
    end: int
    attributes: dict[str, str | int | bool]
    error: str = ""


def is_sampled(id: str, context: Context | None, share: float) -> bool:
    """The caller's decision where there is one; else a share of the prediction ids, the same ones in every process.

    >>> is_sampled("1-a", None, 1.0), is_sampled("1-a", None, 0.0)
    (True, False)
    """
    if context is not None:
        return context.sampled
    return int.from_bytes(blake2b(id.encode(), digest_size=8).digest(), "big") < share * 2.0**64


def trace_of(id: str) -> str:
    """The trace of a request whose caller sent none."""
    return blake2b(id.encode(), digest_size=16).hexdigest()


def spans_of(line: bytes, share: float) -> list[Span]:
    """The spans of a journal line; none for another kind of line, a damaged one, or one that isn't sampled."""
    if not line.startswith(_PREDICTION):
        return []
    if share <= 0 and b'"trace":"' not in line:
        return []
    if share < 1 and b'"trace":"' not in line and b'_of":"' not in line:  # before anything is decoded
        id = line[len(_PREDICTION) : line.find(b'"', len(_PREDICTION))].decode("latin-1")
        if not is_sampled(id, None, share):
            return []
    try:
        record = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return []
    context = parse(record.trace)
    origin = record.part_of or record.mirror_of or record.fallback_of
    return list(_spans(record, context, origin)) if is_sampled(origin or record.id, context, share) else []


_PREDICTION = b'{"kind":"prediction","id":"'
_decode = msgspec.json.Decoder(Record).decode


def _spans(record: Record, context: Context | None, origin: str) -> Iterator[Span]:
    trace = context.trace if context is not None else trace_of(origin or record.id)
    own = span_id(record.id, "request")
    parent = span_id(origin, "request") if origin else context.parent if context is not None else ""
    attributes: dict[str, str | int | bool] = {
        "tidegate.prediction_id": record.id,
        "tidegate.endpoint": record.endpoint,
        "tidegate.model": record.model,
        "tidegate.version": record.version,
        "tidegate.role": record.role,
        "tidegate.codec": record.codec,
        "tidegate.rows": record.rows,
        "http.response.status_code": record.status,
    }
    for name, value in (
        ("rollout", record.assignment),
        ("mirror_of", record.mirror_of),
        ("fallback_of", record.fallback_of),
        ("part_of", record.part_of),
    ):
        if value:
            attributes[f"tidegate.{name}"] = value
    error = (record.error or str(record.status)) if record.status >= 500 or record.status == 429 else ""
    end = record.time + record.latency_us * 1000
    yield Span(
        f"predict {record.endpoint}", trace, own, parent, bool(parent) and not origin, "internal" if origin else "server",
        record.time, end, attributes, error,
    )  # fmt: skip
    if not record.infer_us and not record.queue_us:
        return
    rest = max(0, record.latency_us - record.queue_us - record.infer_us)
    waits = record.time + rest * 500
    starts = min(waits + record.queue_us * 1000, end)
    runs: dict[str, str | int | bool] = {"tidegate.batch_rows": record.batch, "tidegate.version": record.version}
    yield Span("queue", trace, span_id(record.id, "queue"), own, False, "internal", waits, starts, {})
    yield Span(
        "infer", trace, span_id(record.id, "infer"), own, False, "internal", starts,
        min(starts + record.infer_us * 1000, end), runs,
    )  # fmt: skip
