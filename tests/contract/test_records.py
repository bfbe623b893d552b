"""The gateway joins bytes, ingest decodes structs: what one writes, the other reads, with the same values."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.gateway import feedback, record
from tidegate.types.records import FeedbackRecord, PredictionRecord
from tidegate.wire.frames import CODECS

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
NAME = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
COUNT = st.integers(0, 2**31)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
SPACES = st.sampled_from([None, 1, 2])


@settings(max_examples=150, deadline=None)
@given(
    names=st.tuples(NAME, NAME, NAME),
    role=st.sampled_from(["stable", "canary", "shadow", "human", "baseline"]),
    assigned=st.tuples(st.sampled_from(["", "7.2@25"]), st.booleans()),
    codec=st.sampled_from(sorted(CODECS)),
    counts=st.tuples(COUNT, COUNT, COUNT, COUNT, COUNT),
    status=st.integers(100, 599),
    time=st.integers(0, 2**63 - 1),
    texts=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("request_id", "subject", "unit", "trace", "error", "text", "mirror_of", "fallback_of"), TEXT
        ),
    ),
    raw=st.fixed_dictionaries({}, optional={k: st.binary(max_size=60) for k in ("binary", "output_binary")}),
    request=JSON,
    outputs=JSON,
    indented=st.booleans(),
)
def test_a_line_is_a_record_with_the_same_values(
    names: tuple[str, str, str], role: Any, assigned: tuple[str, bool], codec: Any, counts: tuple[int, ...], status: int, time: int,
    texts: dict[str, str], raw: dict[str, bytes], request: Any, outputs: Any, indented: bool,
) -> None:  # fmt: skip
    body = orjson.dumps(request, option=orjson.OPT_INDENT_2 if indented else 0)
    body = body.replace(b"\n", b"\r\n") if indented else body
    latency, queue, infer, batch, rows = counts
    extra = b"".join(record.pair(key, value) for key, value in texts.items())
    extra += b"".join(record.base64_pair(key, value) for key, value in raw.items())
    shared = record.head(*names, role, codec, assignment=assigned[0], forced=assigned[1])
    made = record.line(
        "p-1",
        time,
        shared,
        status,
        latency,
        queue,
        infer,
        batch,
        rows,
        extra,
        record.one_line(body),
        orjson.dumps(outputs),
    )
    assert made.endswith(b"\n") and made.count(b"\n") == 1 and b"\r" not in made
    read = msgspec.json.decode(made, type=PredictionRecord)
    assert (read.endpoint, read.model, read.version, read.role, read.codec) == (*names, role, codec)
    assert (read.id, read.time, read.status) == ("p-1", time, status)
    assert (read.latency_us, read.queue_us, read.infer_us, read.batch, read.rows) == counts
    assert (read.assignment, read.forced) == assigned
    for key in ("request_id", "subject", "unit", "trace", "error", "text", "mirror_of", "fallback_of"):
        assert getattr(read, key) == texts.get(key, "")
    for key in ("binary", "output_binary"):
        assert base64.b64decode(getattr(read, key)) == raw.get(key, b"")
    assert orjson.loads(bytes(read.request)) == orjson.loads(body)
    assert orjson.loads(bytes(read.outputs)) == orjson.loads(orjson.dumps(outputs))


def test_a_line_without_contents_reads_as_null() -> None:
    read = msgspec.json.decode(
        record.line("p", 1, record.head("e", "m", "1", "stable", "v2"), 503, 0, 0, 0, 0, 0, b"", b"", b""),
        type=PredictionRecord,
    )
    assert bytes(read.request) == bytes(read.outputs) == b"null" and read.kind == "prediction"


@settings(max_examples=100, deadline=None)
@given(
    value=st.one_of(
        st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), TEXT
    ),
    row=st.integers(0, 2**31 - 1),
    texts=st.fixed_dictionaries({}, optional=dict.fromkeys(("name", "actor", "key", "subject"), TEXT)),
    time=st.integers(0, 2**63 - 1),
)
def test_feedback_lines_are_feedback_records(value: Any, row: int, texts: dict[str, str], time: int) -> None:
    sent = {"prediction_id": "p-1", "kind": "label", "value": value, "row": row, "time": time, **texts}
    (line,) = feedback.lines("loan", orjson.dumps(sent))
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    read = msgspec.json.decode(line, type=FeedbackRecord)
    assert (read.prediction_id, read.endpoint, read.type, read.row, read.time) == ("p-1", "loan", "label", row, time)
    assert read.value == value and type(read.value) is type(value)
    assert {k: getattr(read, k) for k in texts} == texts and read.kind == "feedback"
