"""Open counts, closed into batches: soon while something bad happens or the rollout is young, rarely on a long quiet one.

count(metric, step, share, arm, category) --due?--> Batch   (a batch has one step and one share)
"""

from __future__ import annotations

from tidegate.types.rollouts import Batch

SOON = 0.1
"""Least seconds between two batches of a metric in which the canary did something bad."""

OFTEN, SELDOM = 1.0, 60.0
PART = 0.01
"""Otherwise a batch is at least this part of the rollout's age: a day is some hundred batches."""

Key = tuple[str, int, float]


class Tally:
    """Counts by metric, step and share. Times are of a steady clock, in seconds."""

    def __init__(self) -> None:
        self._open: dict[Key, tuple[list[int], list[int]]] = {}
        self._bad: set[str] = set()
        self._closed: dict[str, float] = {}

    def count(self, metric: str, step: int, share: float, size: int, category: int, canary: bool) -> None:
        """One unit; of a rate category 1 is bad."""
        key = (metric, step, share)
        counts = self._open.get(key)
        if counts is None:
            counts = self._open[key] = ([0] * size, [0] * size)
        counts[0 if canary else 1][category] += 1
        if canary and category and size in (2, 4):
            self._bad.add(metric)

    def close(self, now: float, age: float, wall: float, everything: bool = False) -> dict[str, list[Batch]]:
        """The batches that are due."""
        out: dict[str, list[Batch]] = {}
        if not self._open:
            return out
        quiet = min(max(OFTEN, age * PART), SELDOM)
        due = {
            metric
            for metric in {key[0] for key in self._open}
            if everything or now - self._closed.get(metric, -SELDOM) >= (SOON if metric in self._bad else quiet)
        }
        for key in [key for key in self._open if key[0] in due]:
            metric, step, share = key
            canary, stable = self._open.pop(key)
            out.setdefault(metric, []).append(Batch(step, share, tuple(canary), tuple(stable), wall))
        for metric in due:
            self._closed[metric] = now
            self._bad.discard(metric)
        return out
