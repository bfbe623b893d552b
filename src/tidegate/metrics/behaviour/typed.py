"""Typed instead: how often people give up speaking (or choosing) and type."""

from __future__ import annotations

from tidegate.metrics.base import Events
from tidegate.metrics.behaviour.share import share
from tidegate.types.monitoring import Value


class Typed:
    """The share of predictions with the event `typed`."""

    id = "behaviour.typed"
    help = "Share of answers after which people typed instead."
    higher_is_better = False

    def of(self, events: Events) -> Value | None:
        """None without predictions."""
        return share(events, "typed")
