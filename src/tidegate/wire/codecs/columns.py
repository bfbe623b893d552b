"""Rows, as v1 and MLflow send them -> one array an input. Shared by their codecs; v2 sends tensors and doesn't need it.

    [[1, 2], [3, 4]]  or  [{"a": 1, "b": 2}, ...]  or  {"a": [1, 3], "b": [2, 4]}   -->   {"a": array, "b": array}

A value may be {"b64": "..."}: bytes, in base64.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from tidegate.errors import InvalidRequest
from tidegate.types.inference import Signature, TensorSpec
from tidegate.wire.tensors import DTYPES, Array, from_json

MAX_DEPTH = 16


def load_object(body: bytes | memoryview) -> dict[str, Any]:
    """The body's JSON object. Errors: InvalidRequest."""
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        hint = (
            " (JSON has no NaN or Infinity; send null)" if b"NaN" in bytes(body) or b"Infinity" in bytes(body) else ""
        )
        raise InvalidRequest(f"the body is not valid JSON: {exc}{hint}") from exc
    if type(message) is not dict:
        raise InvalidRequest("the body must be a JSON object")
    return message


def from_rows(field: str, rows: Any, signature: Signature) -> dict[str, Array]:
    """A list with one entry a row -> arrays by input name.

    An entry is an object by input name; or a list of the table's columns in order; or, for a model with one input, the
    row itself.
    """
    if type(rows) is not list or not rows:
        raise InvalidRequest(f"{field} must be a list of at least one row")
    specs = signature.inputs
    if not signature.batched:
        if len(rows) != 1:
            raise InvalidRequest(f"{field} has {len(rows)} rows, but this model takes one request at a time; send one")
        return _from_single(field, rows[0], specs)
    if _is_named(rows[0]):
        return _from_named(field, rows, specs)
    if signature.kind == "table" and (len(specs) > 1 or type(rows[0]) is list):
        return _from_lists(field, rows, specs)
    if len(specs) != 1:
        names = ", ".join(repr(spec.name) for spec in specs[:12])
        raise InvalidRequest(f"each row of {field} must be an object with the inputs {names}")
    return {specs[0].name: column(specs[0], rows)}


def from_columns(field: str, columns: Any, signature: Signature) -> dict[str, Array]:
    """An object of whole tensors by input name, or the only tensor itself -> arrays by input name."""
    specs = signature.inputs
    if _is_named(columns):
        return _by_name(columns, specs)
    if len(specs) == 1:
        return {specs[0].name: column(specs[0], columns)}
    if signature.kind == "table" and type(columns) is list:
        return _from_lists(field, columns, specs)
    raise InvalidRequest(f"{field} must be an object with one tensor for each of the model's {len(specs)} inputs")


def _from_single(field: str, row: Any, specs: list[TensorSpec]) -> dict[str, Array]:
    if _is_named(row):
        return _by_name(row, specs)
    if len(specs) != 1:
        raise InvalidRequest(
            f"the row of {field} must be an object with one value for each of the model's {len(specs)} inputs"
        )
    return {specs[0].name: column(specs[0], row)}


def _by_name(values: dict[str, Any], specs: list[TensorSpec]) -> dict[str, Array]:
    known = {spec.name: spec for spec in specs}
    return {name: column(known[name], v) if name in known else _unknown(v) for name, v in values.items()}


def _is_named(row: Any) -> bool:
    return type(row) is dict and row.keys() != {"b64"}


def _unknown(value: Any) -> Array:
    """A stand-in under a name that the model doesn't know: conform refuses it, with a hint."""
    return np.zeros(len(value) if type(value) is list else 1)


def _from_named(field: str, rows: list[Any], specs: list[TensorSpec]) -> dict[str, Array]:
    names = {spec.name: spec for spec in specs}
    unknown: dict[str, None] = {}
    for i, row in enumerate(rows):
        if type(row) is not dict:
            raise InvalidRequest(f"{field}[{i}] must be an object, as {field}[0] is")
        if not row.keys() <= names.keys():
            unknown.update(dict.fromkeys(key for key in row if key not in names))
    arrays: dict[str, Array] = {}
    for name, spec in names.items():
        given = [name in row for row in rows]
        if not any(given):
            continue
        if not all(given) and not spec.optional:
            raise InvalidRequest(f"{field}[{given.index(False)}] has no {name!r}")
        arrays[name] = column(spec, [row.get(name) for row in rows])
    return arrays | {name: np.zeros(len(rows)) for name in unknown}


def _from_lists(field: str, rows: list[Any], specs: list[TensorSpec]) -> dict[str, Array]:
    width = len(specs)
    if not rows:
        raise InvalidRequest(f"{field} must be a list of at least one row")
    for i, row in enumerate(rows):
        if type(row) is not list or len(row) != width:
            what = f"{len(row)} values" if type(row) is list else "no list"
            raise InvalidRequest(
                f"{field}[{i}] is {what}; a row has {width}: {', '.join(spec.name for spec in specs[:12])}"
            )
    if width > 1 and all(DTYPES[spec.datatype].kind == "f" for spec in specs):
        return {field: from_json(field, "FP64", [len(rows), width], rows)}
    return {spec.name: column(spec, list(values)) for spec, values in zip(specs, zip(*rows, strict=True), strict=True)}


def column(spec: TensorSpec, values: Any) -> Array:
    """One input's JSON values (nested as its shape is) -> array of its datatype.

    A flat list for an input of rank 2 or more whose further dimensions may be 1 becomes [n, 1, ...].
    Errors: InvalidRequest naming the input.
    """
    name = spec.name
    if type(values) is not list:
        if spec.shape:
            raise InvalidRequest(f"input {name!r} must be a list with one entry a row")
        return column(TensorSpec(name, spec.datatype, [-1], spec.content), [values]).reshape(())
    shape = _shape(name, values)
    array = _bytes(name, values, shape) if spec.datatype == "BYTES" else from_json(name, spec.datatype, shape, values)
    missing = len(spec.shape) - array.ndim
    if missing > 0 and array.ndim == 1 and all(n in (-1, 1) for n in spec.shape[1:]):
        return array.reshape(*array.shape, *[1] * missing)
    return array


def _shape(name: str, values: Any) -> list[int]:
    shape: list[int] = []
    while type(values) is list:
        if len(shape) == MAX_DEPTH:
            raise InvalidRequest(f"input {name!r} is nested more than {MAX_DEPTH} deep")
        shape.append(len(values))
        values = values[0] if values else None
    return shape


def _bytes(name: str, values: list[Any], shape: Sequence[int]) -> Array:
    flat: list[Any] = values
    for n in shape[1:]:
        if any(type(item) is not list or len(item) != n for item in flat):
            raise InvalidRequest(f"input {name!r}: the nested lists have different lengths")
        flat = [inner for item in flat for inner in item]
    array = np.empty(len(flat), object)
    array[:] = [_element(name, item) for item in flat]
    return array.reshape(shape)


def _element(name: str, item: Any) -> str | bytes | None:
    if item is None or type(item) is str:
        return item
    if type(item) is dict and item.keys() == {"b64"} and type(item["b64"]) is str:
        try:
            return b64decode(item["b64"], validate=True)
        except (binascii.Error, ValueError) as exc:
            raise InvalidRequest(f"input {name!r}: b64 holds no base64: {exc}") from exc
    raise InvalidRequest(f'input {name!r}: an element must be a string, null, or {{"b64": "..."}}')


def to_rows(array: Array) -> list[Any]:
    """Array -> JSON-ready nested list, rows first. Bytes that aren't UTF-8 become {"b64": "..."}."""
    if array.dtype.kind in "OSUT":
        return _plain(array.tolist())  # type: ignore[no-any-return]
    return array.tolist()  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    if type(value) is list:
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": b64encode(value).decode()}
    return value if value is None else str(value)


def predictions(outputs: dict[str, Array], batched: bool) -> list[Any]:
    """Outputs -> one entry a row: the row itself for one output, an object by name for several."""
    columns = {name: to_rows(array if batched and array.ndim else array[None]) for name, array in outputs.items()}
    if len(columns) == 1:
        return next(iter(columns.values()))
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
