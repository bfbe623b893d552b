"""What every codec must do: give back what was sent, refuse what it can't read, and answer in valid JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.errors import InvalidRequest
from tidegate.types.inference import Signature, TensorSpec
from tidegate.wire.codecs import codec
from tidegate.wire.frames import HAS_HEADER_LENGTH
from tidegate.wire.tensors import datatype_of, to_raw

TABLE = Signature(
    [
        TensorSpec("f", "FP64", [-1]),
        TensorSpec("i", "INT64", [-1]),
        TensorSpec("t", "BYTES", [-1]),
        TensorSpec("yes", "BOOL", [-1]),
    ],
    [TensorSpec("label", "INT64", [-1]), TensorSpec("score", "FP32", [-1, 2])],
    kind="table",
)
# CSV can't tell a missing text from an empty one, and readers may change a bare carriage return
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1, max_size=8)
ROWS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
        st.integers(-(2**63), 2**63 - 1),
        st.one_of(st.none(), TEXTS),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)
NAMES = ["f", "i", "t", "yes"]
Row = tuple[Any, ...]


def _objects(rows: list[Row]) -> list[dict[str, Any]]:
    return [dict(zip(NAMES, row, strict=True)) for row in rows]


def _v2(rows: list[Row]) -> bytes:
    tensors = [
        {"name": spec.name, "shape": [len(rows)], "datatype": spec.datatype, "data": [row[k] for row in rows]}
        for k, spec in enumerate(TABLE.inputs)
    ]
    return orjson.dumps({"id": "1", "inputs": tensors})


def _csv(rows: list[Row]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(NAMES)
    writer.writerows([[repr(f) if f is not None else "", i, t, yes] for f, i, t, yes in rows])
    return out.getvalue().encode()


FORMS: list[tuple[str, Callable[[list[Row]], bytes]]] = [
    ("v2", _v2),
    ("v1", lambda rows: orjson.dumps({"instances": rows})),
    ("v1", lambda rows: orjson.dumps({"instances": _objects(rows)})),
    ("v1", lambda rows: orjson.dumps({"inputs": {name: [row[k] for row in rows] for k, name in enumerate(NAMES)}})),
    ("mlflow", lambda rows: orjson.dumps({"dataframe_split": {"columns": NAMES, "data": rows}})),
    ("mlflow", lambda rows: orjson.dumps({"dataframe_records": _objects(rows)})),
    ("csv", _csv),
]
IDS = ["v2", "v1-lists", "v1-objects", "v1-columns", "mlflow-split", "mlflow-records", "csv"]


@pytest.mark.parametrize("name, build", FORMS, ids=IDS)
@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_what_is_sent_is_what_the_model_gets(name: str, build: Callable[[list[Row]], bytes], rows: list[Row]) -> None:
    request = codec(name).decode(build(rows), TABLE, json_length=0, flags=0)
    assert request.rows == len(rows)
    assert list(request.inputs) == NAMES
    np.testing.assert_array_equal(request.inputs["f"], [np.nan if row[0] is None else row[0] for row in rows])
    for k, (column, dtype) in enumerate([("f", np.float64), ("i", np.int64), ("t", object), ("yes", np.bool_)]):
        assert request.inputs[column].dtype == dtype
        if column != "f":
            assert request.inputs[column].tolist() == [row[k] for row in rows]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*NAMES, "b64", "columns", "data", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
KEYS = ["instances", "inputs", "outputs", "params", "parameters", "dataframe_split", "dataframe_records", "id"]


@pytest.mark.parametrize("name", ["v2", "v1", "mlflow", "csv"])
@settings(max_examples=150, deadline=None)
@given(
    body=st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3).map(orjson.dumps)
    | JSON.map(orjson.dumps)
    | st.binary(max_size=60)
)
def test_nothing_but_a_refusal_for_what_makes_no_sense(name: str, body: bytes) -> None:
    try:
        request = codec(name).decode(body, TABLE, json_length=0, flags=0)
    except InvalidRequest as exc:
        assert str(exc)
    else:  # by luck it made sense: then it conforms
        assert list(request.inputs) == NAMES and request.rows >= 0


@pytest.mark.parametrize("name", ["v2", "v1", "mlflow", "csv"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[" * 5000,
        b"\xff\xfe",
        b'{"inputs": NaN}',
        b'{"instances": ' + b"[" * 900 + b"]" * 900 + b"}",
    ],
)
def test_broken_bodies_are_refused(name: str, body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        codec(name).decode(body, TABLE, json_length=0, flags=0)


@pytest.mark.parametrize("name, build", FORMS, ids=IDS)
def test_answers_are_valid_json_even_with_nan(name: str, build: Callable[[list[Row]], bytes]) -> None:
    request = codec(name).decode(build([(1.0, 2, "x", True), (None, 3, "y", False)]), TABLE, json_length=0, flags=0)
    outputs = {"label": np.array([1, 0]), "score": np.array([[0.5, np.nan], [np.inf, 0.25]], np.float32)}
    encoded = codec(name).encode(outputs, request, TABLE)
    answer = orjson.loads(encoded.json)
    flat = orjson.dumps(answer)
    assert b"NaN" not in flat and b"0.25" in flat and b"null" in flat
    assert encoded.raw == b""


ARRAYS = st.sampled_from(
    ["FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "BOOL"]
)


@settings(max_examples=80, deadline=None)
@given(datatype=ARRAYS, rows=st.integers(1, 4), raw_output=st.booleans(), data=st.data())
def test_v2_binary_round_trip(datatype: Any, rows: int, raw_output: bool, data: st.DataObject) -> None:
    from tidegate.wire.tensors import DTYPES, from_raw

    signature = Signature([TensorSpec("x", datatype, [-1, 2])], [TensorSpec("x", datatype, [-1, 2])])
    size = rows * 2 * DTYPES[datatype].itemsize
    raw = data.draw(st.binary(min_size=size, max_size=size))
    if datatype == "BOOL":
        raw = bytes(b & 1 for b in raw)
    head = orjson.dumps(
        {
            "inputs": [
                {"name": "x", "shape": [rows, 2], "datatype": datatype, "parameters": {"binary_data_size": size}}
            ],
            "parameters": {"binary_data_output": raw_output},
        }
    )
    request = codec("v2").decode(head + raw, signature, json_length=len(head), flags=HAS_HEADER_LENGTH)
    assert to_raw(request.inputs["x"]) == raw and datatype_of(request.inputs["x"]) == datatype
    encoded = codec("v2").encode(request.inputs, request, signature)
    if raw_output:
        assert encoded.raw == raw
        assert to_raw(from_raw("x", datatype, [rows, 2], encoded.raw)) == raw
    else:
        (tensor,) = orjson.loads(encoded.json)
        assert tensor["shape"] == [rows, 2] and len(tensor["data"]) == rows * 2
