"""How often an answer is given: `output.share.COLUMN=VALUE`."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class Share:
    """(rows with VALUE) / (rows with any value)."""

    id = "output.share"
    unit: Unit = "share"
    help = "Share of the answers that are this value; without a value, that of the most frequent one."
    of_column = True

    def applies(self, column: Column) -> bool:
        """To what is counted by name: categories, and whole numbers of few values."""
        return column.has_items

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """Of the most frequent value."""
        if column is None or not column.has_items or not column.present:
            return None
        return Value(max(column.items(1).values(), default=0) / column.present, column.present)

    def of_value(self, column: Column, value: str) -> Value | None:
        """Of one value; 0 where it was never there."""
        if not column.has_items or not column.present:
            return None
        return Value(column.items().get(value, 0) / column.present, column.present)
