"""Routes of batches that recur: `view` looks at them, `operate` starts and ends runs."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request

from tidegate.api.errors import RESPONSES
from tidegate.api.params import Name, Operator, Viewer
from tidegate.api.state import control_of

router = APIRouter(prefix="/api/batches", responses=RESPONSES, tags=["batches"])

RunId = Annotated[int, Path(ge=1, le=2**62, description="The run's number")]


@router.get("")
def batches(request: Request, actor: Viewer) -> list[dict[str, Any]]:
    """Every batch of the project: when it runs next, and its newest run."""
    from tidegate.app import batches_of
    from tidegate.batches.listing import listed

    layout = control_of(request).layout
    return [msgspec.to_builtins(one) for one in listed(layout, batches_of(layout))]


@router.get("/runs")
def runs(
    request: Request,
    actor: Viewer,
    name: Annotated[str, Query(max_length=100, description="Of one batch")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 20,
) -> list[dict[str, Any]]:
    """Runs, newest first."""
    from tidegate.storage.batch_runs import BatchStore

    with closing(BatchStore(control_of(request).layout)) as store:
        return [msgspec.to_builtins(one) for one in store.listed(name, limit)]


@router.get("/runs/{id}")
def run(request: Request, id: RunId, actor: Viewer) -> dict[str, Any]:
    """One run: how far it is, or what came of it."""
    from tidegate.storage.batch_runs import BatchStore

    with closing(BatchStore(control_of(request).layout)) as store:
        return dict(msgspec.to_builtins(store.get(id)))


@router.post("/{name}/run", status_code=201)
def start(request: Request, name: Name, actor: Operator) -> dict[str, Any]:
    """Run it now, whatever its schedule says. 409 while it runs."""
    from tidegate.app import batches_of
    from tidegate.batches.listing import ask

    layout = control_of(request).layout
    return dict(msgspec.to_builtins(ask(layout, batches_of(layout), name, actor)))


@router.post("/runs/{id}/cancel")
def cancel(request: Request, id: RunId, actor: Operator) -> dict[str, Any]:
    """End a run after the part that it is at; what it has appended to a table stays there."""
    from tidegate.storage.batch_runs import BatchStore

    with closing(BatchStore(control_of(request).layout)) as store:
        return dict(msgspec.to_builtins(store.cancel(id, actor)))
