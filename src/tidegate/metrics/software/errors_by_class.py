"""Failed requests by what failed, as profiles count them: time-outs, overload, the model, the caller's input, the rest."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.metrics.software.interval import share
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class ErrorsOf:
    """Requests of one class / all requests, with Wilson's interval."""

    unit: Unit = "share"
    of_column = False

    def __init__(self, id: str, name: str, help: str) -> None:
        self.id, self.help = id, help
        self._name = name

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None without requests."""
        return share(profile.errors.get(self._name, 0), profile.requests)


TIMEOUTS = ErrorsOf("software.timeouts", "timeout", "Share of requests without an answer in their time (504).")
MODEL = ErrorsOf(
    "software.errors.model", "model",
    "Share of requests on which the model raised, or gave what its signature doesn't allow.",
)  # fmt: skip
OVERLOAD = ErrorsOf(
    "software.errors.overload", "overload",
    "Share of requests refused because too many were in flight (429) or no runner was ready (503).",
)  # fmt: skip
INPUT = ErrorsOf("software.errors.input", "input", "Share of requests refused for what the caller sent (4xx).")
OTHER = ErrorsOf("software.errors.other", "other", "Share of requests that failed in another way.")
