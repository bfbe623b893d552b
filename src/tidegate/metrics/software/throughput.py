"""Requests a second."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class Throughput:
    """requests / seconds of the window; `n` the requests. No requests in a window is 0, which is a value."""

    id = "software.throughput"
    unit: Unit = "per_second"
    help = "Requests a second, answered or not."
    of_column = False

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None for a window without length."""
        return Value(profile.requests / profile.seconds, profile.requests) if profile.seconds > 0 else None
