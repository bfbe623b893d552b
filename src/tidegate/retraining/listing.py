"""Retraining as people ask for it: what is retrained and when, what asks for it now and why it waits, and the runs.

project in force --> EndpointView     run/retraining.json --> what asks     storage.retraining --> runs
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from tidegate.retraining import dataset
from tidegate.retraining.child import log_of
from tidegate.retraining.dataset import Dataset
from tidegate.retraining.options import RetrainingOptions
from tidegate.retraining.scheduler import Asked
from tidegate.retraining.triggers import held
from tidegate.storage.layout import Layout
from tidegate.storage.retraining import RetrainingStore
from tidegate.types.retraining import Retraining

LOG_END = 200_000


class EndpointView(msgspec.Struct, frozen=True):
    """An endpoint that is retrained. `next` (unix seconds) is when its schedule is due, 0 for none; `held` says why no automatic run may
    start now; `asked` what asks for one; `spent` of `budget` automatic runs in `per` seconds."""

    endpoint: str
    trainer: str
    auto: list[str]
    schedule: str
    next: float
    window: float
    held: str
    spent: int
    budget: int
    per: float
    asked: list[Asked]
    runs: list[Retraining]


class Plan(msgspec.Struct, frozen=True):
    """What a run would do now (a dry run): its rows, and from where."""

    endpoint: str
    trainer: str
    parent: str
    data: Dataset
    enough: bool


def endpoints(layout: Layout, retrained: Mapping[str, RetrainingOptions], limit: int = 20) -> list[EndpointView]:
    """By name; the newest runs of each first."""
    asked: dict[str, list[Asked]] = {}
    try:
        asked = msgspec.json.decode((layout.run / "retraining.json").read_bytes(), type=dict[str, list[Asked]])
    except (OSError, msgspec.MsgspecError):
        pass
    now = time.time()
    found = []
    with closing(RetrainingStore(layout)) as store:
        for name, options in sorted(retrained.items()):
            runs = store.listed(name, 10_000)
            due = options.due() if "schedule" in options.auto else None
            spent = sum(1 for run in runs if run.cause != "person" and run.created > now - options.budget.per)
            found.append(
                EndpointView(
                    name, options.trainer, list(options.auto), str(due or ""), due.next(now) if due is not None else 0.0,
                    options.window, held(options, runs, now) if options.auto else "", spent, options.budget.runs,
                    options.budget.per, asked.get(name, []), runs[:limit],
                )
            )  # fmt: skip
    return found


def plan(layout: Layout, endpoint: str, options: RetrainingOptions, rules: Any, parent: str) -> Plan:
    """Read what a run would read, and keep nothing. Errors: those of `dataset.collect`, but for too few rows."""
    data = dataset.collect(layout, endpoint, options, rules, time.time(), keep=False)
    return Plan(endpoint, options.trainer, parent, data, data.learned + data.judged >= options.min_rows)


def log_text(layout: Layout, id: int) -> str:
    """The end of what a run's training has printed. Errors: NotFound for an unknown run."""
    with closing(RetrainingStore(layout)) as store:
        store.get(id)
    path: Path = log_of(layout, id)
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_END))
        return file.read().decode(errors="replace")
