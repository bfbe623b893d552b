"""Latency: from the request's head to its answer, as the gateway measured it; quantiles, in seconds, within 2%."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.metrics.software.interval import quantile
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class Latency:
    """A quantile of all requests of the window."""

    id = "software.latency"
    q = 0.0
    unit: Unit = "seconds"
    help = ""
    of_column = False

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None without requests."""
        return quantile(profile.latency, self.q)


class P50(Latency):
    """The median."""

    id, q = "software.latency.p50", 0.5
    help = "Half of the requests were answered within this time."


class P90(Latency):
    """Nine in ten."""

    id, q = "software.latency.p90", 0.9
    help = "90% of the requests were answered within this time."


class P95(Latency):
    """Nineteen in twenty."""

    id, q = "software.latency.p95", 0.95
    help = "95% of the requests were answered within this time."


class P99(Latency):
    """All but one in a hundred."""

    id, q = "software.latency.p99", 0.99
    help = "99% of the requests were answered within this time."
