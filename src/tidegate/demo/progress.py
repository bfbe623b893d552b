"""What the demo knows while it runs: written by the replay and by the poller of the log, drawn by the view."""

from __future__ import annotations

import time
from bisect import insort
from collections import Counter, deque
from pathlib import Path

import msgspec

from tidegate.views.rollouts import RolloutView


class Year(msgspec.Struct):
    """One year of the replay. `auc`, `labelled` and `severe` come from the prediction log, the rest from the client."""

    year: int
    rows: int
    sent: int = 0
    labelled: int = 0
    auc: float = float("nan")
    severe: float = float("nan")
    expected: float = float("nan")
    """The AUC that the scores alone lead one to expect (CBPE); no label is looked at."""


class Moved(msgspec.Struct):
    """A column that is no longer what it was. `effect` is the distance from the reference, 0 to 1."""

    column: str
    how: str
    effect: float
    alarm: bool


class Progress(msgspec.Struct):
    """All of it. Times in seconds, latencies in milliseconds."""

    years: list[Year]
    speed: float
    started: float = 0.0
    ended: float = 0.0
    stage: str = ""
    sent: int = 0
    acknowledged: int = 0
    labels_sent: int = 0
    errors: Counter[str] = msgspec.field(default_factory=Counter)
    latencies: list[float] = []
    """Every answer's, sorted: 41,666 numbers are few enough to keep, so the percentiles are exact."""
    recent: deque[tuple[float, float]] = msgspec.field(default_factory=lambda: deque(maxlen=2048))
    """(when, latency) of the newest answers."""
    history: deque[float] = msgspec.field(default_factory=lambda: deque(maxlen=120))
    """Answers a second, one number a second."""
    logged: int = 0
    lag_seconds: float = 0.0
    lag_bytes: int = 0
    memory: int = 0
    """Resident bytes of all of Tidegate's processes."""
    baseline: float = float("nan")
    """AUC on held-out rows of the training year."""
    held_out: Path | None = None
    """Those rows' scores and labels."""
    addresses: dict[str, str] = {}
    cause: str = ""
    """What the open incident says, in one line."""
    incidents: int = 0
    moved: list[Moved] = []
    """Columns, the furthest from their reference first."""
    again: bool = False
    """Whether this is the further traffic, beside rollouts."""
    rollout: RolloutView | None = None
    """The rollout under way, while there is one to look at."""

    def answered(self, latency_ms: float) -> None:
        """Count one acknowledged prediction."""
        self.acknowledged += 1
        insort(self.latencies, latency_ms)
        self.recent.append((time.monotonic(), latency_ms))

    def percentile(self, share: float) -> float:
        """Of all answers so far; 0 before the first.

        >>> p = Progress(years=[], speed=1.0)
        >>> for ms in (3.0, 1.0, 2.0): p.answered(ms)
        >>> p.percentile(0.5), p.percentile(0.99)
        (2.0, 3.0)
        """
        if not self.latencies:
            return 0.0
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]

    def recent_percentile(self, share: float, window: float = 3.0) -> float:
        """Of the answers of the last `window` seconds; 0 where there are none."""
        since = time.monotonic() - window
        newest = sorted(latency for when, latency in self.recent if when >= since)
        return newest[min(len(newest) - 1, int(share * len(newest)))] if newest else 0.0

    @property
    def error_count(self) -> int:
        return sum(self.errors.values())

    @property
    def rate(self) -> float:
        """Answers a second over the last second; 0 before and after."""
        return self.history[-1] if self.history and not self.ended else 0.0
