"""The four contracts. Each metric says its id (GROUP.NAME), its unit, and one line of help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value

Unit = Literal["share", "seconds", "bytes", "count", "per_second", "number"]


class ProfileMetric(Protocol):
    """Of a window's merged profile. `reference` is the reference's column of the same name, where there is one."""

    id: str
    unit: Unit
    help: str
    of_column: bool
    """Whether it is taken of each column (its id then ends in the column's name) or of the window as a whole."""

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """The value; None where it has no meaning here (no rows, another kind of column)."""
        ...


class Labelled(msgspec.Struct):
    """Predictions and their labels, row by row; all arrays of one length n.

    `truth` holds labels as given (floats or texts; missing ones are not here). `answer` is the predicted class or
    number, `score` the probability of `positive` (binary) or None, `scores` [n, classes] with `classes` in order, or
    None. `items` is a ranked list a row (recommendations), or None.
    """

    task: Literal["binary", "multiclass", "regression", "text", "ranking"]
    truth: npt.NDArray[Any]
    answer: npt.NDArray[Any]
    score: npt.NDArray[np.float64] | None = None
    scores: npt.NDArray[np.float64] | None = None
    classes: Sequence[str] = ()
    positive: str = "1"
    items: list[list[str]] | None = None

    def __len__(self) -> int:
        return len(self.truth)


class QualityMetric(Protocol):
    """Of labelled rows. `higher_is_better` says which way is worse."""

    id: str
    help: str
    higher_is_better: bool
    tasks: tuple[str, ...]

    def of(self, rows: Labelled) -> Value | None:
        """The value with its confidence interval (95%), None where it has no meaning (one class only, say)."""
        ...


class Events(msgspec.Struct):
    """What people did after predictions. `names` [predictions] is the set of event names of each answered prediction
    (empty for most); `values` by name holds the numbers they came with (a rank clicked, say)."""

    predictions: int
    names: list[frozenset[str]]
    values: dict[str, npt.NDArray[np.float64]] = {}


class EventMetric(Protocol):
    """Of events: a share of predictions, with its interval."""

    id: str
    help: str
    higher_is_better: bool

    def of(self, events: Events) -> Value | None:
        """The value; None without predictions."""
        ...


class Descriptor(Protocol):
    """Of payloads: a few numbers or words that say what came in. Never raises for what a payload holds."""

    id: str
    help: str
    names: tuple[str, ...]
    """The columns it makes of a column C: `C.NAME` of the wire becomes `C_NAME` in the log."""

    def describe(self, values: Sequence[Any]) -> dict[str, list[Any]]:
        """Name -> one value a payload (None where it can't be told)."""
        ...
