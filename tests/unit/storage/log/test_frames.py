"""Records -> typed rows: the fast way and the codec's way give the same, and nothing is ever lost."""

import base64
from typing import Any

import msgspec
import numpy as np
import orjson
import polars as pl
import pytest
from journal_maker import MATRIX, TABLE, matrix, prediction, table, tensor

from tidegate.storage.blobs import BlobStore
from tidegate.storage.layout import Layout
from tidegate.storage.log.batches import Batcher
from tidegate.storage.log.columns import ColumnBook
from tidegate.storage.log.frames import FrameMaker
from tidegate.types.inference import Signature, TensorSpec


def maker(layout: Layout, signature: Signature | None = None, limit: int = 64_000, **blobs: Any) -> FrameMaker:
    book = ColumnBook(layout.log("loan") / "columns.json")
    if signature is not None:
        book.learn("m", "1", signature)
    return FrameMaker(book, BlobStore(layout.blobs, limit=limit, **blobs))


def test_a_matrix_has_a_column_each_and_classes_name_the_probabilities(layout: Layout) -> None:
    frame = maker(layout, MATRIX).frame([matrix([[1, 2, 3], [4, 5, 6]], subject="u-1"), matrix([[7, 8, 9.5]])])
    assert frame["x_2"].to_list() == [3.0, 6.0, 9.5]
    assert frame["predict_proba_yes"].to_list() == [0.75] * 3
    assert frame["row"].to_list() == [0, 1, 0]
    assert frame["subject"].to_list() == ["u-1", "u-1", None]
    assert frame["prediction_id"].n_unique() == 2
    assert frame["time"].dtype == pl.Datetime("us", "UTC")
    assert frame["extra"].null_count() == 3


def test_a_table_has_its_own_names_and_types(layout: Layout) -> None:
    frame = maker(layout, TABLE).frame([table([(30.5, 'S"o\\fia]', 3), (None, None, 2)]), table([(1, "Плевен", 1)])])
    assert frame.select("age", "city", "rooms").rows() == [(30.5, 'S"o\\fia]', 3), (None, None, 2), (1.0, "Плевен", 1)]
    assert frame["rooms"].dtype == pl.Int64


@pytest.mark.parametrize("signature", [MATRIX, None])
def test_the_fast_way_and_the_codec_agree(layout: Layout, signature: Signature | None, monkeypatch: Any) -> None:
    rng = np.random.default_rng(0)
    records = [matrix(rng.normal(size=(n, 3)).tolist()) for n in (1, 1, 5, 2, 1)]
    fast = maker(layout, signature).frame(records)
    monkeypatch.setattr(Batcher, "_heads", lambda *_: None)  # nothing is understood at once: each goes by its codec
    slow = maker(layout, signature).frame(records)
    key = ["prediction_id", "row"]
    assert fast.sort(key).equals(slow.sort(key).select(fast.columns))
    assert fast["extra"].null_count() == 10


def test_many_numbers_in_every_spelling(layout: Layout) -> None:
    """Enough of them that they are read in bulk; equal to the last bit, nulls and blanks included."""
    spellings = [
        "1",
        "-0.0",
        "1e5",
        "1E-7",
        "0.1",
        "123456789.123456789",
        "5e-324",
        "1.7976931348623157e308",
        " 2.5 ",
        "null",
    ]
    texts = [spellings[i % 10] for i in range(6000)]
    body = '{"inputs":[{"name":"x","shape":[2000,3],"datatype":"FP64","data":[' + ",".join(texts) + "]}]}"
    record = prediction(request=msgspec.Raw(body.encode()), outputs=[tensor("predict", "INT64", [2000], [0] * 2000)])
    frame = maker(layout, MATRIX).frame([record])
    want = orjson.loads("[" + ",".join(texts) + "]")
    assert frame["extra"].null_count() == 2000
    assert frame.select("x_0", "x_1", "x_2").rows() == [tuple(want[i : i + 3]) for i in range(0, 6000, 3)]


def test_all_that_json_may_look_like(layout: Layout) -> None:
    outputs = orjson.dumps([tensor("predict", "INT64", [2], [1, 0])])
    bodies = [
        b'{"id":"7","inputs":[{"name":"x","shape":[2,3],"datatype":"FP64","data":[[1,2,3],[4,5,6]]}]}',
        b'{ "inputs" : [ { "datatype":"FP64", "data" : [1,2,3,4,5,6.0e0] ,"name":"x", "shape":[2,3] } ],'
        b' "id":"\\"data\\":[9]" }',
        b'{"parameters":{"data":[1,2]},"inputs":[{"name":"x","shape":[2,3],"datatype":"FP64","data":[1,2,3,4,5,6]}]}',
        b'{"inputs":[{"name":"x","shape":[2,3],"datatype":"INT8","data":[1,2,3,4,5,6]}],"outputs":[{"name":"predict"}]}',
    ]
    records = [prediction(request=msgspec.Raw(body), outputs=msgspec.Raw(outputs)) for body in bodies]
    frame = maker(layout, MATRIX).frame(records)
    assert frame.select("x_0", "x_1", "x_2").rows() == [(1.0, 2.0, 3.0), (4.0, 5.0, 6.0)] * 4
    assert frame["predict"].to_list() == [1, 0] * 4
    assert frame["extra"].null_count() == 8


def test_binary_tensors(layout: Layout) -> None:
    x = np.array([[1.5, np.nan, np.inf]], "<f8")
    request = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 3], "parameters": {"binary_data_size": 24}}]}
    answer = [
        {"name": "predict", "datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": 8}},
        tensor("predict_proba", "FP64", [1, 2], [0.5, 0.5]),
    ]
    record = prediction(
        request=msgspec.Raw(orjson.dumps(request)),
        binary=base64.b64encode(x.tobytes()).decode(),
        outputs=msgspec.Raw(orjson.dumps(answer)),
        output_binary=base64.b64encode(np.array([4], "<i8").tobytes()).decode(),
    )
    raw = prediction(binary=record.binary, outputs=record.outputs, output_binary=record.output_binary)
    frame = maker(layout, MATRIX).frame([record, raw])
    assert frame.select("x_0", "x_1", "x_2", "predict", "predict_proba_no").rows() == [(1.5, None, np.inf, 4, 0.5)] * 2


def test_v1_and_mlflow_and_csv(layout: Layout) -> None:
    both = msgspec.Raw(orjson.dumps({"predictions": [{"predict": 1, "predict_proba": [0.1, 0.9]}]}))
    only = msgspec.Raw(b'{"predictions":[1]}')
    records = [
        prediction(codec="v1", request=msgspec.Raw(b'{"instances":[[1,2,3]]}'), outputs=both),
        prediction(codec="mlflow", request=msgspec.Raw(b'{"inputs":[[1,2,3]]}'), outputs=only),
        prediction(codec="csv", text="a,b,c\n1,2,3\n", outputs=only),
        prediction(
            codec="mlflow",
            request=msgspec.Raw(b'{"instances":[[1,2,3]],"params":{"output":"predict_proba"}}'),
            outputs=msgspec.Raw(b'{"predictions":[[0.1,0.9]]}'),
        ),
    ]
    frame = maker(layout, MATRIX).frame(records).sort("prediction_id")
    assert frame["extra"].to_list() == [None] * 4
    assert frame.select("x_0", "x_2").rows() == [(1.0, 3.0)] * 4
    assert frame["predict"].to_list() == [1, 1, 1, None]
    assert frame["predict_proba_yes"].to_list() == [0.9, None, None, 0.9]


def test_what_fails_is_a_row_with_its_body(layout: Layout) -> None:
    records = [
        matrix([[1, 2, 3]]),
        prediction(status=400, error="missing input 'x'", request=msgspec.Raw(b'{"inputs":[]}')),
        prediction(status=400, error="not JSON", text="{oops"),
        prediction(request=msgspec.Raw(b'{"strange":1}'), outputs=msgspec.Raw(b"[]")),
    ]
    frame = maker(layout, MATRIX).frame(records).sort("prediction_id")
    assert frame["status"].to_list() == [200, 400, 400, 200]
    assert frame["x_0"].to_list() == [1.0, None, None, None]
    extra = [None if text is None else orjson.loads(text) for text in frame["extra"].to_list()]
    assert extra[1:3] == [{"request": '{"inputs":[]}'}, {"text": "{oops"}]
    assert extra[3]["request"] == '{"strange":1}'
    assert extra[3]["undecoded"]


def test_redacted_fields_are_text_and_dropped_ones_null(layout: Layout) -> None:
    plain = table([(30.5, "Sofia", 3)])
    hashed = prediction(
        [tensor("age", "FP64", [1], [31.0]), tensor("rooms", "BYTES", [1], ["ab12"])],
        [tensor("predict", "FP64", [1], [0.5])],
        redacted=True,
        codec="v1",
    )
    frame = maker(layout, TABLE).frame([plain, hashed]).sort("prediction_id")
    assert frame.select("age", "city", "rooms", "rooms_string").rows() == [
        (30.5, "Sofia", 3, None),
        (31.0, None, None, "ab12"),
    ]


def test_infinite_huge_and_many(layout: Layout) -> None:
    signature = Signature(
        inputs=[TensorSpec("n", "UINT64", [-1]), TensorSpec("f", "FP32", [-1]), TensorSpec("c", "BYTES", [-1])],
        outputs=[TensorSpec("predict", "FP64", [-1])],
    )
    records = [
        prediction(
            [tensor("n", "UINT64", [1], [n]), tensor("f", "FP32", [1], [f]), tensor("c", "BYTES", [1], [c])],
            [tensor("predict", "FP64", [1], [1e308])],
        )
        for n, f, c in [(1, 1.0, "a"), (2**64 - 1, 1e300, "b"), *((3, 0.0, f"category {i}") for i in range(10_000))]
    ]
    frame = maker(layout, signature).frame(records).sort("prediction_id")
    assert frame["n"].to_list()[:2] == [1, None]
    assert orjson.loads(frame["extra"][1]) == {"n": [2**64 - 1]}
    assert frame["f"][1] == float("inf")
    assert frame["predict"][0] == 1e308
    assert frame["c"].n_unique() == 10_002


def test_a_version_without_a_signature_describes_itself(layout: Layout) -> None:
    frame = maker(layout).frame([matrix([[1, 2, 3], [4, 5, 6]])])
    assert frame["x_1"].to_list() == [2.0, 5.0]
    assert frame["predict_proba_1"].to_list() == [0.75, 0.75]


def test_one_bad_body_among_many_costs_only_itself(layout: Layout) -> None:
    good = [matrix([[i, 2, 3]]) for i in range(50)]
    bad = prediction([tensor("x", "FP64", [1, 3], [1, 2])], [tensor("predict", "INT64", [1], [1])])
    frame = maker(layout, MATRIX).frame([*good[:25], bad, *good[25:]])
    assert frame.height == 51
    assert frame["x_0"].drop_nulls().len() == 50
    assert frame.filter(pl.col("extra").is_not_null())["prediction_id"].to_list() == [bad.id]


def test_large_values_are_blobs_and_bytes_are_data_uris(layout: Layout) -> None:
    signature = Signature(
        inputs=[TensorSpec("image", "BYTES", [-1], content="bytes"), TensorSpec("wide", "FP32", [-1, 400])],
        outputs=[TensorSpec("embedding", "FP32", [-1, -1])],
    )
    image = bytes(range(256)) * 8
    small = b"\xff\xfe"
    raws = [len(v).to_bytes(4, "little") + v for v in (image, small)]
    request = {
        "inputs": [
            {
                "name": "image",
                "datatype": "BYTES",
                "shape": [2],
                "parameters": {"binary_data_size": len(b"".join(raws))},
            },
            tensor("wide", "FP32", [2, 400], [0.5] * 800),
        ]
    }
    record = prediction(
        request=msgspec.Raw(orjson.dumps(request)),
        binary=base64.b64encode(b"".join(raws)).decode(),
        outputs=msgspec.Raw(orjson.dumps([tensor("embedding", "FP32", [2, 300], [1.0] * 600)])),
    )
    made = maker(layout, signature, limit=1000)
    frame = made.frame([record])
    reference, text = frame["image"].to_list()
    assert made.blobs.get(reference) == image
    assert text == "data:;base64," + base64.b64encode(small).decode()
    assert np.frombuffer(made.blobs.get(frame["wide"][0]), "<f4").tolist() == [0.5] * 400
    assert frame["embedding"].to_list() == [None, None]
    assert made.blobs.get(orjson.loads(frame["extra"][1])["embedding"]) == np.ones(300, "<f4").tobytes()
    none = maker(layout, signature, limit=1000, policy="none")
    made.blobs.remove(made.blobs.digests())
    assert none.frame([record])["image"][0] == reference
    assert none.blobs.digests() == []


def test_no_batches_one_row(layout: Layout) -> None:
    signature = Signature(
        inputs=[TensorSpec("a", "INT32", [1, 16])], outputs=[TensorSpec("s", "INT32", [1, 16])], batched=False
    )
    values = list(range(16))
    record = prediction([tensor("a", "INT32", [1, 16], values)], [tensor("s", "INT32", [1, 16], values)])
    frame = maker(layout, signature).frame([record, record])
    assert frame.height == 2
    assert frame["a"].to_list() == [values, values]
