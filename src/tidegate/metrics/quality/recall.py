"""Recall: of a class's rows, the share that were found."""

from __future__ import annotations

from tidegate.metrics.base import Labelled
from tidegate.metrics.quality.confusion import matrix, of_matrix
from tidegate.stats.intervals import wilson
from tidegate.types.monitoring import Value


class Recall:
    """Of the positive class (Wilson's interval); of more than two, the classes' average (bootstrap)."""

    id = "quality.recall"
    help = "Of a class's rows, the share that were found."
    higher_is_better = True
    tasks = ("binary", "multiclass")

    def of(self, rows: Labelled) -> Value | None:
        """None where the class has no label."""
        if not len(rows):
            return None
        if rows.task != "binary":
            return of_matrix(rows, lambda hits, labels, said: hits / labels)
        counts, _ = matrix(rows)
        hits, of = counts[-1, -1], counts[-1].sum()
        return Value(float(hits / of), int(of), *wilson(hits, of)) if of else None
