"""How people do: answers an hour, seconds an answer, and how far two who saw the same thing agree.

Agreement beyond chance is Krippendorff's alpha (stats/agreement.py): 1 is perfect, 0 is chance.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing

import msgspec
import numpy as np

from tidegate.stats.agreement import alpha
from tidegate.storage.layout import Layout
from tidegate.storage.review import Answer, Depth, ReviewStore, Value


class Rater(msgspec.Struct, frozen=True):
    """One person, over the window: standing answers, the median seconds of one, and of the items that others answered too, how many
    they said what most of the others did."""

    name: str
    answers: int
    seconds: float
    agreed: int
    shared: int


class Queue(msgspec.Struct, frozen=True):
    """A queue now, and its people over the window. `alpha`: None where no item was answered by two."""

    depth: Depth
    decided: int
    alpha: float | None
    raters: list[Rater]


def queues(layout: Layout, since: float) -> list[Queue]:
    """Every queue, with its people's answers since then (unix seconds)."""
    with closing(ReviewStore(layout)) as store:
        return [_queue(depth, store.said(depth.queue, since=since)) for depth in store.depths()]


def _queue(depth: Depth, said: Sequence[Answer]) -> Queue:
    items: dict[int, list[Answer]] = defaultdict(list)
    for one in said:
        items[one.task].append(one)
    people: dict[str, list[Answer]] = defaultdict(list)
    for one in said:
        people[one.rater].append(one)
    found = _alpha([one.value for one in answers] for answers in items.values())
    raters = [_rater(name, mine, items) for name, mine in sorted(people.items(), key=lambda pair: -len(pair[1]))]
    return Queue(depth, len(items), found, raters)


def _rater(name: str, mine: Sequence[Answer], items: dict[int, list[Answer]]) -> Rater:
    agreed = shared = 0
    for one in mine:
        others = Counter(other.value for other in items[one.task] if other.rater != name)
        if others:
            shared += 1
            agreed += others[one.value] == max(others.values())
    times = sorted(one.took for one in mine)
    return Rater(name, len(mine), times[len(times) // 2], agreed, shared)


def _alpha(items: Iterable[Sequence[Value]]) -> float | None:
    """Of each item's answers; None where no item was answered by two."""
    codes: dict[Value, int] = {}
    tallies = [Counter(codes.setdefault(value, len(codes)) for value in answers) for answers in items]
    table = np.array([[tally[code] for code in range(len(codes))] for tally in tallies], np.int64)
    found = alpha(table.reshape(len(tallies), len(codes)))
    return None if np.isnan(found) else found
