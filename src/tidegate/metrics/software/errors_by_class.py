"""Failed requests by what failed, as profiles count them: time-outs, overload, the model, the caller's input, the rest."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.metrics.software.interval import share
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class ErrorsOf:
    """Requests of one class / all requests, with Wilson's interval."""

    id = "software.errors"
    name = ""
    unit: Unit = "share"
    help = ""
    of_column = False

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None without requests."""
        return share(profile.errors.get(self.name, 0), profile.requests)


class Timeouts(ErrorsOf):
    """Class `timeout`."""

    id, name = "software.timeouts", "timeout"
    help = "Share of requests without an answer in their time (504)."


class ModelErrors(ErrorsOf):
    """Class `model`."""

    id, name = "software.errors.model", "model"
    help = "Share of requests on which the model raised, or gave what its signature doesn't allow."


class OverloadErrors(ErrorsOf):
    """Class `overload`."""

    id, name = "software.errors.overload", "overload"
    help = "Share of requests refused because too many were in flight (429) or no runner was ready (503)."


class InputErrors(ErrorsOf):
    """Class `input`."""

    id, name = "software.errors.input", "input"
    help = "Share of requests refused for what the caller sent (4xx)."


class OtherErrors(ErrorsOf):
    """Class `other`."""

    id, name = "software.errors.other", "other"
    help = "Share of requests that failed in another way."
