"""Missing values: nulls and NaN."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class Missing:
    """missing / rows, of answered rows."""

    id = "input.missing"
    unit: Unit = "share"
    help = "Share of rows in which the column is missing."
    of_column = True

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None without rows."""
        if column is None or not column.rows:
            return None
        return Value(column.missing / column.rows, column.rows)
