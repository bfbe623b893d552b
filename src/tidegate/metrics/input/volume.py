"""How much comes in."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class Volume:
    """Answered rows a second of the window. It rests on time, so `n` is the window's seconds: no rows are evidence as well."""

    id = "input.volume"
    unit: Unit = "per_second"
    help = "Rows a second."
    of_column = False

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None of an empty window of time."""
        if profile.seconds <= 0:
            return None
        return Value(profile.rows / profile.seconds, int(profile.seconds))
