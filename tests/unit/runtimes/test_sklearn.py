"""scikit-learn: what each kind of estimator gives, one run for two outputs, and the shortcut for linear models."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from tidegate.runtimes.base import Artifact
from tidegate.runtimes.estimators import tied
from tidegate.runtimes.linear import compile_linear
from tidegate.runtimes.sklearn import SklearnRuntime

X = np.random.default_rng(5).normal(size=(150, 4))
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 1)
TEXT = np.array(["a", "b", "c"])[Y]


def load(estimator: Any, folder: Path, reference: Path | None = None, **options: Any) -> SklearnRuntime:
    joblib.dump(estimator, folder / "m.joblib")
    runtime = SklearnRuntime(Artifact(str(folder / "m.joblib"), {"trustPickle": True, **options}, reference))
    runtime.load()
    return runtime


@pytest.mark.parametrize(
    ("estimator", "outputs"),
    [
        (LogisticRegression().fit(X, Y), {"predict": ("INT64", [-1]), "predict_proba": ("FP64", [-1, 3])}),
        (
            LogisticRegression().fit(X, np.array(["a", "b", "c"])[Y]),
            {"predict": ("BYTES", [-1]), "predict_proba": ("FP64", [-1, 3])},
        ),
        (LogisticRegression().fit(X, Y > 0), {"predict": ("BOOL", [-1]), "predict_proba": ("FP64", [-1, 2])}),
        (LinearSVC().fit(X, Y > 0), {"predict": ("BOOL", [-1]), "decision_function": ("FP64", [-1])}),
        (LinearRegression().fit(X, X), {"predict": ("FP64", [-1, 4])}),
        (RandomForestRegressor(2).fit(X, Y), {"predict": ("FP64", [-1])}),
        (
            RandomForestClassifier(2).fit(X, np.column_stack([Y > 0, Y])),
            {"predict": ("INT64", [-1, 2]), "predict_proba_0": ("FP64", [-1, 2]), "predict_proba_1": ("FP64", [-1, 3])},
        ),
        (StandardScaler().fit(X), {"transform": ("FP64", [-1, 4])}),
        (IsolationForest(n_estimators=2).fit(X), {"predict": ("INT64", [-1]), "score_samples": ("FP64", [-1])}),
        (KMeans(2, n_init=1).fit(X), {"predict": ("INT32", [-1])}),
        (KernelDensity().fit(X), {"score_samples": ("FP64", [-1])}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseEstimator) else "",
)
def test_outputs_of_each_kind(estimator: Any, outputs: dict[str, Any], tmp_path: Path) -> None:
    runtime = load(estimator, tmp_path)
    assert {spec.name: (spec.datatype, spec.shape) for spec in runtime.signature.outputs} == outputs
    got = runtime.predict({"input": X[:6]})
    assert list(got) == list(outputs)
    if "predict" in outputs:
        assert got["predict"].tolist() == estimator.predict(X[:6]).tolist()


def test_classes_are_named(tmp_path: Path) -> None:
    assert load(LogisticRegression().fit(X, Y), tmp_path).signature.classes == ["0", "1", "2"]
    assert load(LogisticRegression().fit(X, Y), tmp_path, classes=["x", "y", "z"]).signature.classes == ["x", "y", "z"]


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(3),
        DecisionTreeClassifier(max_depth=2),
        GradientBoostingClassifier(n_estimators=2),
        HistGradientBoostingClassifier(max_iter=2),
        make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=2)),
    ],
    ids=str,
)
def test_both_outputs_take_one_run(estimator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = load(estimator.fit(X, Y), tmp_path)
    model = runtime._calls._estimator
    runs: list[str] = []
    for method in ("predict", "predict_proba"):
        real = getattr(model, method)
        monkeypatch.setattr(
            model, method, lambda data, real=real, method=method: (runs.append(method), real(data))[1], raising=False
        )
    proba = model.predict_proba(X)
    sure = X[[not tied(proba[at : at + 1]) for at in range(len(X))]]
    runs.clear()
    got = runtime.predict({"input": sure})
    assert runs == ["predict_proba"]
    assert got["predict"].tolist() == model.predict(sure).tolist()
    runs.clear()
    runtime.predict({"input": sure}, ["predict_proba"])
    assert runs == ["predict_proba"]


def test_a_tie_is_decided_by_the_estimator_itself() -> None:
    assert tied(np.array([[0.5, 0.5], [0.1, 0.9]]))
    assert tied(np.array([[0.4, 0.2, 0.4]]))
    assert tied(np.array([[np.nan, 0.4]]))
    assert not tied(np.array([[0.4, 0.6], [0.1, 0.9]]))
    assert not tied(np.array([[0.4, 0.35, 0.25]]))
    assert not tied(np.ones((3, 1)))


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression().fit(X, Y),
        LogisticRegression().fit(X, Y > 0),
        LinearRegression().fit(X, Y),
        Ridge().fit(X, X),
        make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y),
        make_pipeline(StandardScaler(with_mean=False), LogisticRegression()).fit(X, Y > 0),
    ],
    ids=str,
)
def test_the_linear_shortcut_is_equal_to_the_bit(estimator: Any) -> None:
    compiled = compile_linear(estimator, 4)
    assert compiled is not None
    random = np.random.default_rng(99)
    for rows in (1, 2, 8, 33, 200):
        data = random.normal(size=(rows, 4)) * random.choice([1e-9, 1, 50, 1e6])
        got = compiled(data.copy(), ["predict", "predict_proba"])
        assert got is not None
        for method, array in got.items():
            np.testing.assert_array_equal(array, getattr(estimator, method)(data))


def test_no_shortcut_for_what_only_looks_linear() -> None:
    class Mine(LogisticRegression):
        def predict(self, X: Any) -> Any:
            return 1 - super().predict(X)

    assert compile_linear(Mine().fit(X, Y > 0), 4) is None
    changed = LogisticRegression().fit(X, Y > 0)
    changed.predict_proba = lambda data: np.full((len(data), 2), 0.5)  # differs: the proof must notice
    assert compile_linear(changed, 4) is None


def test_missing_values_are_refused_by_the_estimator_itself(tmp_path: Path) -> None:
    runtime = load(LogisticRegression().fit(X, Y), tmp_path)
    assert runtime._linear is not None
    with pytest.raises(ValueError, match="contains NaN"):
        runtime.predict({"input": np.full((2, 4), np.nan)})


def test_a_named_numeric_model_is_a_table_and_never_warns(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame(X, columns=list("abcd"))
    frame.assign(c=range(150), extra=1).to_csv(tmp_path / "r.csv", index=False)
    for estimator in (RandomForestClassifier(2), make_pipeline(StandardScaler(), LogisticRegression())):
        model = estimator.fit(frame, Y)
        runtime = load(model, tmp_path, tmp_path / "r.csv")
        assert [(spec.name, spec.datatype) for spec in runtime.signature.inputs] == [
            ("a", "FP64"),
            ("b", "FP64"),
            ("c", "INT64"),
            ("d", "FP64"),
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            got = runtime.predict({name: X[:5, at] for at, name in enumerate("abcd")})
        assert got["predict"].tolist() == model.predict(frame.head(5)).tolist()


def test_a_model_saved_for_all_cores_keeps_to_its_threads(tmp_path: Path) -> None:
    runtime = load(make_pipeline(StandardScaler(), RandomForestClassifier(2, n_jobs=-1, verbose=1)).fit(X, Y), tmp_path)
    forest = runtime._calls._estimator.steps[-1][1]
    assert (forest.n_jobs, forest.verbose) == (1, 0)


def test_histogram_boosting_with_categories_from_a_frame(tmp_path: Path) -> None:
    import pandas as pd

    random = np.random.default_rng(2)
    frame = pd.DataFrame({"n": X[:, 0], "c": pd.Categorical(random.choice(["u", "v", "w"], 150))})
    model = HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype").fit(frame, Y)
    frame.to_parquet(tmp_path / "r.parquet")
    runtime = load(model, tmp_path, tmp_path / "r.parquet")
    assert [spec.datatype for spec in runtime.signature.inputs] == ["FP64", "BYTES"]
    got = runtime.predict({"n": X[:9, 0], "c": np.array(frame.c.head(9).tolist(), object)})
    np.testing.assert_array_equal(got["predict_proba"], model.predict_proba(frame.head(9)))
