"""The mean of a number."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Side, Value


class Mean:
    """The mean of the finite values; its interval (95%) is mean +- 1.96 spread / sqrt(n)."""

    unit: Unit = "number"
    help = "Mean of the values."
    of_column = True

    def __init__(self, side: Side) -> None:
        self.id = f"{side}.mean"

    def applies(self, column: Column) -> bool:
        """To numbers."""
        return column.kind == "number"

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None without values."""
        if column is None or column.kind != "number" or not column.present:
            return None
        half = 1.96 * column.std / column.present**0.5
        return Value(column.mean, column.present, column.mean - half, column.mean + half)


INPUT, OUTPUT = Mean("input"), Mean("output")
