"""The model's own time: of the batch that a request was part of."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.metrics.software.interval import quantile
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class InferP99:
    """The 99% quantile, in seconds, within 2%."""

    id = "software.infer.p99"
    unit: Unit = "seconds"
    help = "99% of the requests were in a batch that took the model at most this long."
    of_column = False

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None where no request reached a model."""
        return quantile(profile.infer, 0.99)
