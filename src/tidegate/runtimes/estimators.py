"""Which methods of an estimator are outputs, and how to run it as few times as possible.

    classifier         predict, predict_proba (or decision_function where it has no probabilities)
    regressor          predict
    outlier detector   predict, score_samples
    clusterer          predict
    transformer        transform
    density            score_samples

A classifier whose predict is the class of the largest probability runs once for both outputs. Where the two largest
probabilities are equal to within rounding, its own predict decides: it looks at the scores before they are rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tidegate.errors import LoadError
from tidegate.plugins import nearest
from tidegate.runtimes.features import as_output
from tidegate.wire.tensors import Array

METHODS = ("predict", "predict_proba", "decision_function", "score_samples", "transform")
_ARGMAX = {
    "LogisticRegression", "RandomForestClassifier", "ExtraTreesClassifier", "DecisionTreeClassifier",
    "ExtraTreeClassifier",
    "GradientBoostingClassifier", "HistGradientBoostingClassifier", "CalibratedClassifierCV",
}  # fmt: skip
_TIE = 1e-12


def choose_methods(estimator: Any, asked: Sequence[str], path: object) -> list[str]:
    """The methods to serve: `asked` (options.outputs), or those of its kind. Errors: LoadError."""
    able = [method for method in METHODS if callable(getattr(estimator, method, None))]
    for method in asked:
        if method not in able:
            raise LoadError(
                f"options.outputs: this {_name(estimator)} has no {method}.{nearest(method, able)} It has: "
                f"{', '.join(able)}"
            )
    if asked:
        return list(asked)
    kind = estimator_kind(estimator)
    if kind == "classifier" and "predict" in able:
        scores = [method for method in ("predict_proba", "decision_function") if method in able][:1]
        return ["predict", *scores]
    if kind == "outlier_detector" and "predict" in able:
        return ["predict", *[method for method in ("score_samples",) if method in able]]
    if able:
        return able[:1]
    raise LoadError(
        f"{path} holds a {_name(estimator)}, which has none of {', '.join(METHODS)}: save the fitted estimator itself"
    )


def estimator_kind(estimator: Any) -> str:
    """classifier, regressor, outlier_detector, clusterer, ... or the empty string."""
    try:
        from sklearn.utils import get_tags  # 1.6 and later

        return str(get_tags(estimator).estimator_type or "")
    except Exception:  # older, or not one of scikit-learn's own
        return str(getattr(estimator, "_estimator_type", None) or "")


class Calls:
    """Runs the methods of one estimator. Several outputs of one method (multi-output probabilities) are NAME_0,
    NAME_1, ..."""

    def __init__(self, estimator: Any, methods: Sequence[str]) -> None:
        self._estimator = estimator
        self.methods = list(methods)
        self._single_run = _predicts_largest(estimator)
        classes = getattr(estimator, "classes_", None)
        self._classes = classes if isinstance(classes, np.ndarray) else None

    def __call__(self, data: Any, methods: Sequence[str]) -> dict[str, Array]:
        """Results by method, each once, as arrays with the rows first."""
        out: dict[str, Array] = {}
        if self._single_run and self._classes is not None and "predict" in methods and "predict_proba" in methods:
            proba = self._estimator.predict_proba(data)
            out["predict_proba"] = proba
            out["predict"] = as_output(
                self._estimator.predict(data) if tied(proba) else self._classes[proba.argmax(axis=1)]
            )
        for method in methods:
            if method in out:
                continue
            result = getattr(self._estimator, method)(data)
            if isinstance(result, list):
                out.update({f"{method}_{at}": as_output(part) for at, part in enumerate(result)})
            else:
                out[method] = as_output(result)
        return out


def tied(proba: Array) -> bool:
    """Whether some row's two largest probabilities can't be told apart."""
    if proba.shape[1] == 2:
        gap = np.abs(proba[:, 0] - proba[:, 1])
    elif proba.shape[1] < 2:
        return False
    else:
        top = np.partition(proba, -2, axis=1)
        gap = top[:, -1] - top[:, -2]
    return not bool((gap > _TIE).all())  # a NaN counts as a tie


def _predicts_largest(estimator: Any) -> bool:
    final = estimator
    while True:
        kind = type(final).__name__
        if not type(final).__module__.startswith("sklearn."):
            return False
        if kind == "Pipeline":
            final = final.steps[-1][1]
        elif kind in {"GridSearchCV", "RandomizedSearchCV"}:
            final = final.best_estimator_
        else:
            return kind in _ARGMAX and getattr(final, "n_outputs_", 1) == 1


def quieten(estimator: Any, threads: int) -> None:
    """Let the estimator use `threads` threads and print nothing. A model saved with n_jobs=-1 would start a pool at
    every request."""
    params = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    change: dict[str, Any] = {}
    for key, value in params.items():
        last = key.rpartition("__")[2]
        if last == "n_jobs" and value not in (None, threads):
            change[key] = threads
        elif last == "verbose" and value:
            change[key] = 0
    if change:
        try:
            estimator.set_params(**change)
        except (ValueError, AttributeError):  # an estimator that refuses its own parameters still predicts
            return


def _name(estimator: Any) -> str:
    return type(estimator).__name__


def needs_frame(estimator: Any) -> bool:
    """Whether the estimator, or something in it, may look columns up by name. Unknown classes are assumed to."""
    if not type(estimator).__module__.startswith("sklearn."):
        return True
    kind = _name(estimator)
    if kind == "Pipeline":
        return any(needs_frame(step) for _, step in estimator.steps if step is not None and step != "passthrough")
    if (
        kind in {"ColumnTransformer", "FunctionTransformer", "FeatureUnion"}
        or getattr(estimator, "is_categorical_", None) is not None
    ):
        return True
    inner = estimator.get_params(deep=False).values() if hasattr(estimator, "get_params") else ()
    return any(hasattr(value, "get_params") or (isinstance(value, list) and value) for value in inner)


def forget_names(estimator: Any) -> None:
    """Take the column names out of an estimator that needs none: given a plain matrix it would warn at every call."""
    if _name(estimator) == "Pipeline":
        for _, step in estimator.steps:
            forget_names(step)
    elif hasattr(estimator, "__dict__"):
        vars(estimator).pop("feature_names_in_", None)
