"""What an afternoon's work would give: models made of the logged labels, learned on the earlier rows, judged on the later.

    features, labels in the order of time --first half--> commonest | linear | tree: the best on its last third; rankings: popularity
                                          --second half--> its error a row

A model that doesn't beat these isn't worth its servers; one that is far below the task may have a fault in its data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl

from tidegate.evaluation.rows import ERROR, KEYS, WEIGHT, Judged, errors
from tidegate.metrics.base import Labelled
from tidegate.metrics.quality.relevance import judged as relevant
from tidegate.metrics.quality.rows import Roles, labelled, words_of_labels
from tidegate.stats.intervals import Floats

LEAST = 40
"""Labelled rows to learn from and be judged on."""
MOST = 50_000
"""Rows to learn from: the newest."""
WORDS = 20
"""Values of a text column that get a feature of their own."""
DEPTH = 4
RIDGE = 1.0

Learned = Callable[[Floats], np.ndarray[Any, Any]]
"""Features [n, k] -> answers [n]."""


class Quick(msgspec.Struct):
    """`name` of the best, `learned_on` so many rows; `rows`: prediction_id, row, _error, _weight of the later half."""

    name: str
    learned_on: int
    rows: pl.DataFrame


def quick(judged: Judged) -> Quick | str:
    """The best of them, or why there is none."""
    if judged.roles.task == "text":
        return "no quick model is made of a text task"
    rows = judged.rows.join(
        judged.window.rows.select(*KEYS, *judged.window.inputs), KEYS, "left", maintain_order="left"
    )
    if rows.height < LEAST:
        return f"{rows.height} labelled rows are too few for a quick model; it needs {LEAST}"
    half = rows.height // 2
    early, late = rows[max(0, half - MOST) : half], rows[half:]
    if judged.roles.task == "ranking":
        return popular(early, late, judged.roles)
    features = Features(early.select(judged.window.inputs))
    x, y = features.of(early), truth(early, judged.roles)
    cut = early.height * 2 // 3
    scored = []
    tried = models(judged.roles.task)
    loud = features.place("loudness")
    if judged.roles.task == "binary" and loud is not None:
        tried["loudness against a threshold"] = energy(loud)
    for name, learn in tried.items():
        said = learn(x[:cut], y[:cut])(x[cut:])
        scored.append((float(_error(judged.roles, y[cut:], said)[:, 0].mean()), name, learn))
    _, name, learn = min(scored, key=lambda one: one[0])
    said = learn(x, y)(features.of(late))
    found = _error(judged.roles, truth(late, judged.roles), said)
    kept = late.select(KEYS).with_columns(pl.Series(ERROR, found[:, 0]), pl.Series(WEIGHT, found[:, 1]))
    return Quick(name, early.height, kept)


def popular(early: pl.DataFrame, late: pl.DataFrame, roles: Roles) -> Quick:
    """What most people wanted, for everybody: the items of the earlier labels by the sum of their grades, as many as a model ranks."""
    before, after = labelled(early, roles), labelled(late, roles)
    wanted: Counter[str] = Counter()
    for _, given in relevant(before):
        wanted.update({item: grade for item, grade in given.items() if grade > 0})
    length = max((len(items) for items in (*(before.items or ()), *(after.items or ()))), default=0)
    best = [item for item, _ in wanted.most_common(length)]
    said = Labelled(
        "ranking", after.truth, np.full(len(after), best[0] if best else "", object), items=[best] * len(after)
    )
    found = errors(said)
    kept = late.select(KEYS).with_columns(pl.Series(ERROR, found[:, 0]), pl.Series(WEIGHT, found[:, 1]))
    return Quick("the most popular items", early.height, kept)


def truth(rows: pl.DataFrame, roles: Roles) -> np.ndarray[Any, Any]:
    """Labels as answers are written."""
    return labelled(rows, roles).truth if roles.task == "regression" else words_of_labels(rows)


def models(task: str) -> dict[str, Callable[[Floats, np.ndarray[Any, Any]], Learned]]:
    """By name, the simplest first."""
    found: dict[str, Callable[[Floats, np.ndarray[Any, Any]], Learned]] = {
        "the mean" if task == "regression" else "the commonest answer": commonest(task),
        "a linear model": linear(task),
    }
    try:
        import sklearn.tree as trees
    except ModuleNotFoundError:
        return found

    def tree(x: Floats, y: np.ndarray[Any, Any]) -> Learned:
        kind = trees.DecisionTreeRegressor if task == "regression" else trees.DecisionTreeClassifier
        fitted = kind(max_depth=DEPTH, min_samples_leaf=10, random_state=0).fit(x, y)
        return lambda new: np.asarray(fitted.predict(new))

    found["a small tree"] = tree
    return found


def commonest(task: str) -> Callable[[Floats, np.ndarray[Any, Any]], Learned]:
    """The median of numbers, the most frequent of classes."""

    def learn(_: Floats, y: np.ndarray[Any, Any]) -> Learned:
        if task == "regression":
            value: Any = float(np.median(y))
        else:
            values, many = np.unique(y.astype(str), return_counts=True)
            value = values[many.argmax()]
        return lambda new: np.full(len(new), value, object if task != "regression" else float)

    return learn


def energy(place: int) -> Callable[[Floats, np.ndarray[Any, Any]], Learned]:
    """What hears speech where it is loud: the one threshold of the feature at `place` that is wrong least often, either way round."""

    def learn(x: Floats, y: np.ndarray[Any, Any]) -> Learned:
        text = y.astype(str)
        classes = np.unique(text)
        if len(classes) != 2:
            return lambda new: np.full(len(new), classes[0], object)
        order = np.argsort(x[:, place], kind="stable")
        high = (text[order] == classes[1]).astype(np.int64)
        wrong = np.concatenate([[0], np.cumsum(high)]) + np.concatenate([np.cumsum((1 - high)[::-1])[::-1], [0]])
        turned = len(high) - wrong
        up = wrong.min() <= turned.min()
        at = int(wrong.argmin() if up else turned.argmin())
        limit = x[order[at], place] if at < len(order) else np.inf
        above, below = (classes[1], classes[0]) if up else (classes[0], classes[1])
        return lambda new: np.where(new[:, place] >= limit, above, below).astype(object)

    return learn


def linear(task: str) -> Callable[[Floats, np.ndarray[Any, Any]], Learned]:
    """Ridge regression; of classes, on a column of 0 and 1 for each, and the highest wins."""

    def learn(x: Floats, y: np.ndarray[Any, Any]) -> Learned:
        classes = np.unique(y.astype(str)) if task != "regression" else None
        wanted = y[:, None] if classes is None else (y.astype(str)[:, None] == classes[None]).astype(np.float64)
        design = np.column_stack([np.ones(len(x)), x])
        penalty = RIDGE * np.eye(design.shape[1])
        penalty[0, 0] = 1e-9
        weights = np.linalg.solve(design.T @ design + penalty, design.T @ wanted.astype(np.float64))

        def answer(new: Floats) -> np.ndarray[Any, Any]:
            found = np.column_stack([np.ones(len(new)), new]) @ weights
            return found[:, 0] if classes is None else classes[found.argmax(axis=1)].astype(object)

        return answer

    return learn


class Features:
    """Columns as numbers: numbers by their mean and spread (missing: the mean, and a column that says so), texts as 0 and 1 for the
    commonest values."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self._numbers: list[tuple[str, float, float]] = []
        self._words: list[tuple[str, Sequence[str]]] = []
        for name, kind in rows.schema.items():
            if kind.is_numeric() or kind == pl.Boolean:
                column = rows[name].cast(pl.Float64).fill_nan(None)
                spread = column.std()
                if isinstance(spread, float) and spread > 0:
                    self._numbers.append((name, float(column.mean()), spread))  # type: ignore[arg-type]
            elif kind == pl.String:
                common = rows[name].drop_nulls().value_counts(sort=True).head(WORDS)[name].to_list()
                if 1 < len(common) < rows.height // 2:
                    self._words.append((name, common))

    def place(self, ending: str) -> int | None:
        """Where a number whose name ends so stands among the columns of `of`."""
        return next((2 * at for at, (name, _, _) in enumerate(self._numbers) if name.endswith(ending)), None)

    def of(self, rows: pl.DataFrame) -> Floats:
        """[n, k]."""
        columns: list[Floats] = []
        for name, mean, spread in self._numbers:
            values = rows[name].cast(pl.Float64).fill_nan(None)
            columns.append(((values - mean) / spread).fill_null(0.0).to_numpy())
            columns.append(values.is_null().cast(pl.Float64).to_numpy())
        for name, common in self._words:
            values = rows[name]
            columns.extend((values == word).fill_null(False).cast(pl.Float64).to_numpy() for word in common)
        return np.column_stack(columns) if columns else np.zeros((rows.height, 0))


def _error(roles: Roles, right: np.ndarray[Any, Any], said: np.ndarray[Any, Any]) -> Floats:
    return errors(Labelled(roles.task, right, said, classes=roles.classes, positive=roles.positive))
