"""Log loss: minus the logarithm (natural) of the probability that the true class was given."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidegate.metrics.base import Labelled
from tidegate.stats.intervals import bootstrap
from tidegate.types.monitoring import Value

EDGE = 1e-15


class LogLoss:
    """Mean over rows, probabilities kept 1e-15 away from 0 and 1; the interval is a bootstrap within classes."""

    id = "quality.log_loss"
    help = "Mean of -ln(probability of the true class)."
    higher_is_better = False
    tasks = ("binary", "multiclass")

    def of(self, rows: Labelled) -> Value | None:
        """None without probabilities."""
        chance = true_chance(rows)
        if chance is None or not len(chance) or not ((chance >= 0) & (chance <= 1)).all():
            return None
        loss = -np.log(np.clip(chance, EDGE, 1 - EDGE))
        n = len(loss)
        low, high = bootstrap(loss[:, None], lambda sums: sums[:, 0] / n, rows.truth)
        return Value(float(loss.mean()), n, low, high)


def true_chance(rows: Labelled) -> npt.NDArray[np.float64] | None:
    """The probability that each row's true class was given [n]."""
    if rows.task == "binary":
        return None if rows.score is None else np.where(rows.truth == rows.positive, rows.score, 1 - rows.score)
    if rows.scores is None:
        return None
    place = {name: index for index, name in enumerate(rows.classes)}
    truth = np.array([place.get(name, -1) for name in rows.truth.tolist()], np.int64)
    found = rows.scores[np.arange(len(truth)), truth]
    return np.asarray(np.where(truth >= 0, found, 0.0), np.float64)
