"""Accuracy: the share of answers that are the label."""

from __future__ import annotations

from tidegate.metrics.base import Labelled
from tidegate.stats.intervals import wilson
from tidegate.types.monitoring import Value


class Accuracy:
    """right / labelled, with Wilson's interval."""

    id = "quality.accuracy"
    help = "Share of answers that are the label."
    higher_is_better = True
    tasks = ("binary", "multiclass")

    def of(self, rows: Labelled) -> Value | None:
        """None without rows."""
        if not len(rows):
            return None
        right = int((rows.truth == rows.answer).sum())
        return Value(right / len(rows), len(rows), *wilson(right, len(rows)))
