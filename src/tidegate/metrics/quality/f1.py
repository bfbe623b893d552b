"""F1: the harmonic mean of precision and recall."""

from __future__ import annotations

from tidegate.metrics.base import Labelled
from tidegate.metrics.quality.confusion import of_matrix
from tidegate.types.monitoring import Value


class F1:
    """2 hits / (answers + labels) of the positive class; of more than two, the classes' average."""

    id = "quality.f1"
    help = "Harmonic mean of precision and recall."
    higher_is_better = True
    tasks = ("binary", "multiclass")

    def of(self, rows: Labelled) -> Value | None:
        """None where no class was labelled or answered; of two classes also where no label is positive: it is 0 whatever was said."""
        if rows.task == "binary" and not (rows.truth == rows.positive).any():
            return None
        return of_matrix(rows, lambda hits, labels, said: 2 * hits / (labels + said)) if len(rows) else None
