"""Feedback: what became known later about a prediction. One object or many in, journal lines out; accepted means on disk.

    POST /v2/models/M/feedback   {"prediction_id", "kind": "label"|"event"|"rating", "value", "row"?, "name"?, "time"?, "actor"?, "key"?}
                                 or {"feedback": [...]}  ->  {"accepted": n}

Nothing is looked up here: the prediction may be weeks old, in another segment, or not ingested yet. Reading joins them.
"""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import msgspec
import orjson

from tidegate.errors import InvalidRequest
from tidegate.types.records import FeedbackRecord

KINDS = ("label", "event", "rating")
FIELDS = ("prediction_id", "kind", "type", "value", "row", "name", "time", "actor", "key", "subject")
MAX_TEXT = 10_000


def lines(endpoint: str, body: bytes) -> list[bytes]:
    """The journal lines of a feedback body. Errors: InvalidRequest, naming the entry and the field."""
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise InvalidRequest(f"the body is not valid JSON: {exc}") from exc
    many = isinstance(message, dict) and "feedback" in message
    entries = message["feedback"] if many else [message]
    if not isinstance(entries, list):
        raise InvalidRequest("feedback must be a list of objects")
    now = time.time_ns()
    encode = msgspec.json.encode
    records = [_record(endpoint, entry, now, f"feedback[{i}]." if many else "") for i, entry in enumerate(entries)]
    return [b'{"kind":"feedback",' + encode(record)[1:] + b"\n" for record in records]  # the struct omits its defaults


def _record(endpoint: str, entry: Any, now: int, where: str) -> FeedbackRecord:
    if not isinstance(entry, dict):
        raise InvalidRequest(f"{where.rstrip('.') or 'the body'} must be an object with prediction_id, kind and value")
    unknown = next((key for key in entry if key not in FIELDS), None)
    if unknown is not None:
        raise InvalidRequest(
            f"unknown field {where}{unknown[:100]}; known: prediction_id, kind, value, row, name, time, actor, key"
        )
    kind = entry.get("kind", entry.get("type"))
    if kind not in KINDS:
        raise InvalidRequest(f"{where}kind is {kind!r}; it must be one of {', '.join(KINDS)}")
    value = entry.get("value")
    if isinstance(value, (dict, list)) or (isinstance(value, str) and len(value) > MAX_TEXT):
        raise InvalidRequest(
            f"{where}value must be a number, a boolean, a text of at most {MAX_TEXT} characters, or null"
        )
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        value = float(value)
    if value is None and kind != "event":
        raise InvalidRequest(f"{where}value is missing: a {kind} needs one")
    row = entry.get("row", 0)
    if not isinstance(row, int) or isinstance(row, bool) or not 0 <= row < 2**31:
        raise InvalidRequest(f"{where}row must be a whole number of 0 or more: the instance's index within its request")
    prediction = _text(entry, "prediction_id", where)
    if not prediction:
        raise InvalidRequest(
            f"{where}prediction_id is missing: it is in the answer's parameters and in its tidegate-prediction-id header"
        )
    return FeedbackRecord(
        prediction_id=prediction,
        time=_time(entry.get("time"), now, where),
        endpoint=endpoint,
        type=kind,
        value=value,
        received=now,
        row=row,
        name=_text(entry, "name", where),
        actor=_text(entry, "actor", where),
        key=_text(entry, "key", where),
        subject=_text(entry, "subject", where),
    )


def _text(entry: dict[str, Any], field: str, where: str) -> str:
    value = entry.get(field, "")
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 500:
        raise InvalidRequest(f"{where}{field} must be a text of at most 500 characters")
    return value


def _time(value: Any, now: int, where: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 text or of nanoseconds; now where there is none."""
    if value is None:
        return now
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    if isinstance(value, str):
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is not None:
            moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
            nanoseconds = int(moment.timestamp() * 1e9)
            if nanoseconds >= 0:
                return nanoseconds
    raise InvalidRequest(
        f"{where}time is {str(value)[:60]!r}; write it as 2026-01-31T12:00:00Z, or as nanoseconds since 1970"
    )
