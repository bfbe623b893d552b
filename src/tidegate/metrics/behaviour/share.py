"""The share of answered predictions that an event followed, with Wilson's interval."""

from __future__ import annotations

from tidegate.metrics.base import Events
from tidegate.stats.intervals import wilson
from tidegate.types.monitoring import Value


def share(events: Events, name: str) -> Value | None:
    """None without predictions; several of one event on a prediction are one."""
    if not events.predictions:
        return None
    count = sum(name in names for names in events.names)
    return Value(count / events.predictions, events.predictions, *wilson(count, events.predictions))
