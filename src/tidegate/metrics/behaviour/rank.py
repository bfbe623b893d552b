"""Mean rank clicked: how far down people had to look."""

from __future__ import annotations

import numpy as np

from tidegate.metrics.base import Events
from tidegate.stats.intervals import bootstrap
from tidegate.types.monitoring import Value


class Rank:
    """Mean of the ranks (1 for the first) that clicks came with."""

    id = "behaviour.rank"
    help = "Mean rank of what was clicked (1: the first)."
    higher_is_better = False

    def of(self, events: Events) -> Value | None:
        """None without clicks that say their rank."""
        ranks = events.values.get("click", np.zeros(0))
        ranks = ranks[np.isfinite(ranks)]
        n = len(ranks)
        if not n:
            return None
        low, high = bootstrap(ranks[:, None], lambda sums: sums[:, 0] / n)
        return Value(float(ranks.mean()), n, low, high)
