"""How undecided the answers are, in bits."""

from __future__ import annotations

import math

import numpy as np

from tidegate.metrics.base import Unit
from tidegate.metrics.output.probability import Numbers, is_probability, mean_of
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class Entropy:
    """Of answers by name: -sum q log2 q of their shares (0: always the same answer). Of a probability p: the mean of
    -p log2 p - (1-p) log2 (1-p) (1: tossing a coin, 0: sure)."""

    id = "output.entropy"
    unit: Unit = "number"
    help = "Entropy in bits: of the answers' shares, or the mean one of a probability."
    of_column = True

    def applies(self, column: Column) -> bool:
        """To answers that are counted by name, and to probabilities."""
        return column.has_items or is_probability(column)

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None without values, and for numbers that are no probabilities."""
        if column is None or not column.present:
            return None
        if column.has_items:
            shares = [count / column.present for count in column.items().values()]
            return Value(max(-sum(q * math.log2(q) for q in shares if q > 0), 0.0), column.present)
        if not is_probability(column) and (reference is None or not is_probability(reference)):
            return None
        return Value(mean_of(column, _bits), column.present)


def _bits(p: Numbers) -> Numbers:
    found: Numbers = -p * np.log2(p) - (1.0 - p) * np.log2(1.0 - p)
    return found
