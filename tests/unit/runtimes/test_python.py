"""Python models: how each way of taking inputs is called, and results that the signature doesn't allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidegate.runtimes.base import Artifact
from tidegate.runtimes.python import PythonRuntime

CODE = """
import numpy as np, pandas, polars
from typing import Annotated
from numpy.typing import NDArray
from tidegate.types.inference import Signature, TensorSpec

def with_pandas(frame: pandas.DataFrame):
    return pandas.DataFrame({"n": frame["n"] * 2, "long": frame["text"].str.len()})

def with_polars(frame: polars.DataFrame) -> NDArray[np.int64]:
    return frame["text"].str.len_chars().to_numpy()

def with_dict(inputs: dict[str, np.ndarray]):
    return {"sum": inputs["n"] + 1}

Pixels = Annotated[NDArray[np.uint8], (-1, 2, 3)]

def image(pixels: Pixels, gain: NDArray[np.float32] = None) -> NDArray[np.float64]:
    return pixels.mean(axis=(1, 2)) * (1 if gain is None else gain)

class Pair:
    signature = Signature([TensorSpec("INPUT0", "INT32", [1, 16]), TensorSpec("INPUT1", "INT32", [1, 16])],
                          [TensorSpec("OUTPUT0", "INT32", [1, 16]), TensorSpec("OUTPUT1", "INT32",
    [1, 16])], batched=False)
    def predict(self, inputs):
        a, b = inputs["INPUT0"], inputs["INPUT1"]
        return {"OUTPUT0": a + b, "OUTPUT1": a - b}

def fewer(n: NDArray[np.float64]) -> NDArray[np.float64]:
    return n[:1]
def words(n: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array(["x"] * len(n))
def square(n: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.ones((len(n), 2))
"""


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "styles_of_models.py").write_text(CODE)
    (tmp_path / "r.csv").write_text("n,text\n1,ab\n2,cde\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name: str, reference: bool = False) -> PythonRuntime:
        runtime = PythonRuntime(
            Artifact(f"styles_of_models:{name}", reference=tmp_path / "r.csv" if reference else None)
        )
        runtime.load()
        return runtime

    return make


ROWS = {"n": np.array([3, 4, 5]), "text": np.array(["a", "bc", "def"], object)}


def test_a_frame_of_either_kind_or_a_dict(load: Any) -> None:
    got = load("with_pandas", True).predict(ROWS)
    assert (got["n"].tolist(), got["long"].tolist()) == ([6, 8, 10], [1, 2, 3])
    runtime = load("with_polars", True)
    assert [(spec.name, spec.datatype) for spec in runtime.signature.inputs] == [("n", "INT64"), ("text", "BYTES")]
    assert runtime.predict(ROWS)["predict"].tolist() == [1, 2, 3]
    assert load("with_dict", True).predict(ROWS)["sum"].tolist() == [4, 5, 6]


def test_shapes_and_defaults(load: Any) -> None:
    runtime = load("image")
    assert [(spec.datatype, spec.shape, spec.optional) for spec in runtime.signature.inputs] == [
        ("UINT8", [-1, 2, 3], False),
        ("FP32", [-1], True),
    ]
    assert runtime.predict({"pixels": np.full((2, 2, 3), 4, np.uint8)})["predict"].tolist() == [4.0, 4.0]


def test_a_declared_signature_that_has_no_batch(load: Any) -> None:
    runtime = load("Pair")
    ones = np.ones((1, 16), np.int32)
    got = runtime.predict({"INPUT0": ones * 3, "INPUT1": ones})
    assert (got["OUTPUT0"][0, 0], got["OUTPUT1"][0, 0]) == (4, 2)


@pytest.mark.parametrize(
    ("name", "message"), [("fewer", "1 rows for 3 rows"), ("words", "is BYTES"), ("square", "has shape")]
)
def test_a_result_that_the_signature_does_not_allow(load: Any, name: str, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        load(name).predict({"n": np.ones(3)})
