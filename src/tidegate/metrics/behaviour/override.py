"""Override rate: how often people decide otherwise than they were advised."""

from __future__ import annotations

from tidegate.metrics.base import Events
from tidegate.metrics.behaviour.share import share
from tidegate.types.monitoring import Value


class Override:
    """The share of predictions with the event `override`."""

    id = "behaviour.override"
    help = "Share of answers that people decided against."
    higher_is_better = False

    def of(self, events: Events) -> Value | None:
        """None without predictions."""
        return share(events, "override")
