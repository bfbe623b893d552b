"""nDCG: whether relevant items stand at the top."""

from __future__ import annotations

import math

import numpy as np

from tidegate.metrics.base import Labelled
from tidegate.metrics.quality.relevance import judged
from tidegate.stats.intervals import bootstrap
from tidegate.types.monitoring import Value

K = 10


class Ndcg:
    """sum grade / log2(rank + 1) over the first k (10), divided by that of the best order; mean over rows.

    Source: Jarvelin & Kekalainen 2002, with the grade itself as gain.
    """

    id = "quality.ndcg"
    help = f"Whether relevant items stand at the top of the first {K} (1: all do)."
    higher_is_better = True
    tasks = ("ranking",)

    def of(self, rows: Labelled) -> Value | None:
        """None without ranked answers."""
        found = []
        for items, given in judged(rows):
            best = _gain(sorted(given.values(), reverse=True))
            found.append(_gain([given.get(item, 0.0) for item in items]) / best)
        if not found:
            return None
        values, n = np.array(found), len(found)
        low, high = bootstrap(values[:, None], lambda sums: sums[:, 0] / n)
        return Value(float(values.mean()), n, low, high)


def _gain(grades: list[float]) -> float:
    return sum(grade / math.log2(rank + 2) for rank, grade in enumerate(grades[:K]))
