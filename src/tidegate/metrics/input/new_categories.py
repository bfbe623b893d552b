"""Categories that the reference never had, and values of another type."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class NewCategories:
    """fresh / (values there)."""

    id = "input.new_categories"
    unit: Unit = "share"
    help = "Share of values that the reference has not, or that are of another type."
    of_column = True

    def applies(self, column: Column) -> bool:
        """To categories."""
        return column.kind == "category"

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None without a reference, without values, or for numbers that were numbers."""
        if column is None or reference is None or not column.present:
            return None
        if column.kind == "number" and reference.kind == "number":
            return None
        return Value(column.fresh / column.present, column.present)
