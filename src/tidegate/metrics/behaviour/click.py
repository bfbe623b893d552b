"""Click-through: how often people choose something of the answer."""

from __future__ import annotations

from tidegate.metrics.base import Events
from tidegate.metrics.behaviour.share import share
from tidegate.types.monitoring import Value


class Click:
    """The share of predictions with the event `click`."""

    id = "behaviour.click"
    help = "Share of answers that people clicked on."
    higher_is_better = True

    def of(self, events: Events) -> Value | None:
        """None without predictions."""
        return share(events, "click")
