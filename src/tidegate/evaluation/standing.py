"""Where the versions of a rollout stand beside what could be hoped for: people, the literature, a quick model, the older system."""

from __future__ import annotations

from contextlib import closing

import msgspec

from tidegate.errors import TidegateError
from tidegate.evaluation.base import Line, Metric
from tidegate.evaluation.table import evaluate
from tidegate.metrics.quality.rows import Rules
from tidegate.storage.baselines import BaselineStore
from tidegate.storage.layout import Layout

REACH = 30 * 86400.0
"""Seconds before a rollout whose labels count, too."""


class Standing(msgspec.Struct, frozen=True):
    """A version over all its labelled requests, with every baseline beside it."""

    version: str
    metric: Metric
    line: Line


def standing(
    layout: Layout, endpoint: str, versions: list[str], rules: Rules | None = None, *, start: float, end: float
) -> list[Standing]:
    """Those of the versions that have answered labelled requests; none where the endpoint has no baseline."""
    with closing(BaselineStore(layout)) as store:
        if not store.listed(endpoint):
            return []
    found = []
    for version in versions:
        try:
            made = evaluate(layout, endpoint, rules, start=start - REACH, end=end, version=version)
        except TidegateError:  # no label of its answers yet
            continue
        found.append(Standing(version, made.metric, made.lines[0]))
    return found
