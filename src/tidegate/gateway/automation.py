"""Who decides a request: the model, or people. Pure: an answer's bytes in, what its record says of people out.

    answer --opinions--> (value, confidence) a row --decide, by the level and its threshold--> ReviewRecord | None
    decision of people --given--> the same output, as an answer of the caller's protocol

A row whose confidence can't be read is doubtful: the model never decides by default.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from tidegate.types.inference import DataType, Signature
from tidegate.types.records import ReviewRecord, ReviewRow
from tidegate.types.traffic import AutomationRoute
from tidegate.wire.frames import CODECS

Opinion = tuple[bool | int | float | str | None, float | None]

PEOPLE: Final = ("human", "shadow", "assist")
"""Levels at which people decide everything."""
_V2: Final = CODECS["v2"]


def opinions(rule: AutomationRoute, codec: int, json: bytes, raw: bytes, batched: bool = True) -> list[Opinion]:
    """What the model says of each row, and how sure it is; None where that can't be read.

    >>> rule = AutomationRoute("assist", "q")
    >>> json = b'[{"name":"label","shape":[2],"datatype":"BYTES","data":["a","b"]},'
    >>> json += b'{"name":"confidence","shape":[2],"datatype":"FP32","data":[0.9,0.6]}]'
    >>> opinions(rule, 1, json, b"")
    [('a', 0.9), ('b', 0.6)]
    """
    columns, rows = _tensors(orjson.loads(json), raw, batched) if codec == _V2 else _predictions(orjson.loads(json))
    answer = rule.answer or next((name for name in columns if name != rule.confidence), "")
    values, sure = columns.get(answer, []), columns.get(rule.confidence, [])
    return [
        (_value(values[row]) if row < len(values) else None, _sure(sure[row]) if row < len(sure) else None)
        for row in range(rows)
    ]


def decide(
    rule: AutomationRoute, found: Sequence[Opinion], draw: Callable[[], float] = random.random
) -> ReviewRecord | None:
    """What of a request goes to people; None where nothing does. The draw for the audit is the same for sure and doubtful rows, so that
    the audited ones are a fair sample of all."""
    rows = []
    waits = False
    for row, (value, confidence) in enumerate(found):
        drawn = draw() < rule.audit
        doubtful = rule.level in PEOPLE or (
            rule.level == "partial" and (value is None or confidence is None or not confidence >= rule.threshold)
        )
        waits = waits or doubtful
        raters = rule.raters if rule.overlap and draw() < rule.overlap else 1
        rows.append(ReviewRow(row, value, confidence, doubtful or drawn, drawn, raters))
    if not waits:
        rows = [one for one in rows if one.asks]
    return ReviewRecord(rule.queue, rule.level, rows, rule.timeout, waits) if rows else None


def unseen(rule: AutomationRoute, rows: int, draw: Callable[[], float] = random.random) -> ReviewRecord:
    """The same of a request that the model isn't asked (level human)."""
    several = [rule.raters if rule.overlap and draw() < rule.overlap else 1 for _ in range(rows)]
    asked = [ReviewRow(row, raters=raters) for row, raters in enumerate(several)]
    return ReviewRecord(rule.queue, rule.level, asked, rule.timeout)


def given(codec: int, values: Sequence[Any], name: str, signature: Signature | None) -> bytes:
    """A decision as an answer's JSON: the value of `outputs` (v2), or the whole body of the others.

    >>> given(1, ["a", "b"], "label", None)
    b'[{"name":"label","shape":[2],"datatype":"BYTES","data":["a","b"]}]'
    """
    if codec != _V2:
        return orjson.dumps({"predictions": list(values)})
    spec = next((one for one in signature.outputs if one.name == name), None) if signature is not None else None
    datatype: DataType = spec.datatype if spec is not None and _fits(values, spec.datatype) else _datatype(values)
    data = (
        [value if isinstance(value, str) else _text(value) for value in values] if datatype == "BYTES" else list(values)
    )
    return orjson.dumps([{"name": name, "shape": [len(data)], "datatype": datatype, "data": data}])


def answer_name(rule: AutomationRoute, signature: Signature | None) -> str:
    """The output that people give."""
    names = [one.name for one in signature.outputs] if signature is not None else []
    return rule.answer or next((name for name in names if name != rule.confidence), "decision")


# -- reading answers


def _tensors(entries: list[dict[str, Any]], raw: bytes, batched: bool) -> tuple[dict[str, list[list[Any]]], int]:
    """Rows of each output of a v2 answer, and how many there are."""
    columns: dict[str, list[list[Any]]] = {}
    at, rows = 0, 1
    for entry in entries:
        shape = entry["shape"]
        size = (entry.get("parameters") or {}).get("binary_data_size")
        if size is None:
            data = entry.get("data") or []
        else:
            from tidegate.wire.tensors import from_raw  # NumPy, only where callers ask for raw outputs

            data = from_raw(entry["name"], entry["datatype"], shape, raw[at : at + size]).ravel().tolist()
            at += size
        count = shape[0] if batched and shape else 1
        width = len(data) // count if count else 0
        columns[entry["name"]] = [data[row * width : (row + 1) * width] for row in range(count)]
        rows = count
    return columns, rows


def _predictions(body: dict[str, Any]) -> tuple[dict[str, list[list[Any]]], int]:
    """The same of {"predictions": [...]}: rows are objects by output, or values of the only one."""
    rows = body.get("predictions")
    rows = rows if isinstance(rows, list) else [rows]
    listed = [row if isinstance(row, dict) else {"": row} for row in rows]
    names = dict.fromkeys(name for row in listed for name in row)
    columns = {
        name: [value if isinstance(value := row.get(name), list) else [value] for row in listed] for name in names
    }
    return columns, len(listed)


def _value(row: list[Any]) -> bool | int | float | str | None:
    """A row that is one value; people's answers are."""
    if len(row) != 1 or not isinstance(row[0], (bool, int, float, str, bytes)):
        return None
    value = row[0].decode("utf-8", "replace") if isinstance(row[0], bytes) else row[0]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _sure(row: list[Any]) -> float | None:
    numbers = [float(one) for one in row if isinstance(one, (int, float)) and not isinstance(one, bool)]
    return max(numbers) if numbers and len(numbers) == len(row) and all(map(math.isfinite, numbers)) else None


def _fits(values: Sequence[Any], datatype: str) -> bool:
    kinds = {"BYTES": str, "BOOL": bool}
    if datatype in kinds:
        return all(isinstance(value, kinds[datatype]) for value in values)
    if datatype.startswith("FP"):
        return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    return all(isinstance(value, int) and not isinstance(value, bool) for value in values)


def _datatype(values: Sequence[Any]) -> DataType:
    fitting: list[DataType] = ["BOOL", "INT64", "FP64"]
    return next((kind for kind in fitting if _fits(values, kind)), "BYTES")


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()
