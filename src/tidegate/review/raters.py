"""How people do: answers an hour, seconds an answer, and how far two who saw the same thing agree.

Agreement beyond chance is Krippendorff's alpha for nominal answers, which takes any number of raters an item and items that not all
have rated: alpha = 1 - D_observed / D_expected (Krippendorff, Content Analysis, 3rd ed. 2013, chapter 11). 1 is perfect, 0 is chance.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing

import msgspec

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
    found = alpha([one.value for one in answers] for answers in items.values())
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


def alpha(items: Iterable[Sequence[Value]]) -> float | None:
    """Krippendorff's alpha of nominal answers; each item's answers are a list. None where no two answers can be compared, 1 where all are
    the same.

    >>> round(alpha([["a", "a"], ["a", "b"], ["b", "b"], ["b", "b"]]), 3)
    0.533
    """
    observed = 0.0
    totals: Counter[Value] = Counter()
    for answers in items:
        if len(answers) < 2:
            continue
        counts = Counter(answers)
        totals.update(counts)
        differing = len(answers) ** 2 - sum(n * n for n in counts.values())
        observed += differing / (len(answers) - 1)
    n = sum(totals.values())
    if n == 0:
        return None
    expected = (n * n - sum(k * k for k in totals.values())) / (n - 1)
    return 1.0 - observed / expected if expected else 1.0
