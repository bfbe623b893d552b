"""MLflow's scoring protocol, /invocations: JSON or CSV in, {"predictions": [...]} out.

    {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"], ...]}}     exactly one of these four,
    {"dataframe_records": [{"a": 1, "b": "x"}, ...]}                          and optionally "params"
    {"instances": [...]}  {"inputs": ...}                                     as TensorFlow Serving, see v1.py
    text/csv with a header

A model with several outputs answers with its first alone, as `predict` of an MLflow model does: a classifier's labels.
{"params": {"output": "predict_proba"}} asks for another, a list of names for several (predictions are then objects).
As in MLflow, a data frame may have more columns than the model takes; a missing one is an error.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tidegate.errors import InvalidRequest
from tidegate.types.inference import Signature, TensorSpec
from tidegate.wire.codecs.base import Encoded, Request
from tidegate.wire.codecs.columns import column, from_columns, from_rows, load_object
from tidegate.wire.codecs.v1 import encode_predictions, rows_of, wanted
from tidegate.wire.conform import conform
from tidegate.wire.tensors import DTYPES, Array

KINDS = ("dataframe_split", "dataframe_records", "instances", "inputs")
MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "n/a", "<NA>", "#N/A", "-NaN", "-nan"})
"""Texts that stand for a missing number in CSV. In a text column only the empty field is missing: "NA" is a country."""
_BOOLEANS = {
    "true": True,
    "True": True,
    "TRUE": True,
    "1": True,
    "false": False,
    "False": False,
    "FALSE": False,
    "0": False,
}


class MLflow:
    """application/json. Keeps nothing between calls."""

    def decode(self, body: bytes | memoryview, signature: Signature, *, json_length: int, flags: int) -> Request:
        message = load_object(body)
        given = [key for key in KINDS if key in message]
        if len(given) != 1:
            have = " and ".join(given) or "none of them"
            raise InvalidRequest(f"give exactly one of {', '.join(KINDS)}; the body has {have}")
        if unknown := [key for key in message if key not in (*KINDS, "params")]:
            raise InvalidRequest(f"unknown key {unknown[0]!r}; known: {', '.join(KINDS)}, params")
        (kind,) = given
        value = message[kind]
        if kind == "dataframe_split":
            arrays = _from_split(value, signature)
        elif kind == "dataframe_records":
            arrays = _from_records(value, signature)
        else:
            arrays = (from_rows if kind == "instances" else from_columns)(kind, value, signature)
        return _request(arrays, signature, message.get("params"))

    def encode(self, outputs: Mapping[str, Array], request: Request, signature: Signature) -> Encoded:
        return encode_predictions(outputs, signature)


class MLflowCsv:
    """text/csv: a header, then one row a line; RFC 4180 quoting."""

    def decode(self, body: bytes | memoryview, signature: Signature, *, json_length: int, flags: int) -> Request:
        try:
            text = bytes(body).decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            raise InvalidRequest(f"the CSV is not UTF-8 text: {exc}") from exc
        if len(text) > csv.field_size_limit():
            csv.field_size_limit(len(text))
        names, rows = _read(text)
        fields = dict(zip(names, zip(*rows, strict=True), strict=True))
        return _request(_from_frame(fields, signature, _from_text), signature, None)

    def encode(self, outputs: Mapping[str, Array], request: Request, signature: Signature) -> Encoded:
        return encode_predictions(outputs, signature)


def _request(arrays: dict[str, Array], signature: Signature, params: Any) -> Request:
    inputs = conform(arrays, signature)
    request = Request(inputs, rows_of(inputs, signature))
    if len(signature.outputs) > 1:
        request.wanted = [signature.outputs[0].name]
    if params is None:
        return request
    if type(params) is not dict:
        raise InvalidRequest("params must be an object")
    for key, value in params.items():
        if key != "output":
            raise InvalidRequest(f"params: unknown key {key!r}; known: output")
        request.wanted = wanted("params.output", [value] if type(value) is str else value, signature)
    return request


def _from_split(frame: Any, signature: Signature) -> dict[str, Array]:
    if type(frame) is not dict or type(frame.get("data")) is not list or not frame["data"]:
        raise InvalidRequest("dataframe_split must be an object with data, a list of at least one row, and columns")
    rows = frame["data"]
    names = frame.get("columns")
    if names is None:
        return from_rows("dataframe_split.data", rows, signature)
    if type(names) is not list or any(type(name) is not str for name in names):
        raise InvalidRequest("dataframe_split.columns must be a list of names")
    _no_repeats("dataframe_split.columns", names)
    for i, row in enumerate(rows):
        if type(row) is not list or len(row) != len(names):
            raise InvalidRequest(f"dataframe_split.data[{i}] must be a list of {len(names)} values, one a column")
    return _from_frame(dict(zip(names, zip(*rows, strict=True), strict=True)), signature, _from_values)


def _from_records(rows: Any, signature: Signature) -> dict[str, Array]:
    if type(rows) is not list or not rows:
        raise InvalidRequest("dataframe_records must be a list of at least one row")
    names: dict[str, None] = {}
    for i, row in enumerate(rows):
        if type(row) is not dict:
            raise InvalidRequest(f"dataframe_records[{i}] must be an object by column name")
        names.update(dict.fromkeys(row))
    return _from_frame({name: [row.get(name) for row in rows] for name in names}, signature, _from_values)


def _from_values(spec: TensorSpec, values: Sequence[Any]) -> Array:
    return column(spec, list(values))


def _from_frame(fields: Mapping[str, Sequence[Any]], signature: Signature, read: Any) -> dict[str, Array]:
    """A data frame's columns -> the model's inputs: by name, or all side by side as the only input, a matrix."""
    specs = signature.inputs
    if not signature.batched:
        raise InvalidRequest("this model takes one request at a time, not a data frame; send inputs")
    known = {spec.name: spec for spec in specs}
    if len(specs) == 1 and len(specs[0].shape) == 2 and specs[0].name not in fields:
        (spec,) = specs
        if not fields:
            raise InvalidRequest("the data frame has no columns")
        flat = [read(TensorSpec(name, spec.datatype, [-1], spec.content), values) for name, values in fields.items()]
        return {spec.name: np.stack(flat, axis=1)}
    arrays = {name: read(known[name], values) for name, values in fields.items() if name in known}
    if any(
        spec.name not in arrays and not spec.optional for spec in specs
    ):  # conform then hints at the nearest name sent
        arrays |= {name: np.zeros(len(values)) for name, values in fields.items() if name not in known}
    return arrays


def _no_repeats(where: str, names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise InvalidRequest(f"{where}: {twice!r} is given twice")


def _read(text: str) -> tuple[list[str], list[list[str]]]:
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as exc:
        raise InvalidRequest(f"the CSV can't be read: {exc}") from exc
    if not lines or not lines[0]:
        raise InvalidRequest("the CSV is empty; the first line must name the columns")
    names = [name.strip() for name in lines[0]]
    _no_repeats("the CSV's header", names)
    # a blank line is a missing value where there is one column, and nothing otherwise
    rows = [line or [""] for line in lines[1:] if line or len(names) == 1]
    if not rows:
        raise InvalidRequest("the CSV has a header but no rows")
    for i, row in enumerate(rows):
        if len(row) != len(names):
            raise InvalidRequest(f"row {i + 1} of the CSV has {len(row)} fields, but the header has {len(names)}")
    return names, rows


def _from_text(spec: TensorSpec, values: Sequence[str]) -> Array:
    """A column of CSV fields -> array of the input's datatype."""
    if spec.datatype == "BYTES":
        array = np.empty(len(values), object)
        array[:] = [value or None for value in values]
        return array
    kind = DTYPES[spec.datatype].kind
    parse = _number if kind == "f" else _boolean if kind == "b" else _whole
    out = np.empty(len(values), DTYPES[spec.datatype])
    for i, value in enumerate(values):
        try:
            out[i] = parse(value.strip())
        except (ValueError, OverflowError, KeyError) as exc:
            raise InvalidRequest(
                f"input {spec.name!r}: {value[:40]!r} in row {i + 1} of the CSV is not {spec.datatype}"
            ) from exc
    return out.reshape(-1, *[1] * (len(spec.shape) - 1))


def _number(text: str) -> float:
    if text in MISSING:
        return float("nan")
    if "_" in text:  # Python reads 1_000; CSV does not
        raise ValueError(text)
    return float(text)


def _whole(text: str) -> int:
    if "_" in text:
        raise ValueError(text)
    return int(text)


def _boolean(text: str) -> bool:
    return _BOOLEANS[text]
