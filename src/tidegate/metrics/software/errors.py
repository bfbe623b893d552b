"""Requests that failed by our fault: 5xx, time-outs and overload (429)."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.metrics.software.interval import share
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class Errors:
    """failed / requests, with Wilson's interval."""

    id = "software.errors"
    unit: Unit = "share"
    help = "Share of requests that failed by our fault: 5xx, time-outs, overload."
    of_column = False

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None without requests."""
        return share(profile.failed, profile.requests)
