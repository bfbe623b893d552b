"""What both clients do, with no socket in it. Each operation is a generator: it yields a Send or a Wait, gets a Reply,
and returns a result.

    predict(...) --Send--> driver (sync or async) --Reply--> predict --Wait--> driver ... --> Prediction, or an error

Retried until the time-out: 429 and 503 after Retry-After or a growing, jittered pause, and connections that were
refused or lost (except a feedback without a key, which could then be counted twice, and a prediction with a request id, which its
caller can look up).
"""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import quote

import numpy as np
import orjson

from tidegate.client.prediction import Prediction
from tidegate.errors import (
    DeadlineExceeded,
    DecisionPending,
    Forbidden,
    InvalidRequest,
    NotFound,
    NotReady,
    Overloaded,
    PredictError,
    TidegateError,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedContent,
)
from tidegate.wire.tensors import Array, datatype_of, from_raw, to_raw

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0

FeedbackValue = bool | int | float | str | None


class Send(NamedTuple):
    """One HTTP request. `timeout` in seconds."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes
    timeout: float


class Wait(NamedTuple):
    """A pause before the next try."""

    seconds: float


class Reply(NamedTuple):
    """An HTTP response; header names are lower-case. Status 0: there was none, and `failure` says why."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    failure: Literal["", "connect", "lost", "timeout"] = ""
    reason: str = ""


T = TypeVar("T")
Program = Generator[Send | Wait, Reply | None, T]


def call(
    method: str,
    path: str,
    timeout: float,
    headers: dict[str, str] | None = None,
    content: bytes = b"",
    again: bool = True,
) -> Program[Reply]:
    """Send until there is an answer other than "not now", or no time is left. Errors: see `error_of`."""
    deadline = time.monotonic() + timeout
    pause = FIRST_PAUSE
    while True:
        left = max(deadline - time.monotonic(), 0.001)
        own = {**(headers or {}), "x-request-timeout-ms": f"{left * 1000:.3f}"}
        reply = yield Send(method, path, own, content, left)
        assert reply is not None
        if 200 <= reply.status < 300:
            return reply
        error = error_of(reply)
        retry = isinstance(error, Unavailable) and (
            reply.failure in ("", "connect") or (reply.failure == "lost" and again)
        )
        asked = error.retry_after if isinstance(error, Unavailable) and reply.status else 0.0
        wait = max(asked, pause * random.uniform(0.5, 1.0))
        if not retry or time.monotonic() + wait >= deadline:
            raise error
        yield Wait(wait)
        pause = min(pause * 2, LONGEST_PAUSE)


def error_of(reply: Reply) -> TidegateError:
    """The error that a response stands for."""
    if reply.failure == "timeout":
        return DeadlineExceeded(f"no answer within the time-out: {reply.reason}")
    if reply.failure:
        return NotReady(f"can't reach the server: {reply.reason}", FIRST_PAUSE)
    text = _error_text(reply)
    if reply.status in (429, 503):
        try:
            after = float(reply.headers.get("retry-after", "1"))
        except ValueError:
            after = 1.0
        return (Overloaded if reply.status == 429 else NotReady)(text, after)
    kinds: dict[int, type[TidegateError]] = {
        400: InvalidRequest, 401: Unauthenticated, 403: Forbidden, 404: NotFound, 413: TooLarge, 415:
        UnsupportedContent, 422: InvalidRequest, 500: PredictError, 504: DeadlineExceeded,
    }  # fmt: skip
    return kinds.get(reply.status, TidegateError)(text)


def _error_text(reply: Reply) -> str:
    try:
        body = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        body = None
    if isinstance(body, dict):
        for key in ("error", "message", "detail"):
            if isinstance(body.get(key), str):
                return body[key]  # type: ignore[no-any-return]
    return f"the server answered {reply.status}: {reply.body[:200].decode('utf-8', 'replace')}"


def model_path(endpoint: str, version: str | None, tail: str = "") -> str:
    """
    >>> model_path("a b", "2", "/infer")
    '/v2/models/a%20b/versions/2/infer'
    """
    return f"/v2/models/{quote(endpoint, safe='')}" + (f"/versions/{quote(version, safe='')}" if version else "") + tail


# -- predictions


def infer_body(
    inputs: Mapping[str, Array], outputs: Sequence[str] | None, request_id: str | None = None
) -> tuple[bytes, dict[str, str]]:
    """The v2 body with binary tensors, and its headers. A text with missing values goes as JSON, where null can be
    said.
    """
    entries: list[dict[str, Any]] = []
    parts: list[bytes] = [b""]
    for name, array in inputs.items():
        entry: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype_of(array)}
        flat = array.ravel().tolist() if array.dtype.kind == "O" else []
        if any(item is None for item in flat):
            entry["data"] = [item.decode() if isinstance(item, bytes) else item for item in flat]
        else:
            raw = to_raw(array)
            entry["parameters"] = {"binary_data_size": len(raw)}
            parts.append(raw)
        entries.append(entry)
    message: dict[str, Any] = {"inputs": entries, "parameters": {"binary_data_output": True}}
    if request_id is not None:
        message["id"] = request_id
    if outputs is not None:
        message["outputs"] = [{"name": name, "parameters": {"binary_data": True}} for name in outputs]
    parts[0] = orjson.dumps(message)
    return b"".join(parts), {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(parts[0])),
    }


def predict(
    endpoint: str,
    inputs: Mapping[str, Array],
    *,
    version: str | None,
    outputs: Sequence[str] | None,
    subject: str | None,
    unit: str | None,
    timeout: float,
    library: str,
    request_id: str | None = None,
) -> Program[Prediction]:
    """One prediction."""
    content, headers = infer_body(inputs, outputs, request_id)
    if subject is not None:
        headers["tidegate-subject"] = subject
    if unit is not None:
        headers["tidegate-unit"] = unit
    reply = yield from call(
        "POST", model_path(endpoint, version, "/infer"), timeout, headers, content, again=request_id is None
    )
    if reply.status == 202:
        raise DecisionPending(str(orjson.loads(reply.body).get("id", "")))
    return prediction_of(reply, library)


def decision(prediction_id: str, timeout: float) -> Program[Prediction]:
    """What people decided; asked for again until it is there or the time is up. Errors: NotFound, DecisionPending."""
    deadline = time.monotonic() + timeout
    while True:
        left = max(deadline - time.monotonic(), 0.001)
        reply = yield from call("GET", f"/v2/decisions/{quote(prediction_id, safe='')}", left)
        if reply.status == 200:
            return prediction_of(reply)
        pause = min(float(reply.headers.get("retry-after", "1")), LONGEST_PAUSE)
        if time.monotonic() + pause >= deadline:
            raise DecisionPending(prediction_id)
        yield Wait(pause)


def prediction_of(reply: Reply, library: str = "polars") -> Prediction:
    """A v2 answer, JSON or binary -> Prediction. Errors: TidegateError for one that isn't v2."""
    length = reply.headers.get("inference-header-content-length")
    split = int(length) if length is not None else len(reply.body)
    try:
        message = orjson.loads(reply.body[:split])
        outputs: dict[str, Array] = {}
        at = split
        for entry in message["outputs"]:
            size = (entry.get("parameters") or {}).get("binary_data_size")
            if size is None:
                array = _array_of(entry["data"], entry["datatype"], entry["shape"])
            else:
                array = from_raw(entry["name"], entry["datatype"], entry["shape"], reply.body[at : at + size])
                at += size
            outputs[entry["name"]] = _as_text(array) if entry["datatype"] == "BYTES" else array
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as exc:
        raise TidegateError(f"the server's answer is not Open Inference v2: {exc}") from exc
    own = message.get("parameters") or {}
    return Prediction(
        id=own.get("prediction_id") or reply.headers.get("tidegate-prediction-id", ""),
        model=message.get("model_name", ""),
        version=message.get("model_version", ""),
        role=own.get("role") or reply.headers.get("tidegate-role", ""),
        outputs=outputs,
        library=library or "polars",
    )


def _array_of(data: Any, datatype: str, shape: Sequence[int]) -> Array:
    from tidegate.wire.tensors import DTYPES

    if datatype == "BYTES":
        array = np.empty(len(data), object)
        array[:] = data
        return array.reshape(shape)
    if DTYPES[datatype].kind == "f":  # JSON has null for NaN
        return np.array(data, dtype=np.float64).astype(DTYPES[datatype]).reshape(shape)
    return np.array(data, dtype=DTYPES[datatype]).reshape(shape)


def _as_text(array: Array) -> Array:
    try:
        flat = [item.decode() if isinstance(item, bytes) else item for item in array.ravel().tolist()]
    except UnicodeDecodeError:
        return array
    out = np.empty(len(flat), object)
    out[:] = flat
    return out.reshape(array.shape)


def input_name(metadata: Mapping[str, Any]) -> str:
    """The name for a bare array: the model's only input; else any name that is no column's stands for the whole
    matrix.
    """
    names = [tensor["name"] for tensor in metadata["inputs"]]
    if len(names) == 1:
        return str(names[0])
    name = "input"
    while name in names:
        name += "_"
    return name


# -- feedback


def feedback_entry(
    prediction_id: str,
    *,
    label: FeedbackValue = None,
    event: str | None = None,
    rating: float | None = None,
    value: FeedbackValue = None,
    row: int = 0,
    time: str | int | None = None,
    actor: str | None = None,
    key: str | None = None,
) -> dict[str, Any]:
    """One feedback as the gateway reads it. Exactly one of label, event (a name, with an optional value) and rating.

    Errors: InvalidRequest.
    """
    given = [name for name, item in (("label", label), ("event", event), ("rating", rating)) if item is not None]
    if len(given) != 1:
        raise InvalidRequest(f"give exactly one of label, event and rating; you gave {' and '.join(given) or 'none'}")
    (kind,) = given
    if value is not None and kind != "event":
        raise InvalidRequest("value goes with event; a label or a rating is its own value")
    entry: dict[str, Any] = {"prediction_id": prediction_id, "kind": kind, "row": row}
    if kind == "event":
        entry["name"] = event
        entry["value"] = True if value is None else value
    else:
        entry["value"] = label if kind == "label" else rating
    if isinstance(entry["value"], np.generic):
        entry["value"] = entry["value"].item()
    for name, item in (("time", time), ("actor", actor), ("key", key)):
        if item is not None:
            entry[name] = item
    return entry


def feedback(endpoint: str, entries: Sequence[Mapping[str, Any]], timeout: float) -> Program[int]:
    """Send feedback; how many were accepted."""
    body = orjson.dumps({"feedback": list(entries)}, option=orjson.OPT_SERIALIZE_NUMPY)
    keyed = all(entry.get("key") for entry in entries)
    headers = {"content-type": "application/json"}
    reply = yield from call("POST", model_path(endpoint, None, "/feedback"), timeout, headers, body, again=keyed)
    return int(orjson.loads(reply.body)["accepted"])


# -- questions


def get_json(path: str, timeout: float) -> Program[Any]:
    """A GET of JSON."""
    reply = yield from call("GET", path, timeout)
    return orjson.loads(reply.body)


def ready(endpoint: str | None, version: str | None, timeout: float) -> Program[bool]:
    """One try, no waiting. Errors: NotFound for an endpoint that doesn't exist."""
    path = model_path(endpoint, version, "/ready") if endpoint else "/v2/health/ready"
    reply = yield Send("GET", path, {}, b"", timeout)
    assert reply is not None
    if reply.status in (401, 403, 404):
        raise error_of(reply)
    return reply.status == 200


def models(timeout: float) -> Program[list[dict[str, Any]]]:
    """The repository index: name, version, state, reason."""
    reply = yield from call("POST", "/v2/repository/index", timeout, {"content-type": "application/json"}, b"{}")
    return list(orjson.loads(reply.body))
