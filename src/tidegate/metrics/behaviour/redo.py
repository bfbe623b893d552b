"""Redo rate: how often people ask again."""

from __future__ import annotations

from tidegate.metrics.base import Events
from tidegate.metrics.behaviour.share import share
from tidegate.types.monitoring import Value


class Redo:
    """The share of predictions with the event `redo`."""

    id = "behaviour.redo"
    help = "Share of answers after which people asked again."
    higher_is_better = False

    def of(self, events: Events) -> Value | None:
        """None without predictions."""
        return share(events, "redo")
