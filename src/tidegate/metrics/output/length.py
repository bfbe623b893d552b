"""How long the texts are that go out."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class Length:
    """The mean of COLUMN_length, which the text descriptors write for each text."""

    id = "output.length"
    unit: Unit = "number"
    help = "Mean length of the texts, in characters."
    of_column = True
    suffix = "_length"

    def applies(self, column: Column) -> bool:
        """To the descriptor's numbers."""
        return column.kind == "number"

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None without texts."""
        if column is None or column.kind != "number" or not column.present:
            return None
        return Value(column.mean, column.present)
