"""How many different values: a feed that got stuck sends one."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class Distinct:
    """About how many different values the window has (within 9%; exact below 128)."""

    id = "input.distinct"
    unit: Unit = "count"
    help = "Number of different values in the window."
    of_column = True

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None without values."""
        if column is None or not column.present:
            return None
        return Value(column.distinct, column.present)
