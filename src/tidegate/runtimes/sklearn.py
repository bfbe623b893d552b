"""scikit-learn estimators and pipelines, from .skops, .joblib, .pkl or .pickle files, and what has their interface.

    file --trusted_files--> estimator --features--> matrix or DataFrame --linear | estimators--> predict, ...

Options: outputs (methods to serve), classes (names of the classes), target (columns of the reference that are no
input).
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tidegate.errors import LoadError
from tidegate.runtimes.artifacts import check_options, framework, local_path, text_list, wanted
from tidegate.runtimes.base import Artifact
from tidegate.runtimes.estimators import Calls, choose_methods, forget_names, needs_frame, quieten
from tidegate.runtimes.features import as_output, derive, spec_of
from tidegate.runtimes.linear import compile_linear
from tidegate.runtimes.reference import Reference, read_reference
from tidegate.runtimes.trusted_files import open_estimator
from tidegate.runtimes.warmup import sample_inputs
from tidegate.types.inference import Signature, TensorSpec
from tidegate.wire.tensors import Array, datatype_of


class SklearnRuntime:
    """`reference` may be given instead of a file's path, by a runtime that wraps this one."""

    platform = "sklearn"
    signature: Signature

    def __init__(self, artifact: Artifact, reference: Reference | None = None) -> None:
        self._artifact = artifact
        self._reference = reference

    def load(self) -> None:
        """Errors: LoadError, UntrustedArtifact."""
        path, options = local_path(self._artifact), self._artifact.options
        check_options(self._artifact, ["outputs", "classes", "target"])
        with _unseen("pandas"):
            framework("sklearn", "sklearn")
        limits = framework("threadpoolctl", "sklearn").threadpool_limits

        estimator = open_estimator(path, options)
        if isinstance(estimator, dict):
            raise LoadError(
                f"{path} holds a dict with the keys {', '.join(map(str, estimator))}: save the fitted estimator itself"
            )
        self._limits = limits(limits=self._artifact.threads)
        quieten(estimator, self._artifact.threads)
        methods = choose_methods(estimator, text_list(options, "outputs"), path)
        reference = self._reference
        if reference is None and self._artifact.reference is not None:
            reference = read_reference(self._artifact.reference)
        names = getattr(estimator, "feature_names_in_", None)
        features = derive(
            None if names is None else [str(name) for name in names],
            _width(estimator),
            reference,
            target=text_list(options, "target"),
        )
        use_frame = names is not None and (not features.numeric or needs_frame(estimator))
        if names is not None and not use_frame:
            forget_names(estimator)
        if features.names is not None and not features.numeric:
            use_frame = True
        self._features = features
        self._prepare = features.frame if use_frame else features.matrix
        self._calls = Calls(estimator, methods)
        width = features.specs[0].shape[1] if features.names is None else len(features.specs)
        self._linear = None
        if not use_frame and width > 0 and set(methods) <= {"predict", "predict_proba"}:
            self._linear = compile_linear(estimator, width)
        self.signature = Signature(
            inputs=features.specs,
            outputs=self._outputs(estimator, methods, reference),
            kind=features.kind,
            classes=text_list(options, "classes") or _classes(estimator),
        )
        self._method_of = {spec.name: _method(spec.name, methods) for spec in self.signature.outputs}

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """Classifier: predict, predict_proba FP64 [-1, K]; see estimators.py for the others. Errors: InvalidRequest,
        the estimator's."""
        names = wanted(outputs, self.signature)
        data = self._prepare(inputs)
        methods = list(dict.fromkeys(self._method_of[name] for name in names))
        results = self._linear(data, methods) if self._linear is not None else None
        if results is None:
            results = self._calls(data, methods)
        return {name: as_output(results[name]) if results[name].dtype.kind == "U" else results[name] for name in names}

    def unload(self) -> None:
        self._limits.restore_original_limits()
        del self._calls, self._linear
        gc.collect()

    def _outputs(self, estimator: Any, methods: list[str], reference: Reference | None) -> list[TensorSpec]:
        """By trying one row; where the estimator refuses that row, by what its kind says."""
        features = self._features
        draft = Signature(inputs=features.specs, outputs=[], kind=features.kind)
        try:
            with np.errstate(all="ignore"):
                results = self._calls(self._prepare(sample_inputs(draft, reference)), methods)
            ordered = sorted(results, key=lambda name: methods.index(_method(name, methods)))
            return [spec_of(name, results[name]) for name in ordered]
        except Exception:  # made-up rows may be refused, such as an unknown category; real ones will not be
            return _by_kind(estimator, methods)


@contextmanager
def _unseen(name: str) -> Iterator[None]:
    """Hide a package that scikit-learn imports only because it is there: pandas costs a matrix model 65 MB and a second.

    Where a DataFrame is needed it is imported then, as ever.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


def _method(output: str, methods: list[str]) -> str:
    """`predict_proba_1` is the second result of predict_proba."""
    return output if output in methods else output.rpartition("_")[0]


def _by_kind(estimator: Any, methods: list[str]) -> list[TensorSpec]:
    classes = getattr(estimator, "classes_", None)
    specs = []
    for method in methods:
        if method == "predict" and isinstance(classes, np.ndarray):
            specs.append(TensorSpec(method, datatype_of(classes), [-1]))
        elif method == "predict_proba" and isinstance(classes, np.ndarray):
            specs.append(TensorSpec(method, "FP64", [-1, len(classes)]))
        elif method == "predict_proba" and isinstance(classes, list):
            specs.extend(TensorSpec(f"{method}_{at}", "FP64", [-1, len(part)]) for at, part in enumerate(classes))
        else:
            specs.append(TensorSpec(method, "FP64", [-1, -1] if method in {"transform", "predict_proba"} else [-1]))
    return specs


def _classes(estimator: Any) -> list[str]:
    classes = getattr(estimator, "classes_", None)
    return [str(item) for item in classes.tolist()] if isinstance(classes, np.ndarray) and classes.ndim == 1 else []


def _width(estimator: Any) -> int | None:
    width = getattr(estimator, "n_features_in_", None)
    return None if width is None else int(width)
