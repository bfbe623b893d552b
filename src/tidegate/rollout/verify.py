"""Judge every decision of a rollout again from its stored counts, and compare the bytes.

state.db (decisions, batches) --refeed--> Judge --> Judgement == the stored one?
"""

from __future__ import annotations

from contextlib import closing

import msgspec

from tidegate.errors import NotFound
from tidegate.rollout.replay import as_it_was, finite, refeed
from tidegate.storage.layout import Layout
from tidegate.storage.rollouts import RolloutStore


class Difference(msgspec.Struct, frozen=True):
    """A decision that doesn't repeat itself. `stored` and `again` are the judgements as JSON."""

    number: int
    event: str
    stored: str
    again: str


class Verified(msgspec.Struct, frozen=True):
    """What was checked: decisions that rest on a judgement, all decisions, and those that differ."""

    rollout: int
    checked: int
    decisions: int
    differences: list[Difference]


def verify(layout: Layout, rollout: int) -> Verified:
    """Errors: NotFound for an unknown rollout."""
    with closing(RolloutStore(layout)) as store:
        state = store.get(rollout)
        if state is None:
            raise NotFound(f"there is no rollout {rollout}; `tidegate rollout history` lists them")
        decisions, batches = store.decisions(rollout), store.batches(rollout)
    checked = 0
    differences: list[Difference] = []
    for decision, judge in refeed(state.plan, decisions, batches):
        if decision is None or decision.judgement is None:
            continue
        checked += 1
        again = msgspec.json.encode(finite(judge.judge(*as_it_was(state, decision))))
        stored = msgspec.json.encode(decision.judgement)
        if again != stored:
            differences.append(Difference(decision.number, decision.event, stored.decode(), again.decode()))
    return Verified(rollout, checked, len(decisions), differences)
