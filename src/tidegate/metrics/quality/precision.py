"""Precision: of answers of a class, the share that are right."""

from __future__ import annotations

from tidegate.metrics.base import Labelled
from tidegate.metrics.quality.confusion import share_of_hits
from tidegate.types.monitoring import Value


class Precision:
    """Of the positive class (Wilson's interval); of more than two, the classes' average (bootstrap)."""

    id = "quality.precision"
    help = "Of answers of a class, the share that are right."
    higher_is_better = True
    tasks = ("binary", "multiclass")

    def of(self, rows: Labelled) -> Value | None:
        """None where the class was never answered."""
        return share_of_hits(rows, answers=True)
