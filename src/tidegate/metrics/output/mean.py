"""The mean of a number."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class Mean:
    """The mean of the finite values; its interval (95%) is mean +- 1.96 spread / sqrt(n)."""

    id = "output.mean"
    unit: Unit = "number"
    help = "Mean of the values."
    of_column = True

    def applies(self, column: Column) -> bool:
        """To numbers."""
        return column.kind == "number"

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None without values."""
        if column is None or column.kind != "number" or not column.present:
            return None
        half = 1.96 * column.std / column.present**0.5
        return Value(column.mean, column.present, column.mean - half, column.mean + half)
