"""A unit counts once a stage: at its first exposure, bad if anything bad happened within the outcome window after it.

    records of a unit --first--> pending --window over--> one count a metric, in the order of first exposures

A request without a unit, or of an endpoint that assigns requests, is a unit of its own and counts at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from tidegate.rollout.evidence.stage import Tag
from tidegate.rollout.evidence.tail import Line
from tidegate.storage.journal_reader import Position

Outcomes = dict[str, int]
"""Metric -> category; of a rate the worst so far."""


class Pending(msgspec.Struct, gc=False):
    """A unit whose window is open. `since` is of a steady clock; `slot` and `place` say where its first record was read.

    `bad` is the first record with a bad outcome: others aren't kept, as there may be a great many units.
    """

    unit: str
    canary: bool
    role: str
    tag: Tag
    slot: str
    place: Position
    time_ns: int
    since: float
    outcomes: Outcomes
    bad: Line | None = None


class Windows:
    """Units whose window is open, oldest first. `window` in seconds."""

    def __init__(self, window: float, emit: Callable[[Pending], None]) -> None:
        self._window = window
        self._emit = emit
        self._open: OrderedDict[str, Pending] = OrderedDict()
        self._latest = 0

    def __contains__(self, unit: str) -> bool:
        return unit in self._open

    def first(self, pending: Pending) -> None:
        """A unit's first record."""
        self._open[pending.unit] = pending

    def again(self, unit: str, line: Line, outcomes: Outcomes) -> None:
        """A further record of a unit: the worst counts, within the window."""
        pending = self._open[unit]
        if line.time - pending.time_ns <= self._window * 1e9:
            for metric, category in outcomes.items():
                pending.outcomes[metric] = max(category, pending.outcomes.get(metric, 0))
            if pending.bad is None and any(outcomes.values()):
                pending.bad = line

    def met(self, time_ns: int) -> None:
        """The newest record's time, by which windows end as well: traffic is their clock, as a journal may be read late."""
        self._latest = max(self._latest, time_ns)

    def end(self, now: float) -> None:
        """Count those whose window is over, by the records' clock or, where traffic has stopped, by ours."""
        while self._open:
            pending = next(iter(self._open.values()))
            over = self._latest - pending.time_ns > self._window * 1e9 or now - pending.since > self._window + 1.0
            if not over:
                break
            self._open.popitem(last=False)
            self._emit(pending)

    def earliest(self, slot: str) -> Position | None:
        """Where the first record of an open unit was read in a slot."""
        return min((pending.place for pending in self._open.values() if pending.slot == slot), default=None)
