"""Every runtime passes the same suite, each with a small real model made here.

load -> signature -> one row and many equal the framework's own -> any cut of a batch gives the same rows -> unload
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidegate.errors import InvalidRequest
from tidegate.runtimes.base import Artifact, Runtime
from tidegate.runtimes.resolve import create
from tidegate.runtimes.warmup import sample_inputs
from tidegate.types.inference import DATA_TYPES
from tidegate.wire.codecs.v2 import V2
from tidegate.wire.conform import conform
from tidegate.wire.tensors import Array, datatype_of

X = np.random.default_rng(7).normal(size=(200, 4))
Y = (X[:, 0] + 0.3 * X[:, 1] > 0).astype(int) + (X[:, 2] > 1)
ROWS = X[:17].copy()


class Case:
    """One runtime with a model: the artifact, some rows, and what the framework itself answers."""

    def __init__(
        self,
        artifact: Artifact,
        inputs: dict[str, Array],
        expected: dict[str, Array],
        name: str = "auto",
        tolerance: float = 0,
    ):
        self.name, self.artifact, self.inputs, self.expected, self.tolerance = (
            name,
            artifact,
            inputs,
            expected,
            tolerance,
        )


def logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=500).fit(X, Y)


def skops_case(folder: Path) -> Case:
    import skops.io

    model = logistic()
    skops.io.dump(model, folder / "m.skops")
    return Case(
        Artifact(str(folder / "m.skops")),
        {"input": ROWS},
        {"predict": model.predict(ROWS), "predict_proba": model.predict_proba(ROWS)},
    )


def joblib_case(folder: Path) -> Case:
    import joblib
    from sklearn.ensemble import RandomForestClassifier

    labels = np.array(["low", "mid", "high"])[Y]
    model = RandomForestClassifier(5, random_state=0, n_jobs=-1).fit(X, labels)
    joblib.dump(model, folder / "m.joblib")
    return Case(
        Artifact(str(folder / "m.joblib"), {"trustPickle": True}),
        {"input": ROWS},
        {"predict": model.predict(ROWS).astype(object), "predict_proba": model.predict_proba(ROWS)},
    )


def table_case(folder: Path) -> Case:
    """A pipeline that finds its columns by name, with text, whole numbers and missing values."""
    import pandas as pd
    import skops.io
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "speed": np.where(random.random(200) < 0.1, np.nan, X[:, 0]),
            "lanes": random.integers(1, 5, 200),
            "weather": random.choice(["rain", "sun", "snow"], 200).astype(object),
        }
    )
    prepare = ColumnTransformer(
        [("n", SimpleImputer(), ["speed", "lanes"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["weather"])]
    )
    model = make_pipeline(prepare, LogisticRegression(max_iter=500)).fit(frame, Y)
    skops.io.dump(model, folder / "m.skops")
    frame.assign(target=Y).to_parquet(folder / "train.parquet")
    head = frame.head(17)
    inputs = {
        "speed": head.speed.to_numpy(),
        "lanes": head.lanes.to_numpy(),
        "weather": np.array(head.weather.tolist(), object),
    }
    return Case(
        Artifact(str(folder / "m.skops"), {"trustTypes": ["numpy.dtype"]}, reference=folder / "train.parquet"),
        inputs,
        {"predict": model.predict(head), "predict_proba": model.predict_proba(head)},
    )


def onnx_case(folder: Path) -> Case:
    import onnxruntime
    from skl2onnx import to_onnx

    (folder / "m.onnx").write_bytes(
        to_onnx(logistic(), X[:1].astype(np.float32), options={"zipmap": False}).SerializeToString()
    )
    rows = ROWS.astype(np.float32)
    label, proba = onnxruntime.InferenceSession(str(folder / "m.onnx")).run(None, {"X": rows})
    return Case(Artifact(str(folder / "m.onnx")), {"X": rows}, {"label": label, "probabilities": proba}, tolerance=1e-6)


def zipmap_case(folder: Path) -> Case:
    from skl2onnx import to_onnx

    model = logistic()
    (folder / "m.onnx").write_bytes(to_onnx(model, X[:1].astype(np.float32)).SerializeToString())
    return Case(
        Artifact(str(folder / "m.onnx")),
        {"X": ROWS.astype(np.float32)},
        {"output_label": model.predict(ROWS), "output_probability": model.predict_proba(ROWS).astype(np.float32)},
        tolerance=1e-5,
    )


def xgboost_case(folder: Path) -> Case:
    import xgboost

    model = xgboost.XGBClassifier(n_estimators=4).fit(X, Y)
    model.save_model(folder / "m.json")
    return Case(
        Artifact(str(folder / "m.json")),
        {"input": ROWS},
        {"predict": model.predict(ROWS), "predict_proba": model.predict_proba(ROWS)},
    )


def categories(folder: Path) -> tuple[Any, dict[str, Array]]:
    import pandas as pd

    random = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "n": X[:, 0],
            "colour": pd.Categorical(random.choice(["red", "green", "blue"], 200)),
            "size": pd.Categorical(random.choice([3, 5, 8], 200)),
        }
    )
    head = frame.head(17)
    return frame, {
        "n": ROWS[:, 0],
        "colour": np.array(head.colour.tolist(), object),
        "size": np.array(head["size"].tolist(), np.int64),
    }


def xgboost_categories_case(folder: Path) -> Case:
    import xgboost

    frame, inputs = categories(folder)
    model = xgboost.XGBRegressor(n_estimators=4, enable_categorical=True).fit(frame, Y + X[:, 1])
    model.save_model(folder / "m.ubj")
    return Case(Artifact(str(folder / "m.ubj")), inputs, {"predict": model.predict(frame.head(17)).astype(np.float64)})


def lightgbm_case(folder: Path) -> Case:
    import lightgbm

    model = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1).fit(X, Y)
    model.booster_.save_model(folder / "m.txt")
    return Case(
        Artifact(str(folder / "m.txt")),
        {"input": ROWS},
        {"predict": model.predict(ROWS), "predict_proba": model.predict_proba(ROWS)},
    )


def lightgbm_categories_case(folder: Path) -> Case:
    import lightgbm

    frame, inputs = categories(folder)
    model = lightgbm.LGBMClassifier(n_estimators=4, min_child_samples=2, verbose=-1).fit(frame, Y > 0)
    model.booster_.save_model(folder / "m.txt")
    proba = model.predict_proba(frame.head(17))
    names = np.array(["no", "yes"], object)
    return Case(
        Artifact(str(folder / "m.txt"), {"classes": ["no", "yes"]}),
        inputs,
        {"predict": names[proba.argmax(axis=1)], "predict_proba": proba},
    )


PYTHON = """
from typing import TypedDict
import numpy as np
from numpy.typing import NDArray

class Sum(TypedDict):
    total: NDArray[np.float64]
    label: NDArray[np.str_]

class Model:
    def load(self): self.factor = 2.0
    def predict(self, a: NDArray[np.float64], b: NDArray[np.int64]) -> Sum:
        total = self.factor * a + b
        return {"total": total, "label": np.where(total > 0, "up", "down")}
    def unload(self): self.factor = None
"""


def python_case(folder: Path) -> Case:
    (folder / "contract_model.py").write_text(PYTHON)
    sys.path.insert(0, str(folder))
    a, b = ROWS[:, 0], np.arange(17)
    total = 2 * a + b
    return Case(
        Artifact("contract_model:Model"),
        {"a": a, "b": b},
        {"total": total, "label": np.where(total > 0, "up", "down").astype(object)},
    )


def mlflow_case(folder: Path) -> Case:
    import mlflow.sklearn
    import pandas as pd
    from mlflow.models import infer_signature
    from sklearn.linear_model import LogisticRegression

    frame = pd.DataFrame(X[:, :3], columns=["a", "b", "c"]).assign(n=np.arange(200))
    model = LogisticRegression(max_iter=500).fit(frame, Y)
    mlflow.sklearn.save_model(
        model, folder / "m", signature=infer_signature(frame, Y), serialization_format="skops", pip_requirements=[]
    )
    head = frame.head(17)
    return Case(
        Artifact(str(folder / "m")),
        {name: head[name].to_numpy() for name in frame.columns},
        {"predict": model.predict(head), "predict_proba": model.predict_proba(head)},
    )


def pyfunc_case(folder: Path) -> Case:
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import infer_signature

    class Doubles(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model_input["a"] * 2

    frame = pd.DataFrame({"a": ROWS[:, 0]})
    mlflow.pyfunc.save_model(
        folder / "m", python_model=Doubles(), signature=infer_signature(frame, ROWS[:, 0]), pip_requirements=[]
    )
    return Case(Artifact(str(folder / "m"), {"trustPickle": True}), {"a": ROWS[:, 0]}, {"predict": ROWS[:, 0] * 2})


class V2Server(BaseHTTPRequestHandler):
    """A small Open Inference v2 server over a runtime: our codec, real HTTP."""

    protocol_version = "HTTP/1.1"
    runtime: Runtime
    extensions: list[str]

    def do_GET(self) -> None:
        signature = self.runtime.signature
        tensors = [
            [{"name": s.name, "datatype": s.datatype, "shape": s.shape} for s in side]
            for side in (signature.inputs, signature.outputs)
        ]
        about = {"name": "small", "extensions": self.extensions}
        self.answer(
            about
            if self.path == "/v2"
            else {"name": "m", "platform": "small", "inputs": tensors[0], "outputs": tensors[1]}
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        length = self.headers.get("Inference-Header-Content-Length")
        assert (length is not None) == bool(self.extensions)
        request = V2().decode(body, self.runtime.signature, json_length=int(length or 0), flags=2 if length else 0)
        encoded = V2().encode(self.runtime.predict(request.inputs, request.wanted), request, self.runtime.signature)
        self.answer(b'{"model_name":"m","outputs":' + encoded.json + b"}", encoded.raw)

    def answer(self, value: Any, raw: bytes = b"") -> None:
        head = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(200)
        if raw:
            self.send_header("Inference-Header-Content-Length", str(len(head)))
        self.send_header("Content-Length", str(len(head) + len(raw)))
        self.end_headers()
        self.wfile.write(head + raw)

    def log_message(self, *_: Any) -> None:
        pass


def serve(runtime: Runtime, extensions: list[str]) -> tuple[str, Callable[[], None]]:
    handler = type("Handler", (V2Server,), {"runtime": runtime, "extensions": extensions})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return f"http://127.0.0.1:{server.server_port}", stop


def remote_case(folder: Path, extensions: list[str], request: Any) -> Case:
    local = table_case(folder)
    runtime = create(local.name, local.artifact)
    runtime.load()
    url, stop = serve(runtime, extensions)
    request.addfinalizer(stop)
    return Case(Artifact(url, {"model": "m"}), local.inputs, local.expected)


def mlflow_server_case(folder: Path, request: Any) -> Case:
    """MLflow's own scoring application, served for real."""
    import mlflow.pyfunc
    import pandas as pd
    import uvicorn
    from mlflow.pyfunc.scoring_server import init

    inner = mlflow_case(folder)
    app = init(mlflow.pyfunc.load_model(str(folder / "m")))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]

    def stop() -> None:
        server.should_exit = True
        thread.join(10)

    request.addfinalizer(stop)
    pd.DataFrame(inner.inputs).to_csv(folder / "rows.csv", index=False)
    return Case(
        Artifact(f"http://127.0.0.1:{port}", {"protocol": "mlflow"}, reference=folder / "rows.csv"),
        inner.inputs,
        {"predict": inner.expected["predict"]},
        name="remote",
    )


def plugin_case(folder: Path) -> Case:
    """A third party's package, installed with its metadata, found by its entry point."""
    (folder / "third_party_runtime.py").write_text(
        "import numpy as np\n"
        "from tidegate.types.inference import Signature, TensorSpec\n"
        "from tidegate.runtimes.artifacts import wanted\n"
        "class Power:\n"
        "    platform = 'power'\n"
        "    def __init__(self, artifact): self.path = artifact.path\n"
        "    def load(self):\n"
        "        self.power = float(open(self.path).read())\n"
        "        self.signature = Signature([TensorSpec('x', 'FP64', [-1])], [TensorSpec('y', 'FP64', [-1])])\n"
        "    def predict(self, inputs, outputs=None):\n"
        "        return {name: inputs['x'] ** self.power for name in wanted(outputs, self.signature)}\n"
        "    def unload(self): pass\n"
    )
    about = folder / "third_party-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[tidegate.runtimes]\npower = third_party_runtime:Power\n")
    (folder / "three.power").write_text("3")
    sys.path.insert(0, str(folder))
    return Case(Artifact(str(folder / "three.power")), {"x": ROWS[:, 0]}, {"y": ROWS[:, 0] ** 3.0}, name="power")


CASES: dict[str, Callable[..., Case]] = {
    "sklearn-skops": skops_case,
    "sklearn-joblib": joblib_case,
    "sklearn-table": table_case,
    "onnx": onnx_case,
    "onnx-zipmap": zipmap_case,
    "xgboost": xgboost_case,
    "xgboost-categories": xgboost_categories_case,
    "lightgbm": lightgbm_case,
    "lightgbm-categories": lightgbm_categories_case,
    "python": python_case,
    "mlflow-sklearn": mlflow_case,
    "mlflow-pyfunc": pyfunc_case,
    "plugin": plugin_case,
}


@pytest.fixture(scope="module", params=[*CASES, "remote-json", "remote-binary", "remote-mlflow"])
def case(request: Any, tmp_path_factory: Any) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp("case")
    before = list(sys.path)
    if request.param == "remote-mlflow":
        yield mlflow_server_case(folder, request)
    elif request.param.startswith("remote"):
        yield remote_case(folder, ["binary_tensor_data"] if request.param == "remote-binary" else [], request)
    else:
        yield CASES[request.param](folder)
    sys.path[:] = before


@pytest.fixture(scope="module")
def loaded(case: Case) -> Iterator[Runtime]:
    runtime = create(case.name, case.artifact)
    runtime.load()
    yield runtime
    runtime.unload()


def equal(got: Array, expected: Array, tolerance: float) -> None:
    assert got.shape == expected.shape
    if got.dtype == object:
        assert got.tolist() == expected.tolist()
    else:
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def some(case: Case, rows: slice) -> dict[str, Array]:
    return {name: array[rows] for name, array in case.inputs.items()}


def test_signature_says_what_the_rows_are(loaded: Runtime, case: Case) -> None:
    signature = loaded.signature
    assert loaded.platform
    assert signature.batched
    assert [spec.name for spec in signature.inputs] == list(case.inputs)
    assert [spec.name for spec in signature.outputs] == list(case.expected)
    for spec in [*signature.inputs, *signature.outputs]:
        assert spec.datatype in DATA_TYPES and spec.shape[0] == -1
    for spec, array in zip(signature.inputs, case.inputs.values(), strict=True):
        assert spec.datatype == datatype_of(array)
        assert list(array.shape[1:]) == spec.shape[1:]


def test_all_rows_as_the_framework_itself(loaded: Runtime, case: Case) -> None:
    got = loaded.predict(conform(case.inputs, loaded.signature))
    for spec in loaded.signature.outputs:
        assert datatype_of(got[spec.name]) == spec.datatype
        assert all(want in (-1, have) for want, have in zip(spec.shape, got[spec.name].shape, strict=True))
        equal(got[spec.name], case.expected[spec.name], case.tolerance)


def test_one_row_as_the_framework_itself(loaded: Runtime, case: Case) -> None:
    got = loaded.predict(conform(some(case, slice(5, 6)), loaded.signature))
    for name, expected in case.expected.items():
        equal(got[name], expected[5:6], max(case.tolerance, 1e-12))


def test_rows_do_not_depend_on_how_the_batch_is_cut(loaded: Runtime, case: Case) -> None:
    parts = [
        loaded.predict(conform(some(case, part), loaded.signature)) for part in (slice(0, 1), slice(1, 9), slice(9, 17))
    ]
    for name, expected in case.expected.items():
        equal(np.concatenate([part[name] for part in parts]), expected, max(case.tolerance, 1e-12))


def test_each_output_alone(loaded: Runtime, case: Case) -> None:
    for name, expected in case.expected.items():
        got = loaded.predict(conform(case.inputs, loaded.signature), [name])
        equal(got[name], expected, case.tolerance)


def test_unknown_output_is_refused_and_the_known_ones_named(loaded: Runtime, case: Case) -> None:
    with pytest.raises(InvalidRequest, match=f"'nonsense'.*{next(iter(case.expected))}"):
        loaded.predict(conform(case.inputs, loaded.signature), ["nonsense"])


def test_inputs_are_left_as_they_were(loaded: Runtime, case: Case) -> None:
    inputs = conform(some(case, slice(0, 3)), loaded.signature)
    before = {name: array.copy() for name, array in inputs.items()}
    for array in inputs.values():
        array.flags.writeable = False  # as arrays decoded from a frame are
    loaded.predict(inputs)
    for name, array in inputs.items():
        np.testing.assert_array_equal(array, before[name])


def test_made_up_rows_are_taken(loaded: Runtime, case: Case) -> None:
    inputs = sample_inputs(loaded.signature, case.artifact.reference)
    assert list(conform(inputs, loaded.signature)) == list(case.inputs)
    assert all(len(array) == 1 for array in loaded.predict(inputs).values())


def test_loads_twice_and_unloads(case: Case) -> None:
    for _ in range(2):
        runtime = create(case.name, case.artifact)
        runtime.load()
        assert runtime.predict(conform(some(case, slice(0, 2)), runtime.signature))
        runtime.unload()
