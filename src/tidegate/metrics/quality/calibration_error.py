"""Expected calibration error: how far probabilities are from frequencies."""

from __future__ import annotations

import numpy as np

from tidegate.metrics.base import Labelled
from tidegate.stats.intervals import bootstrap
from tidegate.types.monitoring import Value

BINS = 15


class CalibrationError:
    """Mean |probability - frequency| over 15 bins of equal width, weighted by rows (Naeini et al. 2015; Guo et al. 2017).

    Of two classes the positive one's probability; of more, the answer's. It is biased upwards on few rows: of perfect probabilities it
    is about sqrt(bins / (8 n)).
    """

    id = "quality.calibration_error"
    help = "How far probabilities are from frequencies, on average."
    higher_is_better = False
    tasks = ("binary", "multiclass")

    def of(self, rows: Labelled) -> Value | None:
        """None without probabilities."""
        if not len(rows):
            return None
        if rows.task == "binary":
            chance, true = rows.score, rows.truth == rows.positive
        else:
            chance = rows.scores.max(axis=1) if rows.scores is not None else None
            true = rows.truth == rows.answer
        if chance is None or not ((chance >= 0) & (chance <= 1)).all():
            return None
        place = np.minimum((chance * BINS).astype(np.int64), BINS - 1)
        gaps = np.zeros((len(chance), BINS))
        gaps[np.arange(len(chance)), place] = chance - true
        n = len(chance)
        value = float(np.abs(gaps.sum(axis=0)).sum() / n)
        low, high = bootstrap(gaps, lambda sums: np.abs(sums).sum(axis=1) / n, true)
        # resampling adds noise of its own to every bin: the bounds are moved back by as much
        shift = (low + high) / 2 - value
        low, high = max(0.0, low - max(shift, 0.0)), high - max(shift, 0.0)
        return Value(value, n, min(low, value), max(high, value))
