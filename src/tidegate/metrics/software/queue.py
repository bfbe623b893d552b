"""The wait before the model: from the runner's receipt of a request to the begin of its batch."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.metrics.software.interval import quantile
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class QueueP99:
    """The 99% quantile, in seconds, within 2%."""

    id = "software.queue.p99"
    unit: Unit = "seconds"
    help = "99% of the requests waited at most this long for the model."
    of_column = False

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None where no request reached a model."""
        return quantile(profile.queue, 0.99)
