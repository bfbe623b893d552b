"""The contract of a channel, and the one error it raises.

NotifyError is for people: it says what the other side answered, never the URL's secrets.
"""

from __future__ import annotations

from typing import Protocol

from tidegate.errors import TidegateError
from tidegate.types.monitoring import Notice

TIMEOUT = 10.0
"""Seconds for a connection, and for each part of an answer."""


class NotifyError(TidegateError):
    """A notice could not be delivered. `permanent` where another try can't help: a wrong address, a refused secret."""

    def __init__(self, message: str, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class Channel(Protocol):
    """One place that is told. Built as `Channel(url)`; errors there: ConfigError for a URL that can't be used."""

    def send(self, notice: Notice) -> None:
        """Deliver it, or raise NotifyError with the reason. May take seconds: callers are threads of the dispatcher."""
        ...
