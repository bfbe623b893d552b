"""A stage is a run of steps at one weight: the share that each of its units had, and which units can count in it.

    plan, step --stages--> weight before, weight now --share--> P(canary) of a unit that can still go either way

A unit below the weight before is in the canary already: it says nothing new, and is left out.
"""

from __future__ import annotations

from typing import NamedTuple

from tidegate.routing.assign import point
from tidegate.types.rollouts import RolloutPlan


class Tag(NamedTuple):
    """An assignment out of a record: which rollout, at which step, at which weight (percent)."""

    rollout: int
    step: int
    weight: float


def tag(text: str) -> Tag | None:
    """
    >>> tag("7.2@25"), tag("")
    (Tag(rollout=7, step=2, weight=25.0), None)
    """
    head, at, weight = text.partition("@")
    rollout, dot, step = head.partition(".")
    try:
        return Tag(int(rollout), int(step), float(weight)) if at and dot else None
    except ValueError:
        return None


class Stage:
    """One weight of a rollout. `before` and `weight` are percentages of units."""

    def __init__(self, plan: RolloutPlan, weight: float, salt: str, sticky: bool) -> None:
        weights = [step.weight for step in plan.steps if step.kind == "setWeight" and step.weight < weight]
        self.weight = weight
        self.before = max(weights, default=0.0) if sticky else 0.0
        self.sticky = sticky
        self.baseline = plan.baseline and 0 < 2 * weight <= 100
        self._salt = salt

    def counts(self, unit: str) -> bool:
        """Whether this unit could have gone either way."""
        return not (unit and self.sticky) or not self.before or point(unit, self._salt) >= self.before

    def share(self, unit: str) -> float:
        """P(canary) of a unit that counts; of one without a name each request is drawn anew."""
        if not (unit and self.sticky):
            return self.weight / 100.0
        return (self.weight - self.before) / (100.0 - self.before)

    def share_of_baseline(self, unit: str) -> float:
        """P(canary) of a unit in the canary or in its baseline slice, which is as large as the canary's arm."""
        if not (unit and self.sticky):
            return 0.5
        fresh = self.weight - self.before
        return fresh / (fresh + self.weight)
