"""What a model answered, out of its record: tensors by name, the class it chose, whether anything is missing.

outputs (JSON of the protocol) + output_binary (raw tensors) --tensors--> {name: flat list} --> is_null, chosen, differs
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import orjson

from tidegate.rollout.evidence.tail import Line

RELATIVE, ABSOLUTE = 1e-3, 1e-6

_SUSPECT = (b"null", b"NaN", b'""', b"[]", b"Infinity")


def tensors(line: Line) -> dict[str, list[Any]]:
    """Flat values by output name; "predictions" for protocols whose answers don't name their outputs. Errors: ValueError."""
    found: Any = orjson.loads(bytes(line.outputs))
    if isinstance(found, dict):  # v1 and MLflow
        found = found.get("predictions", found)
        return {"predictions": _flat(found)}
    from tidegate.wire.tensors import from_raw

    raw = base64.b64decode(line.output_binary) if line.output_binary else b""
    at = 0
    out: dict[str, list[Any]] = {}
    for entry in found or []:
        size = (entry.get("parameters") or {}).get("binary_data_size")
        if size is None:
            out[entry["name"]] = _flat(entry.get("data"))
        else:
            out[entry["name"]] = (
                from_raw(entry["name"], entry["datatype"], entry["shape"], raw[at : at + size]).ravel().tolist()
            )
            at += size
    return out


def is_null(line: Line) -> bool:
    """Whether an answer is empty, or has a value that is null, NaN or an empty text.

    >>> import msgspec
    >>> raw = lambda text: Line("a-1", "e", "1", "stable", 200, outputs=msgspec.Raw(text))
    >>> is_null(raw(b'[{"name":"y","data":[1.5]}]')), is_null(raw(b'[{"name":"y","data":[null]}]')), is_null(raw(b'[]'))
    (False, True, True)
    """
    text = bytes(line.outputs)
    if not line.output_binary and not any(mark in text for mark in _SUSPECT):
        return False
    try:
        found = tensors(line)
    except (ValueError, KeyError, TypeError):
        return True
    values = [value for flat in found.values() for value in flat]
    return not values or any(_missing(value) for value in values)


def chosen(line: Line) -> str:
    """The class that an answer chose: the first value of a class output, else the place of the greatest score; "" for neither."""
    return chosen_of(tensors(line))


def chosen_of(found: Mapping[str, list[Any]]) -> str:
    """
    >>> chosen_of({"predict": [2]}), chosen_of({"p": [0.2, 0.8]}), chosen_of({"p": [0.7]})
    ('2', '1', '')
    """
    for values in found.values():
        if values and isinstance(values[0], (str, bool, int)):
            return str(int(values[0]) if isinstance(values[0], bool) else values[0])
    for values in found.values():
        if len(values) > 1 and all(isinstance(value, float | int) for value in values):
            return str(max(range(len(values)), key=lambda at: values[at]))
    return ""


def differs(one: Line, other: Line, tolerance: Mapping[str, float] | None = None) -> bool:
    """Whether two answers to the same request disagree: numbers beyond their tolerance (relative; 1e-3), anything else at all."""
    mine, theirs = tensors(one), tensors(other)
    if mine.keys() != theirs.keys():
        return True
    for name, values in mine.items():
        others = theirs[name]
        if len(values) != len(others):
            return True
        relative = (tolerance or {}).get(name, RELATIVE)
        if any(_apart(a, b, relative) for a, b in zip(values, others, strict=True)):
            return True
    return False


def _apart(a: Any, b: Any, relative: float) -> bool:
    if isinstance(a, float) or isinstance(b, float):
        if _missing(a) or _missing(b):
            return _missing(a) != _missing(b)
        if isinstance(a, str) or isinstance(b, str):
            return bool(a != b)
        return not math.isclose(a, b, rel_tol=relative, abs_tol=max(ABSOLUTE, relative * ABSOLUTE))
    return bool(a != b)


def _missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _flat(data: Any) -> list[Any]:
    if isinstance(data, dict):
        return [value for item in data.values() for value in _flat(item)]
    if not isinstance(data, list):
        return [data]
    if data and not isinstance(data[0], (list, dict)):
        return data
    return [value for item in data for value in _flat(item)]
