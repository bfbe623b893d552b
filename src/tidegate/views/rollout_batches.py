"""A rollout's batches, of which only the new ones are read: a rollout of days has tens of thousands, and a page asks every 2 s.

state.db --batches after the last known--> what this process has seen, by rollout
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

from tidegate.storage.layout import Layout
from tidegate.storage.rollouts import RolloutStore
from tidegate.types.rollouts import Batch, RolloutState

MOST = 8
"""Rollouts that are remembered, those asked for last."""

ALWAYS = ("srm", "labels")
"""Batches of these hold the units of each arm, whatever is watched."""

_lock = threading.Lock()
_seen: OrderedDict[tuple[str, int, float], dict[str, list[Batch]]] = OrderedDict()


def batches_of(layout: Layout, store: RolloutStore, state: RolloutState) -> dict[str, list[Batch]]:
    """By metric, oldest first; a metric without any has an empty list. Evidence is only ever added to, so that what was read stays."""
    names: Iterable[str] = dict.fromkeys((*(spec.name for spec in state.plan.metrics), *ALWAYS))
    key = (str(layout.root), state.id, state.created)  # a folder that was made anew counts its rollouts from 1 again
    with _lock:
        kept = _seen.setdefault(key, {})
        _seen.move_to_end(key)
        while len(_seen) > MOST:
            _seen.popitem(last=False)
        for name in names:
            found = kept.setdefault(name, [])
            found += store.batches_after(state.id, name, len(found))
        return {name: list(found) for name, found in kept.items()}
