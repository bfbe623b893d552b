"""XGBoost's own files (.ubj, .json, .xgb).

    binary:*, multi:*   predict INT64 (or the names in options.classes) and predict_proba FP64 [-1, K]
    everything else     predict FP64

The file doesn't hold a classifier's labels: they are 0..K-1, or what `options: {classes: [...]}` says, which are then
returned as text.
Categories of a model trained on a DataFrame are given as such; a file without them (XGBoost before 3.1) takes their
codes, INT64.
Options: classes, target.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tidegate.errors import LoadError
from tidegate.runtimes.artifacts import check_options, framework, local_path, reading, text_list, wanted
from tidegate.runtimes.base import Artifact
from tidegate.runtimes.features import category_type, derive, encode_categories
from tidegate.runtimes.reference import Reference, read_reference
from tidegate.types.inference import DataType, Signature, TensorSpec
from tidegate.wire.tensors import Array

_PROBABILITIES = {"binary:logistic", "multi:softprob", "multi:softmax"}
_CLASSES = {*_PROBABILITIES, "binary:hinge", "binary:logitraw"}


class XgboostRuntime:
    """One booster."""

    platform = "xgboost"
    signature: Signature

    def __init__(self, artifact: Artifact, reference: Reference | None = None) -> None:
        self._artifact = artifact
        self._reference = reference

    def load(self) -> None:
        """Errors: LoadError."""
        path, options = local_path(self._artifact), self._artifact.options
        check_options(self._artifact, ["classes", "target"])
        xgb = framework("xgboost", "xgboost")
        self._matrix_type = xgb.DMatrix
        booster = xgb.Booster()
        with reading(path, "an XGBoost model"):
            _whole(path)
            booster.load_model(str(path))
            booster.set_param({"nthread": self._artifact.threads, "device": "cpu"})
            learner = json.loads(booster.save_raw("json"))["learner"]
        self._booster = booster
        self._objective = str(learner["objective"]["name"])
        self._inplace = learner["gradient_booster"]["name"] != "gblinear"
        self._rounds = _rounds(booster) if self._inplace else (0, 0)
        names, kinds = booster.feature_names, booster.feature_types
        self._codes, types = _categories(learner, names, kinds)
        reference = self._reference
        if reference is None and self._artifact.reference is not None:
            reference = read_reference(self._artifact.reference)
        self._features = derive(
            names, booster.num_features(), reference, types=types, target=text_list(options, "target")
        )
        self.signature = Signature(
            inputs=self._features.specs,
            outputs=self._outputs(learner),
            kind=self._features.kind,
            classes=self._labels if self._objective in _CLASSES and self._targets == 1 else [],
        )

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """The model runs once whatever is asked. Errors: InvalidRequest."""
        names = wanted(outputs, self.signature)
        matrix = (
            encode_categories(self._features.specs, self._codes, inputs)
            if self._codes
            else self._features.matrix(inputs)
        )
        margin = self._objective in {"multi:softmax", "binary:logitraw"}
        raw = self._run(matrix, margin).astype(np.float64)
        if self._targets > 1 or self._objective not in _CLASSES:
            return dict.fromkeys(names, raw)
        out: dict[str, Array] = {}
        proba = self._probabilities(raw)
        for name in names:
            out[name] = proba if name == "predict_proba" else self._label_array[self._index(raw, proba)]
        return out

    def unload(self) -> None:
        del self._booster

    def _outputs(self, learner: dict[str, Any]) -> list[TensorSpec]:
        shape = learner["learner_model_param"]
        self._targets = int(shape.get("num_target", 1))
        if self._objective not in _CLASSES or self._targets > 1:
            return [TensorSpec("predict", "FP64", [-1, self._targets] if self._targets > 1 else [-1])]
        count = max(int(shape.get("num_class", 0)), 2)
        given = text_list(self._artifact.options, "classes")
        if given and len(given) != count:
            raise LoadError(f"options.classes names {len(given)} classes, but {self._artifact.path} has {count}")
        self._labels = given or [str(at) for at in range(count)]
        self._label_array: Array = np.array(given, object) if given else np.arange(count)
        predict = TensorSpec("predict", "BYTES" if given else "INT64", [-1])
        return (
            [predict, TensorSpec("predict_proba", "FP64", [-1, count])]
            if self._objective != "binary:hinge"
            else [predict]
        )

    def _run(self, matrix: Array, margin: bool) -> Array:
        if self._inplace:
            out: Array = self._booster.inplace_predict(
                matrix,
                iteration_range=self._rounds,
                predict_type="margin" if margin else "value",
                validate_features=False,
            )
            return out
        data = self._matrix_type(
            matrix, feature_names=self._booster.feature_names, feature_types=self._booster.feature_types
        )
        raw: Array = self._booster.predict(data, output_margin=margin)
        return raw

    def _probabilities(self, raw: Array) -> Array:
        if self._objective == "multi:softmax":
            shifted = np.exp(raw - raw.max(axis=1, keepdims=True))
            return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
        if self._objective == "multi:softprob":
            return raw
        positive = 1 / (1 + np.exp(-raw)) if self._objective == "binary:logitraw" else raw
        return np.column_stack([1 - positive, positive])

    def _index(self, raw: Array, proba: Array) -> Array:
        if raw.ndim == 2:
            best: Array = raw.argmax(axis=1)
            return best
        return (raw > (0.0 if self._objective == "binary:logitraw" else 0.5)).astype(np.intp)


def _whole(path: Path) -> None:
    """The library reads for ever, or takes all memory, on binary files that were cut short. Both formats end as they
    began: with a brace. Errors: ValueError."""
    with path.open("rb") as file:
        first = file.read(1)
        file.seek(0, 2)
        file.seek(max(file.tell() - 64, 0))
        last = file.read().rstrip()[-1:]
    if first != b"{":
        raise ValueError("it begins as neither JSON nor UBJSON; save it again with save_model('model.ubj')")
    if last != b"}":
        raise ValueError("it was cut short")


def _rounds(booster: Any) -> tuple[int, int]:
    """As scikit-learn's wrapper does: a model stopped early answers with its best iteration."""
    best = booster.attr("best_iteration")
    return (0, int(best) + 1) if best is not None else (0, 0)


def _categories(
    learner: dict[str, Any], names: list[str] | None, kinds: list[str] | None
) -> tuple[dict[str, dict[Any, int]], dict[str, DataType]]:
    """Codes of each categorical column, and the types that the model is sure of."""
    types: dict[str, DataType] = {}
    codes: dict[str, dict[Any, int]] = {}
    if names is None or kinds is None:
        return codes, types
    stored = learner["gradient_booster"].get("model", {}).get("cats", {}).get("enc", [])
    for at, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        if kind != "c":
            continue
        values = _values(stored[at]) if at < len(stored) else []
        if values:
            codes[name] = {value: code for code, value in enumerate(values)}
            types[name] = category_type(values)
        else:
            types[name] = "INT64"
    return codes, types


def _values(encoded: dict[str, Any]) -> list[Any]:
    """One column's categories: numbers as they are, text as offsets into bytes."""
    if "offsets" not in encoded:
        return list(encoded["values"])
    data = bytes(value & 0xFF for value in encoded["values"])
    offsets = encoded["offsets"]
    return [data[start:end].decode() for start, end in pairwise(offsets)]
