"""Batches as people ask for them: what there is, when each runs next, and what came of the last; and a run at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing

import msgspec

from tidegate.batches.options import BatchOptions
from tidegate.errors import NotFound
from tidegate.plugins import nearest
from tidegate.storage.batch_runs import BatchStore, Run
from tidegate.storage.layout import Layout


class BatchView(msgspec.Struct, frozen=True):
    """One of the project's batches. `next`: unix seconds, 0 where only people start it; `last`: its newest run, if there was one."""

    name: str
    endpoint: str
    source: str
    target: str
    schedule: str
    next: float
    last: Run | None


def listed(layout: Layout, batches: Mapping[str, BatchOptions]) -> list[BatchView]:
    """In the order of their names."""
    with closing(BatchStore(layout)) as store:
        return [_view(store, name, options) for name, options in sorted(batches.items())]


def ask(layout: Layout, batches: Mapping[str, BatchOptions], name: str, actor: str) -> Run:
    """Queue a run at once. Errors: NotFound for a name that the project doesn't have, Conflict while one runs."""
    if name not in batches:
        raise NotFound(
            f"the project has no batch {name!r}.{nearest(name, batches)} It has: {', '.join(sorted(batches)) or 'none'}"
        )
    with closing(BatchStore(layout)) as store:
        return store.queue(name, time.time(), actor, batches[name].model_dump(mode="json", by_alias=True))


def _view(store: BatchStore, name: str, options: BatchOptions) -> BatchView:
    due = options.due()
    runs = store.listed(name, 1)
    source, target = options.source, options.target
    return BatchView(
        name,
        options.endpoint,
        f"{source.kind} {source.path if source.sql is None else source.sql.query}",
        f"{target.kind} {target.path if target.sql is None else target.sql.table}",
        str(due or ""),
        due.next(time.time()) if due is not None else 0.0,
        runs[0] if runs else None,
    )
