"""What can't be loaded says why, and what to do: each message is read as a user would read it."""

from __future__ import annotations

import builtins
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidegate.errors import ConfigError, LoadError, ModelError, UntrustedArtifact
from tidegate.runtimes.base import Artifact, Runtime
from tidegate.runtimes.resolve import create

X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)


def load(path: object, name: str = "auto", reference: Path | None = None, **options: Any) -> Runtime:
    runtime = create(name, Artifact(str(path), options, reference))
    runtime.load()
    return runtime


def logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(X, Y)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A whole model file of each kind."""
    import joblib
    import lightgbm
    import skops.io
    import xgboost
    from skl2onnx import to_onnx

    made = {suffix: tmp_path / f"m{suffix}" for suffix in (".skops", ".joblib", ".onnx", ".json", ".ubj", ".txt")}
    skops.io.dump(logistic(), made[".skops"])
    joblib.dump(logistic(), made[".joblib"])
    made[".onnx"].write_bytes(to_onnx(logistic(), X[:1].astype(np.float32)).SerializeToString())
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(X, Y), 3)
    booster.save_model(made[".json"])
    booster.save_model(made[".ubj"])
    lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(X, Y), 3).save_model(made[".txt"])
    return made


@pytest.mark.parametrize("suffix", [".skops", ".joblib", ".onnx", ".json", ".ubj", ".txt"])
def test_a_file_that_was_cut_short_is_refused_by_name(files: dict[str, Path], suffix: str) -> None:
    whole = files[suffix].read_bytes()
    load(files[suffix], trustPickle=True).unload()
    for share in (0.02, 0.3, 0.6):
        files[suffix].write_bytes(whole[: max(int(len(whole) * share), 1)])
        with pytest.raises((LoadError, ConfigError), match=f"m\\{suffix}"):
            load(files[suffix], trustPickle=True)


@pytest.mark.parametrize("name", ["gone.onnx", "gone.skops", "gone.txt", "gone.json", "gone.ubj", "gone", "gone.bin"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(LoadError, match=f"there is no .*{name}"):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["onnx", "sklearn", "xgboost", "lightgbm"])
def test_a_file_of_another_format_is_refused(tmp_path: Path, name: str) -> None:
    wrong = tmp_path / "photo.skops"
    wrong.write_bytes(b"\x89PNG\r\n" * 100)
    with pytest.raises(LoadError, match="photo"):
        load(wrong, name)


def test_an_unknown_kind_names_the_runtimes(tmp_path: Path) -> None:
    (tmp_path / "m.h5").write_text("x")
    with pytest.raises(ConfigError, match="Set `runtime` to one of: onnx, sklearn, xgboost"):
        load(tmp_path / "m.h5")
    (tmp_path / "any.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(ConfigError, match="no XGBoost model"):
        load(tmp_path / "any.json")
    with pytest.raises(ConfigError, match="without an MLmodel"):
        load(tmp_path)
    with pytest.raises(ConfigError, match='Did you mean "sklearn"'):
        load(tmp_path, "sklern")
    with pytest.raises(ConfigError, match="REST address"):
        load("grpc://127.0.0.1:1")


def test_a_pickle_runs_nothing_until_it_is_trusted(tmp_path: Path) -> None:
    mark = tmp_path / "ran"

    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (mark,))

    for suffix in (".pkl", ".pickle", ".joblib", ".model"):
        path = tmp_path / f"m{suffix}"
        path.write_bytes(pickle.dumps(Bomb()))
        for trust in (False, "yes", 1):
            with pytest.raises(UntrustedArtifact, match=r"(?s)runs whatever code.*trustPickle: true"):
                load(path, "sklearn", trustPickle=trust)
    assert not mark.exists()
    with pytest.raises(LoadError):
        load(tmp_path / "m.pkl", trustPickle=True)
    assert mark.exists()


def test_skops_lists_the_types_to_trust(tmp_path: Path) -> None:
    import skops.io
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(max_iter=3).fit(X, Y)
    skops.io.dump(model, tmp_path / "m.skops")
    with pytest.raises(UntrustedArtifact) as refused:
        load(tmp_path / "m.skops")
    text = str(refused.value)
    lines = text.partition("trustTypes:\n")[2].splitlines()
    types = [line.strip().removeprefix("- ") for line in lines]
    assert types and all("." in name for name in types)
    with pytest.raises(UntrustedArtifact, match=types[-1].replace(".", r"\.")):
        load(tmp_path / "m.skops", trustTypes=types[:-1])
    runtime = load(tmp_path / "m.skops", trustTypes=types)
    np.testing.assert_array_equal(runtime.predict({"input": X})["predict"], model.predict(X))


@pytest.mark.parametrize(
    ("suffix", "module", "extra"),
    [
        (".skops", "sklearn", "sklearn"),
        (".onnx", "onnxruntime", "onnx"),
        (".json", "xgboost", "xgboost"),
        (".txt", "lightgbm", "lightgbm"),
    ],
)
def test_a_missing_framework_says_which_extra(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, suffix: str, module: str, extra: str
) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {module!r}")
        return real(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.setitem(
            sys.modules, name, None
        )  # what Python itself puts there for a module that must not be found
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(LoadError, match=rf"pip install 'tidegate\[{extra}\]'"):
        load(files[suffix])


def test_unknown_options_are_refused(files: dict[str, Path]) -> None:
    with pytest.raises(LoadError, match=r"unknown option 'output'.*Did you mean .outputs"):
        load(files[".skops"], output=["predict"])


def test_an_mlflow_folder_of_pickles_needs_trust(tmp_path: Path) -> None:
    import mlflow.sklearn

    mlflow.sklearn.save_model(logistic(), tmp_path / "m", serialization_format="cloudpickle", pip_requirements=[])
    with pytest.raises(UntrustedArtifact, match="trustPickle: true"):
        load(tmp_path / "m")
    assert load(tmp_path / "m", trustPickle=True).platform == "mlflow_sklearn"


def test_an_mlmodel_can_not_point_out_of_its_folder(tmp_path: Path, files: dict[str, Path]) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors:\n  onnx:\n    data: ../m.onnx\n")
    with pytest.raises(LoadError, match="isn't in the folder"):
        load(folder)


def test_a_reference_that_does_not_fit_says_so(tmp_path: Path, files: dict[str, Path]) -> None:
    import polars as pl

    pl.DataFrame({"a": [1.0], "b": [2.0], "c": [3.0], "y": [1]}).write_parquet(tmp_path / "r.parquet")
    with pytest.raises(LoadError, match=r"has 4 columns, but the model takes 3.*target"):
        load(files[".skops"], reference=tmp_path / "r.parquet")
    runtime = load(files[".skops"], reference=tmp_path / "r.parquet", target="y")
    assert [spec.name for spec in runtime.signature.inputs] == ["a", "b", "c"]
    with pytest.raises(LoadError, match="no column 'z'"):
        load(files[".skops"], reference=tmp_path / "r.parquet", target="z")
    with pytest.raises(LoadError, match="there is no reference file"):
        load(files[".skops"], reference=tmp_path / "gone.parquet")


def test_python_objects_that_can_not_be_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "refused_models.py").write_text(
        "import numpy as np\nfrom numpy.typing import NDArray\n"
        "async def later(x: NDArray[np.float64]): ...\n"
        "def untyped(x): return x\n"
        "def nothing(): ...\n"
        "def scalar(x: float, y: float) -> float: return x\n"
        "class NoPredict: ...\n"
        "class Fails:\n    def __init__(self): raise RuntimeError('no weights')\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, message in {
        "later": "is async",
        "untyped": "can't be told",
        "nothing": "takes no arguments",
        "scalar": "Annotate it as an array",
        "NoPredict": "without predict",
        "Fails": "no weights",
        "number": "without predict",
        "missing": "has no 'missing'",
    }.items():
        with pytest.raises(LoadError, match=message):
            load(f"refused_models:{name}")
    with pytest.raises(ModelError, match="pythonPath"):
        load("no_such_module_here:Model")
