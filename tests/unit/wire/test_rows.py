"""Requests decoded together give what each gives alone, and one wrong value spoils only its own request."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import orjson
import pytest

from tidegate.runner.batch import Batcher, Item
from tidegate.types.inference import Signature, TensorSpec
from tidegate.wire.codecs.rows import Wishes, draft, join
from tidegate.wire.frames import CODECS, REPLY

MATRIX = Signature([TensorSpec("x", "FP64", [-1, 3])], [TensorSpec("y", "FP64", [-1])])
TABLE = Signature([TensorSpec(name, "FP64", [-1]) for name in "abc"], [TensorSpec("y", "FP64", [-1])], kind="table")


class Sum:
    """Adds up a row; counts its calls."""

    platform = "test"

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.calls = 0

    def load(self) -> None: ...

    def unload(self) -> None: ...

    def predict(self, inputs: Any, outputs: Any = None) -> dict[str, Any]:
        self.calls += 1
        parts = [array if array.ndim == 2 else array[:, None] for array in inputs.values()]
        return {"y": np.concatenate(parts, axis=1).sum(axis=1)}


def body(*data: Any, name: str = "x", rows: int = 1, **more: Any) -> bytes:
    return orjson.dumps(
        {"inputs": [{"name": name, "shape": [rows, 3], "datatype": "FP64", "data": list(data)}], **more}
    )


def columns(*data: Any) -> bytes:
    return orjson.dumps(
        {
            "inputs": [
                {"name": n, "shape": [1], "datatype": "FP64", "data": [v]} for n, v in zip("abc", data, strict=True)
            ]
        }
    )


def answers(signature: Signature, bodies: list[bytes]) -> tuple[list[tuple[int, Any]], Sum]:
    """(status, y or message) of each, sent as one batch."""
    model = Sum(signature)
    frames: list[bytes] = []
    Batcher(model, 64).run(
        [Item(frames.append, n, CODECS["v2"], 0, 0, text, 0.0, 0.0) for n, text in enumerate(bodies)]
    )
    found: dict[int, tuple[int, Any]] = {}
    for frame in frames:
        _, call, status, _, _, _, _, id_length, length = REPLY.unpack_from(frame)
        payload = frame[REPLY.size :]
        text = payload[id_length : id_length + length]
        found[call] = (status, orjson.loads(text)[0]["data"] if status == 200 else payload.decode())
    return [found[n] for n in range(len(bodies))], model


@pytest.mark.parametrize(
    ("signature", "bodies"),
    [
        (MATRIX, [body(1, 2, 3), body(4.5, 5, 6, id="q"), body(1, 1, 1, 2, 2, 2, rows=2)]),
        (TABLE, [columns(1, 2, 3), columns(4, 5.5, 6)]),
        (TABLE, [body(1, 2, 3, name="rows"), body(4, 5, 6.5, name="rows")]),
    ],
)
def test_together_as_alone(signature: Signature, bodies: list[bytes]) -> None:
    together, model = answers(signature, bodies)
    assert model.calls == 1, "one call of the model for all"
    assert together == [answers(signature, [text])[0][0] for text in bodies]
    assert all(status == 200 for status, _ in together)


def test_one_wrong_value_spoils_only_its_own_request() -> None:
    found, _ = answers(MATRIX, [body(1, 2, 3), body(1, "two", 3), body(4, 5, 6), body(None, 1, 2)])
    assert [status for status, _ in found] == [200, 400, 200, 200]
    assert found[0][1] == [6.0] and found[2][1] == [15.0] and found[3][1] == [None]
    assert "string" in found[1][1]


def test_what_is_not_plain_is_no_draft() -> None:
    wishes = Wishes()
    nested = orjson.dumps({"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [[1, 2, 3]]}]})
    for text in (b"{", b"[]", nested, body(1, 2), body(1, 2, 3, parameters={}), body(1, 2, 3, outputs=[{"name": "z"}])):
        assert draft(text, MATRIX, wishes) is None
    good = draft(body(1, 2, 3, outputs=[{"name": "y"}]), MATRIX, wishes)
    assert good is not None and good.request.wanted == ["y"]
    assert join([good, good], MATRIX)["x"].tolist() == [[1, 2, 3], [1, 2, 3]]


def test_a_reply_says_how_long_it_is() -> None:
    frames: list[bytes] = []
    Batcher(Sum(MATRIX), 8).run([Item(frames.append, 7, CODECS["v2"], 0, 0, body(1, 2, 3), 0.0, 0.0)])
    (length,) = struct.unpack_from("<I", frames[0])
    assert length + 4 == len(frames[0])
