"""A retraining as it is kept and shown: why it began, on which rows and by which code it learned, what came of it, who said yes.

queued -> collecting -> training -> adding -> evaluating -> [waiting] -> starting -> rolling -> done
                 any of them -> rejected (the candidate is worse) | failed | cancelled; the stable version serves on
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Cause = Literal["person", "drift", "quality", "schedule", "labels"]
Step = Literal[
    "queued", "collecting", "training", "adding", "evaluating", "waiting", "starting", "rolling", "done", "rejected",
    "failed", "cancelled",
]  # fmt: skip
LIVE = ("queued", "collecting", "training", "adding", "evaluating", "waiting", "starting", "rolling")
WORK = ("queued", "collecting", "training", "adding", "evaluating", "starting")
"""Steps that a process works on; the others wait for a person or a rollout."""


class Code(msgspec.Struct, frozen=True):
    """What learned. file, digest: of the module's source, where it has one. commit: of the repository around it, with `+` where its files
    differ from it. environment: python, platform, packages."""

    trainer: str
    file: str = ""
    digest: str = ""
    commit: str = ""
    seed: int = 0
    options: dict[str, Any] = {}
    environment: dict[str, Any] = {}


class Approval(msgspec.Struct, frozen=True):
    """A person's yes or no to a candidate."""

    actor: str
    time: float
    yes: bool
    reason: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """The candidate beside the version that it would replace, on rows that neither learned from. `broken`: slices that are surely worse,
    "" being the whole. `table` and `comparison` are what `tidegate evaluate` shows."""

    metric: str
    old: float
    new: float
    rows: int
    low: float
    high: float
    broken: list[str]
    table: Any = None
    comparison: Any = None

    @property
    def better(self) -> bool:
        """Surely: its errors are fewer beyond chance."""
        return self.high < 0


class Retraining(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run. Times are unix seconds, 0 where they don't apply.

    text: why it began, in words; mark: what started it, such that nothing starts two. options: as they were then. message: what it does
    or waits for; error: why it failed. done, total, said: how far the training says it is. parent: the version that served most callers,
    parent_artifact its file. entry: the candidate as the project file would have it, artifact its file as it is kept. rollout: its number.
    steps: when each began. tries: processes that worked on its step. tracking: the id of its run at a tracking server.
    """

    id: int
    endpoint: str
    cause: Cause
    actor: str
    state: Step
    options: dict[str, Any]
    created: float
    text: str = ""
    mark: str = ""
    message: str = ""
    error: str = ""
    ended: float = 0.0
    tries: int = 0
    done: int = 0
    total: int = 0
    said: str = ""
    cancelling: str = ""
    model: str = ""
    version: str = ""
    parent: str = ""
    parent_artifact: str = ""
    artifact: str = ""
    entry: dict[str, Any] = {}
    data: Any = None
    code: Code | None = None
    metrics: dict[str, float] = {}
    seconds: float = 0.0
    memory: int = 0
    verdict: Verdict | None = None
    approvals: list[Approval] = []
    rollout: int = 0
    outcome: str = ""
    tracking: str = ""
    steps: dict[str, float] = {}

    @property
    def over(self) -> bool:
        """Whether nothing will be done for it any more."""
        return self.state not in LIVE
