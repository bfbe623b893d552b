"""Answers that the stable version gave because the canary failed."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.metrics.software.interval import share
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class Fallbacks:
    """fallbacks / requests, with Wilson's interval."""

    id = "software.fallbacks"
    unit: Unit = "share"
    help = "Share of requests answered by the stable version in a failed canary's stead."
    of_column = False

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None without requests."""
        return share(profile.fallbacks, profile.requests)
