"""Linear models as a few NumPy operations, used only where they prove bit for bit equal to the estimator.

    z = X W + b;  regressor: z;  classifier: z > 0 or argmax z, and expit(z) or softmax(z)

A scikit-learn predict() of one row costs some 150 microseconds, of which the arithmetic is 3: the rest checks the
input again and again. `compile_linear` copies the arithmetic of the plain linear estimators, and of a StandardScaler
before them, runs both on random rows, and gives None unless every bit agrees. Rows that aren't finite go to the
estimator, so that its errors stay its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tidegate.wire.tensors import Array

_CLASSIFIERS = {"LogisticRegression"}
_REGRESSORS = {"LinearRegression", "Ridge", "Lasso", "ElasticNet"}


class Linear:
    """One compiled model: `classes` is None for a regressor; `scale` is a scaler's (mean, scale), each may be None."""

    def __init__(
        self, weights: Array, intercept: Array, classes: Array | None, scale: tuple[Array | None, Array | None]
    ) -> None:
        self._weights = weights
        self._intercept = intercept
        self._classes = classes
        self._mean, self._scale = scale
        self._flat = weights.ndim == 1 or weights.shape[1] == 1
        if classes is not None:
            from scipy.special import expit

            self._expit = expit

    def __call__(self, matrix: Array, methods: list[str]) -> dict[str, Array] | None:
        """Results by method (`predict`, `predict_proba`), or None for rows that the estimator must judge itself."""
        if not np.isfinite(matrix.sum()):
            return None
        if self._mean is not None:
            matrix = matrix - self._mean
        if self._scale is not None:
            matrix = matrix / self._scale
        scores = matrix @ self._weights + self._intercept
        if self._classes is None:
            return {"predict": scores}
        if self._flat:
            scores = scores.reshape(-1)
        out = {}
        for method in methods:
            if method == "predict":
                index = (scores > 0).astype(np.intp) if self._flat else scores.argmax(axis=1)
                out[method] = self._classes[index]
            else:
                out[method] = self._probabilities(scores)
        return out

    def _probabilities(self, scores: Array) -> Array:
        if self._flat:
            positive = self._expit(scores)
            out = np.empty((len(scores), 2))
            np.subtract(1, positive, out=out[:, 0])
            out[:, 1] = positive
            return out
        scores = scores - scores.max(axis=1).reshape(-1, 1)
        np.exp(scores, scores)
        scores /= scores.sum(axis=1).reshape(-1, 1)
        return scores


def compile_linear(estimator: Any, width: int) -> Linear | None:
    """`width` is the number of input columns. None: not a linear model of a known kind, or not proved equal."""
    final, scale = estimator, (None, None)
    if _kind(estimator) == "Pipeline":
        steps = [step for _, step in estimator.steps if step is not None and step != "passthrough"]
        if len(steps) == 2 and _kind(steps[0]) == "StandardScaler":
            final, scale = (
                steps[1],
                (steps[0].mean_ if steps[0].with_mean else None, steps[0].scale_ if steps[0].with_std else None),
            )
        elif len(steps) == 1:
            final = steps[0]
        else:
            return None
    kind = _kind(final)
    if kind not in _CLASSIFIERS | _REGRESSORS:
        return None
    coef = np.asarray(final.coef_)
    if coef.dtype != np.float64:
        return None
    compiled = Linear(coef.T, np.asarray(final.intercept_), final.classes_ if kind in _CLASSIFIERS else None, scale)
    return compiled if _equal(compiled, estimator, width, kind in _CLASSIFIERS) else None


def _kind(estimator: Any) -> str:
    """The class's name, only where it is scikit-learn's own: a subclass may do otherwise."""
    return type(estimator).__name__ if type(estimator).__module__.startswith("sklearn.") else ""


def _equal(compiled: Linear, estimator: Any, width: int, classifier: bool) -> bool:
    methods = ["predict", "predict_proba"] if classifier else ["predict"]
    random = np.random.default_rng(0)
    try:
        for rows, size in ((1, 1.0), (1, 1e3), (7, 10.0), (64, 1.0), (64, 1e4)):
            matrix = random.normal(size=(rows, width)) * size
            fast = compiled(matrix.copy(), methods)
            if fast is None or any(not np.array_equal(fast[m], getattr(estimator, m)(matrix)) for m in methods):
                return False
    except Exception:  # an estimator that can't take random rows is simply not compiled
        return False
    return True
