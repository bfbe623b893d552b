"""How far a number's values are from each other."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Side, Value


class Spread:
    """The standard deviation (n - 1) of the finite values."""

    unit: Unit = "number"
    help = "Standard deviation of the values."
    of_column = True

    def __init__(self, side: Side) -> None:
        self.id = f"{side}.spread"

    def applies(self, column: Column) -> bool:
        """To numbers."""
        return column.kind == "number"

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None below two values."""
        if column is None or column.kind != "number" or column.present < 2:
            return None
        return Value(column.std, column.present)


INPUT, OUTPUT = Spread("input"), Spread("output")
