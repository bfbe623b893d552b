"""A runtime's name, or `auto` and a file -> the runtime.

    create("auto", Artifact("model.onnx")) --detect--> "onnx" --plugins.resolve--> OnnxRuntime(artifact)

Third parties add one by an entry point of the group `tidegate.runtimes`.
"""

from __future__ import annotations

import re
from pathlib import Path

from tidegate.errors import ConfigError, LoadError
from tidegate.plugins import resolve
from tidegate.runtimes.base import Artifact, Runtime

GROUP = "tidegate.runtimes"
BUILTIN = {
    "onnx": "tidegate.runtimes.onnx:OnnxRuntime",
    "sklearn": "tidegate.runtimes.sklearn:SklearnRuntime",
    "xgboost": "tidegate.runtimes.xgboost:XgboostRuntime",
    "lightgbm": "tidegate.runtimes.lightgbm:LightgbmRuntime",
    "python": "tidegate.runtimes.python:PythonRuntime",
    "mlflow": "tidegate.runtimes.mlflow:MlflowRuntime",
    "remote": "tidegate.runtimes.remote:RemoteRuntime",
}
_SUFFIXES = {
    ".onnx": "onnx", ".skops": "sklearn", ".joblib": "sklearn", ".pkl": "sklearn", ".pickle": "sklearn",
    ".ubj": "xgboost", ".xgb": "xgboost", ".lgb": "lightgbm",
}  # fmt: skip
_OBJECT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def create(name: str, artifact: Artifact) -> Runtime:
    """The runtime of that name for this artifact, not yet loaded.

    Errors: ConfigError for an unknown name, or when `auto` can't tell (it names the runtimes); LoadError when the file
    is missing.
    """
    runtime: Runtime = resolve(GROUP, detect(artifact.path) if name == "auto" else name, BUILTIN)(artifact)
    return runtime


def detect(path: str) -> str:
    """The name of the runtime that loads `path`. Looks into .json and .txt files and folders; the rest goes by
    suffix."""
    if re.match(r"https?://", path):
        return "remote"
    if re.match(r"[a-z][a-z0-9+]*://", path):
        raise ConfigError(
            f"path {path!r}: only http:// and https:// servers can be reached; give the server's REST address"
        )
    file = Path(path)
    if _OBJECT.fullmatch(path) and not file.exists():
        return "python"
    suffix = file.suffix.lower()
    if suffix in _SUFFIXES and not file.is_dir():
        return _SUFFIXES[suffix]
    if not file.exists():
        raise LoadError(f"there is no {path}; check `path` of this version")
    if file.is_dir():
        if (file / "MLmodel").is_file():
            return "mlflow"
        raise _unknown(path, "a folder without an MLmodel file")
    with file.open("rb") as opened:
        head = opened.read(65536)
    if suffix == ".json":
        if b'"learner"' in head:
            return "xgboost"
        raise _unknown(path, 'JSON, but no XGBoost model (it has no "learner")')
    if suffix == ".txt":
        if head.startswith(b"tree") and b"version=" in head:
            return "lightgbm"
        raise _unknown(path, 'text, but no LightGBM model (it doesn\'t begin with "tree")')
    if suffix == ".py":
        raise ConfigError(f"path {path!r}: name the object in it as `{file.stem}:NAME`, with its folder in pythonPath")
    raise _unknown(path, f"of a kind that isn't known by its name ({suffix or 'no suffix'})")


def _unknown(path: str, why: str) -> ConfigError:
    return ConfigError(f"path {path!r} is {why}. Set `runtime` to one of: {', '.join(BUILTIN)}, or a plug-in's name")
