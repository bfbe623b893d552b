"""How far the values are from what is usual. Without a threshold, the column's e-detector watches it on the budget."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.metrics.distance import distance
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Side, Value


class Drift:
    """The distance from the reference (tidegate.metrics.distance), 0 to 1. A window of n rows is at least about
    0.9 / sqrt(n) away by chance alone."""

    unit: Unit = "number"
    help = "Distance of the values from the reference, 0 to 1 (Kolmogorov or total variation)."
    of_column = True

    def __init__(self, side: Side) -> None:
        self.id = f"{side}.drift"

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None without a reference, or without rows."""
        if column is None or reference is None:
            return None
        found = distance(column, reference)
        return Value(found, column.rows) if found is not None else None


INPUT, OUTPUT = Drift("input"), Drift("output")
