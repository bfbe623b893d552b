"""Precision at k: of the first k items that were shown, the share that were relevant."""

from __future__ import annotations

import numpy as np

from tidegate.metrics.base import Labelled
from tidegate.metrics.quality.relevance import judged
from tidegate.stats.intervals import bootstrap
from tidegate.types.monitoring import Value

K = 10


class PrecisionAtK:
    """Mean over rows; a row of fewer than k (10) items is one of as many."""

    id = "quality.precision_at_k"
    help = f"Share of the first {K} items that are relevant."
    higher_is_better = True
    tasks = ("ranking",)

    def of(self, rows: Labelled) -> Value | None:
        """None without ranked answers."""
        found = [
            sum(item in given for item in items[:K]) / min(K, len(items)) for items, given in judged(rows) if items
        ]
        if not found:
            return None
        values, n = np.array(found), len(found)
        low, high = bootstrap(values[:, None], lambda sums: sums[:, 0] / n)
        return Value(float(values.mean()), n, low, high)
