"""R2: the share of the labels' variance that the answers explain."""

from __future__ import annotations

import numpy as np

from tidegate.metrics.base import Labelled
from tidegate.metrics.quality.residuals import residuals
from tidegate.stats.intervals import bootstrap
from tidegate.types.monitoring import Value


class R2:
    """1 - sum (label - answer)^2 / sum (label - mean label)^2; below 0 where the mean would have been better."""

    id = "quality.r2"
    help = "Share of the labels' variance that answers explain."
    higher_is_better = True
    tasks = ("regression",)

    def of(self, rows: Labelled) -> Value | None:
        """None with fewer than two different labels."""
        off, truth = residuals(rows)
        n = len(off)
        if n < 2 or float(truth.max()) == float(truth.min()):
            return None
        middle = truth - truth.mean()
        value = 1 - float((off**2).sum() / (middle**2).sum())
        columns = np.column_stack([off**2, middle**2, middle])
        low, high = bootstrap(columns, lambda sums: 1 - sums[:, 0] / (sums[:, 1] - sums[:, 2] ** 2 / n))
        return Value(value, n, low, high)
