"""Labels that are likely wrong, by confident learning: a simple model that has not seen an item is sure of another class.

items --features--> [n, d] --5-fold cross-validation--> probabilities --cleanlab--> issues, the likeliest first

C. G. Northcutt, L. Jiang, I. L. Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70 (2021). It finds what a
simple model can know: where classes overlap, some of what it names is right. Figures: benchmarks/data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from tidegate.datachecks.base import ITEM, LABEL, TEXT, Data, Finding, found
from tidegate.datachecks.labels import sentences
from tidegate.errors import ConfigError

LEAST = 60
A_CLASS = 8
CLASSES = 50
FOLDS = 5


class Confident:
    """Of classes; sentences have none."""

    id = "confident learning"

    def find(self, data: Data) -> list[Finding]:
        """Errors: ConfigError where cleanlab or scikit-learn isn't installed."""
        items = data.items.drop_nulls(LABEL)
        counts = items[LABEL].value_counts()
        rare = set(counts.filter(pl.col("count") < A_CLASS)[LABEL])
        items = items.filter(~pl.col(LABEL).is_in(list(rare)))
        classes = sorted(items[LABEL].unique())
        if items.height < LEAST or not 2 <= len(classes) <= CLASSES or sentences(data):
            return []
        issues, chance = issues_of(data, items, classes)
        said = items[LABEL].to_list()
        names = items[ITEM].to_list()
        shown = []
        for at in issues[:8]:
            best = int(np.argmax(chance[at]))
            own = chance[at][classes.index(said[at])]
            shown.append(
                (
                    names[at],
                    f"labelled {said[at]!r} ({own:.0%}), {classes[best]!r} is likelier ({chance[at][best]:.0%})",
                )
            )
        return found(
            "confident learning",
            "warning",
            "labels are likely wrong",
            len(issues),
            items.height,
            "look at these first, the likeliest first (--json has all), and label them again; a simple model found them, so some are right",
            shown,
        )


def issues_of(data: Data, items: pl.DataFrame, classes: list[str]) -> tuple[list[int], Any]:
    """Rows of `items` whose label is likely wrong, the likeliest first; and each row's probabilities. Errors: ConfigError."""
    try:
        from cleanlab.filter import find_label_issues  # type: ignore[import-untyped,unused-ignore]
        from sklearn.model_selection import StratifiedKFold, cross_val_predict
    except ImportError as exc:
        raise ConfigError(f"confident learning takes {exc.name}; pip install 'tidegate[data]'") from exc
    labels = np.array([classes.index(label) for label in items[LABEL].to_list()])
    model, features = _model(data, items)
    folds = StratifiedKFold(min(FOLDS, int(np.bincount(labels).min())), shuffle=True, random_state=0)
    chance = cross_val_predict(model, features, labels, cv=folds, method="predict_proba", n_jobs=1)
    found = find_label_issues(labels, chance, return_indices_ranked_by="self_confidence", n_jobs=1)
    return [int(at) for at in found], chance


def _model(data: Data, items: pl.DataFrame) -> tuple[Any, Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if data.kind == "text":
        words = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), max_features=20_000, sublinear_tf=True)
        return make_pipeline(words, LogisticRegression(max_iter=300, C=4.0)), [
            text or "" for text in items[TEXT].to_list()
        ]
    if data.media is not None:
        measured = items.select(ITEM).join(data.media, ITEM, "left", maintain_order="left")
        numbers = [name for name, kind in measured.schema.items() if kind.is_numeric()]
        plain = measured.select(
            pl.col(name).cast(pl.Float64).fill_null(0.0).fill_nan(0.0) for name in numbers
        ).to_numpy()
        vectors = np.array([value or [0.0] * _width(measured) for value in measured["vector"].to_list()])
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, C=0.5)), np.hstack([plain, vectors])
    columns = [name for name in data.features if name in items.columns]
    made = [
        items[name].cast(pl.Float64).to_numpy()
        if items[name].dtype.is_numeric() or items[name].dtype == pl.Boolean
        else items[name]
        .cast(pl.String)
        .cast(pl.Categorical)
        .to_physical()
        .cast(pl.Float64)
        .fill_null(float("nan"))
        .to_numpy()
        for name in columns
    ]
    return HistGradientBoostingClassifier(max_iter=60, random_state=0), np.column_stack(made)


def _width(measured: pl.DataFrame) -> int:
    first = measured["vector"].drop_nulls()
    return len(first[0]) if first.len() else 1
