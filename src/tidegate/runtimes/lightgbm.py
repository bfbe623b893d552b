"""LightGBM's own text files.

    binary, multiclass, multiclassova   predict INT64 (or the names in options.classes) and predict_proba FP64 [-1, K]
    everything else                     predict FP64

The file doesn't hold a classifier's labels: they are 0..K-1, or what `options: {classes: [...]}` says, which are then
returned as text.
Categories of a model trained on a DataFrame are in the file: callers send them as they were. Options: classes, target.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tidegate.errors import LoadError
from tidegate.runtimes.artifacts import check_options, framework, local_path, reading, text_list, wanted
from tidegate.runtimes.base import Artifact
from tidegate.runtimes.features import category_type, derive, encode_categories
from tidegate.runtimes.reference import Reference, read_reference
from tidegate.types.inference import DataType, Signature, TensorSpec
from tidegate.wire.tensors import Array

_CLASSIFIERS = {"binary", "multiclass", "multiclassova"}


class LightgbmRuntime:
    """One booster."""

    platform = "lightgbm"
    signature: Signature

    def __init__(self, artifact: Artifact, reference: Reference | None = None) -> None:
        self._artifact = artifact
        self._reference = reference

    def load(self) -> None:
        """Errors: LoadError."""
        path, options = local_path(self._artifact), self._artifact.options
        check_options(self._artifact, ["classes", "target"])
        lgb = framework("lightgbm", "lightgbm")
        with reading(path, "a LightGBM text model"):
            text = path.read_text()
            if not text.startswith("tree"):
                raise ValueError('it doesn\'t begin with "tree"')
            # The library reads past the end of files that were cut short, and takes the process with it.
            for last in ("\nend of trees", "\nend of parameters"):
                if last not in text:
                    raise ValueError(f"it was cut short: it has no line {last.strip()!r}")
            self._booster: Any = lgb.Booster(model_str=text)
        objective = re.search(r"^objective=(\S+)", text, re.MULTILINE)
        self._objective = objective.group(1) if objective else ""
        names = self._booster.feature_name()
        if all(re.fullmatch(r"Column_\d+", name) for name in names):
            names = None
        self._codes, types = self._categories(names, text)
        reference = self._reference
        if reference is None and self._artifact.reference is not None:
            reference = read_reference(self._artifact.reference)
        self._features = derive(
            names, self._booster.num_feature(), reference, types=types, target=text_list(options, "target")
        )
        self._threads = self._artifact.threads
        outputs = self._outputs()
        self.signature = Signature(
            inputs=self._features.specs,
            outputs=outputs,
            kind=self._features.kind,
            classes=self._labels if self._objective in _CLASSIFIERS else [],
        )

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """The model runs once whatever is asked. Errors: InvalidRequest."""
        names = wanted(outputs, self.signature)
        matrix = (
            encode_categories(self._features.specs, self._codes, inputs)
            if self._codes
            else self._features.matrix(inputs)
        )
        raw: Array = self._booster.predict(matrix, num_threads=self._threads)
        if self._objective not in _CLASSIFIERS:
            return dict.fromkeys(names, raw)
        out: dict[str, Array] = {}
        proba = np.column_stack([1.0 - raw, raw]) if raw.ndim == 1 else raw
        for name in names:
            out[name] = proba if name == "predict_proba" else self._label_array[proba.argmax(axis=1)]
        return out

    def unload(self) -> None:
        self._booster.free_dataset()
        del self._booster

    def _outputs(self) -> list[TensorSpec]:
        width = self._booster.num_model_per_iteration()
        if self._objective not in _CLASSIFIERS:
            return [TensorSpec("predict", "FP64", [-1, width] if width > 1 else [-1])]
        count = max(width, 2)
        given = text_list(self._artifact.options, "classes")
        if given and len(given) != count:
            raise LoadError(f"options.classes names {len(given)} classes, but {self._artifact.path} has {count}")
        self._labels = given or [str(at) for at in range(count)]
        self._label_array: Array = np.array(given, object) if given else np.arange(count)
        return [
            TensorSpec("predict", "BYTES" if given else "INT64", [-1]),
            TensorSpec("predict_proba", "FP64", [-1, count]),
        ]

    def _categories(self, names: list[str] | None, text: str) -> tuple[dict[str, dict[Any, int]], dict[str, DataType]]:
        """Codes of the columns that were categories in the training DataFrame, and their types."""
        stored = self._booster.pandas_categorical or []
        if not stored or names is None:
            return {}, {}
        found = re.search(r"^\[categorical_feature: ([\d,]*)\]", text, re.MULTILINE)
        columns = [int(at) for at in found.group(1).split(",") if at] if found else []
        if len(columns) != len(stored):
            raise LoadError(
                f"{self._artifact.path} has categories for {len(stored)} columns but says of {len(columns)} that they "
                "are categorical: "
                "save it again with Booster.save_model"
            )
        codes = {
            names[at]: {value: code for code, value in enumerate(values)}
            for at, values in zip(columns, stored, strict=True)
        }
        return codes, {names[at]: category_type(values) for at, values in zip(columns, stored, strict=True)}
