"""Answers that say nothing."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class Null:
    """null / rows: answered rows all of whose outputs are missing."""

    id = "output.null"
    unit: Unit = "share"
    help = "Share of answered rows without any output value."
    of_column = False

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None without answered rows."""
        return Value(profile.null / profile.rows, profile.rows) if profile.rows else None
