"""Routes of rollouts: `view` looks, `operate` starts, promotes, goes back and freezes. The command line calls the same functions."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request

from tidegate.api.bodies import FreezeRequest, PromoteRequest, ReasonRequest, StartRequest, UndoRequest
from tidegate.api.errors import RESPONSES
from tidegate.api.params import Name, Operator, Viewer
from tidegate.api.state import control_of

router = APIRouter(prefix="/api", responses=RESPONSES, tags=["rollouts"])

Id = Annotated[int | None, Query(ge=1, le=2**62, description="An earlier rollout; the newest by default")]


@router.get("/rollouts")
def history(
    request: Request,
    actor: Viewer,
    endpoint: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> list[dict[str, Any]]:
    """Rollouts, newest first."""
    from tidegate.views import rollouts

    found: list[dict[str, Any]] = _plain(rollouts.history(control_of(request).layout, endpoint, limit))
    return found


@router.get("/endpoints/{endpoint}/rollout")
def status(request: Request, endpoint: Name, actor: Viewer, id: Id = None) -> dict[str, Any]:
    """Where it stands: steps, evidence against each guardrail, what it waits for, decisions, examples."""
    from tidegate.views import rollouts

    found: dict[str, Any] = _plain(rollouts.read(control_of(request).layout, endpoint, id=id))
    return found


@router.get("/rollouts/{id}/verify")
def verify(request: Request, id: Annotated[int, Path(ge=1, le=2**62)], actor: Viewer) -> dict[str, Any]:
    """Judge every decision once more from the counts that are kept."""
    from tidegate.rollout.verify import verify as again

    found: dict[str, Any] = _plain(again(control_of(request).layout, id))
    return found


@router.post("/endpoints/{endpoint}/rollout", status_code=201)
def start(request: Request, endpoint: Name, body: StartRequest, actor: Operator) -> dict[str, Any]:
    """Begin to let a version in, by the endpoint's strategy."""
    from tidegate.rollout import commands

    layout = control_of(request).layout
    state = commands.start(layout, endpoint, body.to, actor=actor, reason=body.reason, dry_run=body.dry_run)
    found: dict[str, Any] = _plain(state)
    return found


@router.post("/endpoints/{endpoint}/rollout/promote")
def promote(request: Request, endpoint: Name, body: PromoteRequest, actor: Operator) -> dict[str, Any]:
    """Go on to the next step now; with `full` to the end, without proof."""
    return _act(request, "promote", endpoint, actor, reason=body.reason, full=body.full)


@router.post("/endpoints/{endpoint}/rollout/pause")
def pause(request: Request, endpoint: Name, body: ReasonRequest, actor: Operator) -> dict[str, Any]:
    """Stay where it is until resumed; an alarm still goes back."""
    return _act(request, "pause", endpoint, actor, reason=body.reason)


@router.post("/endpoints/{endpoint}/rollout/resume")
def resume(request: Request, endpoint: Name, body: ReasonRequest, actor: Operator) -> dict[str, Any]:
    """Go on after a pause."""
    return _act(request, "resume", endpoint, actor, reason=body.reason)


@router.post("/endpoints/{endpoint}/rollout/abort")
def abort(request: Request, endpoint: Name, body: ReasonRequest, actor: Operator) -> dict[str, Any]:
    """All traffic back to the stable version, at once; allowed in a freeze."""
    return _act(request, "abort", endpoint, actor, reason=body.reason)


@router.post("/endpoints/{endpoint}/rollout/retry")
def retry(request: Request, endpoint: Name, body: ReasonRequest, actor: Operator) -> dict[str, Any]:
    """Try a rollout that went back once more, with its evidence."""
    return _act(request, "retry", endpoint, actor, reason=body.reason)


@router.post("/endpoints/{endpoint}/rollout/undo")
def undo(request: Request, endpoint: Name, body: UndoRequest, actor: Operator) -> dict[str, Any]:
    """Back to an earlier split: at once within the rollback window, else by the strategy."""
    return _act(request, "undo", endpoint, actor, reason=body.reason, to_revision=body.to_revision)


@router.get("/freezes")
def freezes(request: Request, actor: Viewer) -> list[dict[str, Any]]:
    """Freezes in force."""
    from tidegate.views import rollouts

    found: list[dict[str, Any]] = _plain(rollouts.freezes(control_of(request).layout))
    return found


@router.post("/freezes", status_code=201)
def freeze(request: Request, body: FreezeRequest, actor: Operator) -> dict[str, Any]:
    """Nobody starts or promotes until then, the controller included."""
    from tidegate.rollout import commands

    layout = control_of(request).layout
    made = commands.freeze(layout, body.endpoint, until=body.until, reason=body.reason, actor=actor)
    found: dict[str, Any] = _plain(made)
    return found


@router.delete("/freezes")
def unfreeze(
    request: Request, actor: Operator, endpoint: Annotated[str, Query(min_length=1, max_length=100)] = "*"
) -> list[dict[str, Any]]:
    """End the freezes of an endpoint; those of all by default."""
    from tidegate.rollout import commands

    found: list[dict[str, Any]] = _plain(commands.unfreeze(control_of(request).layout, endpoint, actor=actor))
    return found


def _act(request: Request, command: str, endpoint: str, actor: str, **options: Any) -> dict[str, Any]:
    from tidegate.rollout import commands

    state = getattr(commands, command)(control_of(request).layout, endpoint, actor=actor, **options)
    found: dict[str, Any] = _plain(state)
    return found


def _plain(value: Any) -> Any:
    """JSON-ready; an infinite evidence is null."""
    return msgspec.json.decode(msgspec.json.encode(value))
