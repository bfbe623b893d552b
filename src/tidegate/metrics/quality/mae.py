"""Mean absolute error."""

from __future__ import annotations

import numpy as np

from tidegate.metrics.base import Labelled
from tidegate.metrics.quality.residuals import residuals
from tidegate.stats.intervals import bootstrap
from tidegate.types.monitoring import Value


class MeanAbsoluteError:
    """mean |label - answer|, in the label's unit."""

    id = "quality.mae"
    help = "Mean distance of answer and label."
    higher_is_better = False
    tasks = ("regression",)

    def of(self, rows: Labelled) -> Value | None:
        """None without rows."""
        off = np.abs(residuals(rows)[0])
        n = len(off)
        if not n:
            return None
        low, high = bootstrap(off[:, None], lambda sums: sums[:, 0] / n)
        return Value(float(off.mean()), n, low, high)
