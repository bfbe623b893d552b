"""Numbers that the reference never had."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class OutOfRange:
    """(below + above) / (values there), infinite ones included in both, against the reference's smallest and largest value."""

    id = "input.out_of_range"
    unit: Unit = "share"
    help = "Share of values below the reference's smallest or above its largest (infinite ones count)."
    of_column = True

    def applies(self, column: Column) -> bool:
        """To numbers."""
        return column.kind == "number"

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None without a reference, or without values."""
        if column is None or reference is None or column.kind != "number" or reference.kind != "number":
            return None
        there = column.present + column.infinite
        return Value((column.below + column.above) / there, there) if there else None
