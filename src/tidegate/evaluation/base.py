"""What an evaluation is made of. Errors are lower-is-better everywhere here; `Metric` says how to show them."""

from __future__ import annotations

import msgspec

from tidegate.storage.baselines import Kind


class Metric(msgspec.Struct, frozen=True):
    """A task's metric as an error. `flipped`: people know it as 1 - error (accuracy, nDCG)."""

    id: str
    name: str
    flipped: bool

    def shown(self, error: float) -> float:
        """As people know it."""
        return 1.0 - error if self.flipped else error


METRICS = {
    "text": Metric("quality.wer", "word error rate", False),
    "binary": Metric("quality.accuracy", "accuracy", True),
    "multiclass": Metric("quality.accuracy", "accuracy", True),
    "regression": Metric("quality.mae", "mean absolute error", False),
    "ranking": Metric("quality.ndcg", "nDCG", True),
}


class Estimate(msgspec.Struct, frozen=True):
    """A mean error and its bounds (95%, corrected for the number of slices). nan, and infinite bounds, where nothing is known."""

    error: float
    low: float
    high: float
    rows: int

    @property
    def known(self) -> bool:
        """Whether there is a figure."""
        return self.error == self.error


class Beside(msgspec.Struct, frozen=True):
    """A baseline in one slice. `gap` is the model's error less its own, on the same rows where `paired`."""

    name: str
    kind: Kind
    level: Estimate
    gap: Estimate
    paired: bool


class Line(msgspec.Struct, frozen=True):
    """One slice (`slice` is empty for all rows). `share` of traffic, labelled or not. `shrunk`: the error drawn towards the whole's as far
    as chance alone could make the difference. `priority`: what the whole would gain for sure, were the gap to the ceiling closed."""

    slice: str
    share: float
    model: Estimate
    shrunk: float
    beside: list[Beside]
    priority: float


class Evaluation(msgspec.Struct, frozen=True):
    """All of it. `ceiling` names the baseline that priorities are against, empty for an error of 0; `next` says where to work; `notes` what
    keeps figures from being read as they look."""

    endpoint: str
    version: str
    metric: Metric
    start: float
    end: float
    lines: list[Line]
    ceiling: str
    next: str
    notes: list[str]


class Change(msgspec.Struct, frozen=True):
    """A slice under two versions on the same rows: the new one's error less the old one's."""

    slice: str
    old: float
    new: float
    change: Estimate

    @property
    def broken(self) -> bool:
        """Surely worse."""
        return self.change.low > 0

    @property
    def gained(self) -> bool:
        """Surely better."""
        return self.change.high < 0


class Comparison(msgspec.Struct, frozen=True):
    """Two versions on the rows that both answered; the whole is the first change."""

    endpoint: str
    old: str
    new: str
    metric: Metric
    changes: list[Change]

    @property
    def broken(self) -> list[str]:
        """Slices that are surely worse, the whole ("") among them."""
        return [one.slice for one in self.changes if one.broken]
