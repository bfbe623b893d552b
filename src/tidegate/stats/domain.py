"""Can a classifier tell the reference from now? The one score that sees changes in how columns go together.

    rows of both, labelled 0 and 1 --three folds--> gradient-boosted trees --> AUC of the folds' held-out rows

AUC 0.5: nobody can; 1: a glance is enough. Two samples of the same kind give 0.5 +- the interval, which is that of an AUC
(Hanley & McNeil 1982) on held-out rows. Source: classifier two-sample tests, Lopez-Paz & Oquab 2017 (1610.06545). Needs
scikit-learn (`pip install 'tidegate[sklearn]'`).
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.errors import ConfigError
from tidegate.stats.auc import auc, auc_error

FOLDS = 3
ROWS = 10_000
"""Of each side, at most: drawn at random, seeded."""


class Told(msgspec.Struct, frozen=True):
    """How well the two were told apart, with 95% bounds, and by which columns: the AUC that is lost without each."""

    auc: float
    low: float
    high: float
    rows: int
    by: dict[str, float] = {}


def domain_classifier(
    reference: npt.NDArray[Any], now: npt.NDArray[Any], names: list[str], *, rows: int = ROWS, seed: int = 0
) -> Told:
    """Of two matrices [n, k] and [m, k] of floats (NaN for missing; categories as codes). Errors: ConfigError without
    scikit-learn."""
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.model_selection import StratifiedKFold
        from threadpoolctl import threadpool_limits
    except ImportError as exc:
        raise ConfigError(
            "the domain classifier needs scikit-learn: pip install 'tidegate[sklearn]', or leave --together out"
        ) from exc
    draw = np.random.default_rng(seed)
    sides = [
        side if len(side) <= rows else side[draw.choice(len(side), rows, replace=False)] for side in (reference, now)
    ]
    x = np.concatenate(sides).astype(np.float32)
    y = np.repeat([0, 1], [len(side) for side in sides])
    if min(len(side) for side in sides) < 20:
        raise ConfigError("the domain classifier needs 20 rows of each side; take a longer window")
    scores = np.zeros(len(y))
    lost = np.zeros(len(names))
    with threadpool_limits(1, "openmp"):  # beside a server, threads that spin for each other cost more than they bring
        for number, (train, held) in enumerate(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x, y)):
            model = HistGradientBoostingClassifier(
                max_iter=40, max_leaf_nodes=15, random_state=seed, early_stopping=False
            )
            model.fit(x[train], y[train])
            scores[held] = _centred(model.predict_proba(x[held])[:, 1])
            if number == 0:
                whole = auc(y[held], scores[held])
                for column in range(x.shape[1]):
                    without = x[held].copy()
                    without[:, column] = draw.permutation(without[:, column])
                    lost[column] = whole - auc(y[held], model.predict_proba(without)[:, 1])
    found = auc(y, scores)
    z = 1.96 * auc_error(found, len(sides[1]), len(sides[0]))
    ranked = sorted(zip(names, lost.tolist(), strict=True), key=lambda pair: -pair[1])
    by = {name: value for name, value in ranked if value > 0.02}
    return Told(found, max(found - z, 0.0), min(found + z, 1.0), len(y), by)


def _centred(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Folds have classifiers of their own: only the order within a fold is theirs to say."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(scores) / len(scores))
