"""A prediction's line in the journal, built by joining bytes: no object is made and nothing is encoded twice.

The result decodes as types.records.PredictionRecord; a contract test holds the two together.
"""

from __future__ import annotations

import binascii
from typing import Any

import msgspec
import orjson


def head(
    endpoint: str, model: str, version: str, role: str, codec: str, *, assignment: str = "", forced: bool = False
) -> bytes:
    """The part of a line that all requests of one route share."""
    names = {"endpoint": endpoint, "model": model, "version": version, "role": role, "codec": codec}
    more: dict[str, object] = {"assignment": assignment} if assignment else {}
    if forced:
        more["forced"] = True
    return b"," + orjson.dumps({**names, **more})[1:-1]


def line(
    prediction_id: str,
    time_ns: int,
    shared: bytes,
    status: int,
    latency_us: int,
    queue_us: int,
    infer_us: int,
    batch: int,
    rows: int,
    extra: bytes,
    request: bytes,
    outputs: bytes,
) -> bytes:
    """One line. `extra` is b"" or more `,"key":value` pairs; `request` and `outputs` are JSON."""
    return (
        b'{"kind":"prediction","id":"%b","time":%d%b,"status":%d,"latency_us":%d,"queue_us":%d,"infer_us":%d,"batch":%d,"rows":%d%b,'
        b'"request":%b,"outputs":%b}\n'
    ) % (
        prediction_id.encode(), time_ns, shared, status, latency_us, queue_us, infer_us, batch, rows, extra,
        request or b"null", outputs or b"null",
    )  # fmt: skip


def one_line(body: bytes) -> bytes:
    """A valid JSON text without line breaks: outside strings they are only white space, and inside strings JSON forbids them."""
    if b"\n" in body:
        body = body.replace(b"\n", b" ")
    return body.replace(b"\r", b" ") if b"\r" in body else body


def pair(key: str, value: str | bool) -> bytes:
    """`,"key":"value"`, escaped; for the rare parts of a line."""
    return b',"%b":%b' % (key.encode(), orjson.dumps(value))


def encoded_pair(key: str, value: Any) -> bytes:
    """The same of a struct."""
    return b',"%b":%b' % (key.encode(), msgspec.json.encode(value))


def base64_pair(key: str, data: bytes) -> bytes:
    """`,"key":"<base64>"`."""
    return b',"%b":"%b"' % (key.encode(), binascii.b2a_base64(data, newline=False))


def excerpt(body: bytes, limit: int = 4096) -> str:
    """The beginning of a body that is no JSON, as text, for the record of its refusal."""
    return body[:limit].decode("utf-8", "replace")
