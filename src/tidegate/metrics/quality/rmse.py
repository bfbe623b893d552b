"""Root mean squared error."""

from __future__ import annotations

import numpy as np

from tidegate.metrics.base import Labelled
from tidegate.metrics.quality.residuals import residuals
from tidegate.stats.intervals import bootstrap
from tidegate.types.monitoring import Value


class RootMeanSquaredError:
    """sqrt(mean (label - answer)^2), in the label's unit: large errors count more."""

    id = "quality.rmse"
    help = "Root of the mean squared distance of answer and label."
    higher_is_better = False
    tasks = ("regression",)

    def of(self, rows: Labelled) -> Value | None:
        """None without rows."""
        square = residuals(rows)[0] ** 2
        n = len(square)
        if not n:
            return None
        low, high = bootstrap(square[:, None], lambda sums: np.sqrt(sums[:, 0] / n))
        return Value(float(np.sqrt(square.mean())), n, low, high)
