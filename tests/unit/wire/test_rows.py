"""v1 and MLflow bodies, form by form, as their own clients send them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tidegate.errors import InvalidRequest
from tidegate.types.inference import Signature, TensorSpec
from tidegate.wire.codecs import codec
from tidegate.wire.codecs.base import Request

MATRIX = Signature([TensorSpec("input", "FP64", [-1, 2])], [TensorSpec("predict", "INT64", [-1])])
TABLE = Signature(
    [TensorSpec("a", "FP64", [-1]), TensorSpec("b", "BYTES", [-1]), TensorSpec("n", "INT32", [-1])],
    [TensorSpec("predict", "INT64", [-1]), TensorSpec("predict_proba", "FP64", [-1, 2])],
    kind="table",
    classes=["0", "1"],
)
IMAGE = Signature([TensorSpec("image", "BYTES", [-1], "bytes")], [TensorSpec("label", "BYTES", [-1])])


def decode(name: str, body: Any, signature: Signature) -> Request:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return codec(name).decode(raw, signature, json_length=0, flags=0)


@pytest.mark.parametrize(
    "name, body",
    [
        ("v1", {"instances": [[1, 2], [3, None]]}),
        ("v1", {"instances": [{"input": [1, 2]}, {"input": [3, None]}]}),
        ("v1", {"inputs": {"input": [[1, 2], [3, None]]}}),
        ("v1", {"inputs": [[1, 2], [3, None]]}),
        ("mlflow", {"instances": [[1, 2], [3, None]]}),
        ("mlflow", {"inputs": [[1, 2], [3, None]]}),
        ("mlflow", {"dataframe_split": {"columns": ["x", "y"], "data": [[1, 2], [3, None]]}}),
        ("mlflow", {"dataframe_split": {"data": [[1, 2], [3, None]]}}),
        ("mlflow", {"dataframe_records": [{"x": 1, "y": 2}, {"x": 3}]}),
        ("csv", 'x,"y"\n1,2\r\n3,NaN\n'),
    ],
)
def test_a_matrix_in_every_form(name: str, body: Any) -> None:
    request = decode(name, body, MATRIX)
    assert request.rows == 2
    np.testing.assert_array_equal(request.inputs["input"], [[1.0, 2.0], [3.0, np.nan]])


@pytest.mark.parametrize(
    "name, body",
    [
        ("v1", {"instances": [[1, "x, y", 7], [None, None, -1]]}),
        ("v1", {"instances": [{"a": 1, "b": "x, y", "n": 7}, {"n": -1, "b": None, "a": None}]}),
        ("v1", {"inputs": {"a": [1, None], "b": ["x, y", None], "n": [7, -1]}}),
        (
            "mlflow",
            {
                "dataframe_split": {
                    "columns": ["n", "b", "a"],
                    "index": [0, 1],
                    "data": [[7, "x, y", 1], [-1, None, None]],
                }
            },
        ),
        ("mlflow", {"dataframe_records": [{"a": 1, "b": "x, y", "n": 7, "target": 1}, {"n": -1}]}),
        ("csv", 'n,a,b,target\n7,1.0,"x, y",0\n-1,,,1\n'),
        ("csv", '\ufeffn,a,b\n7,1e0,"x, y"\n\n-1,null,""'),
    ],
)
def test_a_table_in_every_form(name: str, body: Any) -> None:
    request = decode(name, body, TABLE)
    assert list(request.inputs) == ["a", "b", "n"]
    np.testing.assert_array_equal(request.inputs["a"], [1.0, np.nan])
    assert request.inputs["b"].tolist() == ["x, y", None]
    assert request.inputs["n"].dtype == np.int32 and request.inputs["n"].tolist() == [7, -1]


@pytest.mark.parametrize(
    "body",
    [{"instances": [{"b64": "/wA="}]}, {"instances": [{"image": {"b64": "/wA="}}]}, {"inputs": [{"b64": "/wA="}]}],
)
def test_base64_values_become_bytes(body: Any) -> None:
    assert decode("v1", body, IMAGE).inputs["image"].tolist() == [b"\xff\x00"]


def test_a_quoted_line_break_stays_in_its_field() -> None:
    assert decode("csv", 'a,b,n\n1,"two\nlines ""quoted""",3\n', TABLE).inputs["b"].tolist() == ['two\nlines "quoted"']


@pytest.mark.parametrize(
    "name, body, says",
    [
        ("v1", {}, "exactly one of instances and inputs"),
        ("v1", {"instances": [], "inputs": []}, "instances and inputs"),
        ("v1", {"instances": []}, "at least one row"),
        ("v1", {"instances": [[1, "x"]]}, r"instances\[0\] is 2 values; a row has 3"),
        ("v1", {"instances": [{"a": 1, "b": "x", "n": 7}, 3]}, r"instances\[1\] must be an object"),
        ("v1", {"instances": [{"a": 1, "b": "x", "n": 7}, {"a": 1, "b": "x"}]}, r"instances\[1\] has no 'n'"),
        ("v1", {"instances": [{"a": 1, "b": "x", "N": 7}]}, "missing input 'n'"),
        ("v1", {"instances": [{"a": 1, "b": "x", "n": 7, "aa": 1}]}, "unknown input 'aa'"),
        ("v1", {"instances": [{"a": "1", "b": "x", "n": 7}]}, "input 'a'"),
        ("v1", {"instances": [{"a": 1, "b": "x", "n": 2**40}]}, "out of the range of INT32"),
        ("v1", {"instances": [{"a": 1, "b": {"b64": "%"}, "n": 1}]}, "base64"),
        ("v1", {"instances": [[1, "x", 7]], "outputs": ["proba"]}, "'predict', 'predict_proba'"),
        ("v1", "[1]", "must be a JSON object"),
        ("v1", '{"instances": [[NaN, "x", 1]]}', "send null"),
        ("mlflow", {"data": []}, "dataframe_split, dataframe_records, instances, inputs"),
        ("mlflow", {"instances": [[1, "x", 7]], "parms": {}}, "unknown key 'parms'"),
        ("mlflow", {"instances": [[1, "x", 7]], "params": {"outpt": 1}}, "known: output"),
        ("mlflow", {"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}, "'a' is given twice"),
        ("mlflow", {"dataframe_split": {"columns": ["a", "b"], "data": [[1]]}}, "2 values"),
        ("mlflow", {"dataframe_records": [{"a": 1, "b": "x", "m": 7}]}, "missing input 'n'"),
        ("csv", "", "empty"),
        ("csv", "a,b,n\n", "no rows"),
        ("csv", "a,b,n\n1,x\n", "row 1 of the CSV has 2 fields"),
        ("csv", "a,b,n\n1,x,7.5\n", "'7.5' in row 1 of the CSV is not INT32"),
        ("csv", "a,b,n\n1_0,x,7\n", "not FP64"),
        ("csv", "a,b,n\n1,x,99999999999\n", "not INT32"),
        ("csv", 'a,b,n\n1,"x,7\n', "can't be read"),
    ],
)  # fmt: skip
def test_refusals_name_the_place(name: str, body: Any, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        decode(name, body, TABLE)


def test_mlflow_answers_with_labels_unless_asked_for_more() -> None:
    row = {"dataframe_records": [{"a": 1, "b": "x", "n": 7}]}
    assert decode("mlflow", row, TABLE).wanted == ["predict"]
    assert decode("mlflow", {**row, "params": {"output": "predict_proba"}}, TABLE).wanted == ["predict_proba"]
    assert decode("mlflow", {**row, "params": {"output": ["predict", "predict_proba"]}}, TABLE).wanted == [
        "predict",
        "predict_proba",
    ]
    assert decode("v1", {"instances": [[1, "x", 7]]}, TABLE).wanted is None


def test_one_output_is_rows_and_several_are_objects() -> None:
    request = decode("v1", {"instances": [[1, "x", 7]]}, TABLE)
    one = codec("v1").encode({"predict": np.array([1])}, request, TABLE)
    assert one.json == b'{"predictions":[1]}'
    both = codec("v1").encode({"predict": np.array([1]), "predict_proba": np.array([[0.25, np.nan]])}, request, TABLE)
    assert both.json == b'{"predictions":[{"predict":1,"predict_proba":[0.25,null]}]}'
    texts = np.array([b"ok", b"\xff", None], object)
    assert codec("v1").encode({"label": texts}, request, IMAGE).json == b'{"predictions":["ok",{"b64":"/w=="},null]}'


def test_scalars_for_a_column_vector() -> None:
    vector = Signature([TensorSpec("x", "FP32", [-1, 1])], [TensorSpec("y", "FP32", [-1, 1])])
    assert decode("v1", {"instances": [1, 2.5]}, vector).inputs["x"].tolist() == [[1.0], [2.5]]


def test_a_model_without_rows_takes_one_instance() -> None:
    whole = Signature([TensorSpec("x", "FP32", [2])], [TensorSpec("y", "FP32", [1])], batched=False)
    assert decode("v1", {"instances": [[1, 2]]}, whole).inputs["x"].tolist() == [1, 2]
    with pytest.raises(InvalidRequest, match="one request at a time"):
        decode("v1", {"instances": [[1, 2], [3, 4]]}, whole)
