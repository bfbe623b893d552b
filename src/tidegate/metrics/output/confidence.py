"""How sure the model says it is."""

from __future__ import annotations

import numpy as np

from tidegate.metrics.base import Unit
from tidegate.metrics.output.probability import Numbers, is_probability, mean_of
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class Confidence:
    """The mean of max(p, 1 - p) of a probability column, 0.5 to 1. Of several classes: of each class against the rest."""

    id = "output.confidence"
    unit: Unit = "share"
    help = "Mean of max(p, 1 - p): how sure the model says it is."
    of_column = True

    def applies(self, column: Column) -> bool:
        """To probabilities."""
        return is_probability(column)

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None without values, and for what is no probability (now, or in the reference)."""
        if column is None or not column.present or column.kind != "number":
            return None
        if not is_probability(column) and (reference is None or not is_probability(reference)):
            return None
        return Value(mean_of(column, _surer), column.present)


def _surer(p: Numbers) -> Numbers:
    found: Numbers = np.maximum(p, 1.0 - p)
    return found
