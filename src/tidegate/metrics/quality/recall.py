"""Recall: of a class's rows, the share that were found."""

from __future__ import annotations

from tidegate.metrics.base import Labelled
from tidegate.metrics.quality.confusion import share_of_hits
from tidegate.types.monitoring import Value


class Recall:
    """Of the positive class (Wilson's interval); of more than two, the classes' average (bootstrap)."""

    id = "quality.recall"
    help = "Of a class's rows, the share that were found."
    higher_is_better = True
    tasks = ("binary", "multiclass")

    def of(self, rows: Labelled) -> Value | None:
        """None where the class has no label."""
        return share_of_hits(rows, answers=False)
