"""One tree of errors, readable at a glance. No transport in it: the doors translate.

TidegateError
├── ConfigError            the project file, a flag or an option is wrong (the message names the field and the fix)
├── StateError             the state folder is missing, locked, newer than this program, or damaged
│   └── Conflict           the state doesn't allow it (any more): somebody else changed it, or it is another phase
├── ModelError             a model can't be loaded or used
│   ├── LoadError          the artifact can't be loaded here
│   ├── UntrustedArtifact  loading would run code the user has not said they trust
│   └── PredictError       the model raised, or gave what its signature doesn't allow
├── RequestError           what the caller sent can't be served as it is
│   ├── InvalidRequest     malformed, wrong shape, type, name, missing tensor
│   ├── UnsupportedContent a content type or encoding that this address doesn't read
│   ├── TooLarge           the body passes the limit
│   ├── NotFound           unknown endpoint, model or version
│   ├── Unauthenticated    no key, or one that is unknown
│   └── Forbidden          a known key without the role
├── Unavailable            it can't be served now; try again later (retry_after says when)
│   ├── Overloaded         the queue is full
│   ├── NotReady           loading, restarting, or unloaded
│   └── LogUnavailable     the journal can't be written and the policy is to refuse
├── DeadlineExceeded       no answer within the caller's time or the endpoint's
└── TrainingFailed         a user's training function failed, or took more than it may; once more wouldn't mend it
"""

from __future__ import annotations


class TidegateError(Exception):
    """The root: everything Tidegate raises on purpose."""


class ConfigError(TidegateError):
    """The project file, a flag or an option is wrong."""


class StateError(TidegateError):
    """The state folder is missing, locked, newer than this program, or damaged."""


class Conflict(StateError):
    """The state doesn't allow it: somebody else has changed it meanwhile, or it is in another phase."""


class ModelError(TidegateError):
    """A model can't be loaded or used."""


class LoadError(ModelError):
    """The artifact can't be loaded here."""


class UntrustedArtifact(ModelError):
    """Loading would run code or build types that the user has not said they trust."""


class PredictError(ModelError):
    """The model raised, or gave what its signature doesn't allow."""


class RequestError(TidegateError):
    """What the caller sent can't be served as it is."""


class InvalidRequest(RequestError):
    """Malformed, wrong shape, type or name, or a missing tensor."""


class UnsupportedContent(RequestError):
    """A content type or encoding that this address doesn't read."""


class TooLarge(RequestError):
    """The body passes the limit."""


class NotFound(RequestError):
    """Unknown endpoint, model or version."""


class Unauthenticated(RequestError):
    """No key, or one that is unknown."""


class Forbidden(RequestError):
    """A known key without the role that this needs."""


class Unavailable(TidegateError):
    """It can't be served now. `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Overloaded(Unavailable):
    """The queue is full."""


class NotReady(Unavailable):
    """Loading, restarting, or unloaded."""


class LogUnavailable(Unavailable):
    """The journal can't be written and the policy is to refuse."""


class DecisionPending(TidegateError):
    """People decide this, and have not yet. `prediction_id` is what the decision is asked for by."""

    def __init__(self, prediction_id: str) -> None:
        super().__init__(
            f"people decide this, and have not yet: ask again for the decision of {prediction_id} (Client.decision)"
        )
        self.prediction_id = prediction_id


class DeadlineExceeded(TidegateError):
    """No answer within the caller's time or the endpoint's."""


class TrainingFailed(TidegateError):
    """A training function failed, took too long or too much memory, or gave no model file. Once more wouldn't mend it."""
