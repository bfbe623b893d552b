"""Area under the ROC curve: how often a positive row has a higher score than a negative one."""

from __future__ import annotations

import numpy as np

from tidegate.metrics.base import Labelled
from tidegate.stats.delong import delong, delong_macro
from tidegate.types.monitoring import Value


class Auc:
    """With DeLong's interval; of more than two classes, one against the rest, averaged."""

    id = "quality.auc"
    help = "Area under the ROC curve."
    higher_is_better = True
    tasks = ("binary", "multiclass")

    def of(self, rows: Labelled) -> Value | None:
        """None without scores, or with labels of one class only."""
        if rows.task == "binary":
            found = delong(rows.truth == rows.positive, rows.score) if rows.score is not None and len(rows) else None
        else:
            place = {name: index for index, name in enumerate(rows.classes)}
            truth = np.array([place.get(name, -1) for name in rows.truth.tolist()], np.int64)
            good = truth >= 0
            found = delong_macro(truth[good], rows.scores[good]) if rows.scores is not None and good.any() else None
        return None if found is None else Value(found[0], len(rows), found[1], found[2])
