"""Routes of rollouts: `view` looks, `operate` starts, promotes, goes back and freezes. The command line calls the same functions."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request

from tidegate.api.bodies import FreezeRequest, PromoteRequest, ReasonRequest, StartRequest, UndoRequest
from tidegate.api.errors import RESPONSES
from tidegate.api.params import Name, Operator, Viewer
from tidegate.api.state import control_of
from tidegate.errors import NotFound

router = APIRouter(prefix="/api", responses=RESPONSES, tags=["rollouts"])

Number = Annotated[int, Path(ge=1, le=2**62)]
Metric = Annotated[str, Query(max_length=200, description="This metric alone")]
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


@router.get("/rollouts/{id}")
def rollout(request: Request, id: Number, actor: Viewer) -> dict[str, Any]:
    """One rollout by its id, as `GET /api/endpoints/{endpoint}/rollout` has the newest."""
    from tidegate.views import rollouts

    found: dict[str, Any] = _plain(rollouts.read_one(control_of(request).layout, id, courses=True))
    return found


@router.get("/rollouts/{id}/explanation")
def explanation(request: Request, id: Number, actor: Viewer, metric: Metric = "") -> dict[str, Any]:
    """Why it is where it is, in plain words: headline, reason, the metrics that decided, what to do next."""
    import time

    from tidegate.api.evaluation import finite
    from tidegate.app import label_options
    from tidegate.evaluation.standing import standing
    from tidegate.views import explanation as views
    from tidegate.views import rollouts

    view = rollouts.read_one(control_of(request).layout, id)
    watched = [spec.name for spec in view.state.plan.metrics]
    if metric and metric not in watched:
        raise NotFound(f"metric: rollout {id} doesn't watch {metric!r}; it watches {', '.join(watched)}")
    found: dict[str, Any] = _plain(views.explain(view, metric))
    state = view.state
    rules, _ = label_options(control_of(request).layout, state.endpoint)
    beside = standing(
        control_of(request).layout, state.endpoint, [state.stable, state.canary], rules, start=state.created,
        end=state.ended or time.time(),
    )  # fmt: skip
    return {**found, "baselines": finite(msgspec.to_builtins(beside))}


@router.get("/rollouts/{id}/evidence")
def evidence(request: Request, id: Number, actor: Viewer, metric: Metric = "") -> dict[str, Any]:
    """Evidence over time: rates of both versions with their bounds, and ln E of harm and of safety with their lines."""
    from tidegate.views.evidence import evidence as read

    found: dict[str, Any] = _plain(read(control_of(request).layout, id, metric))
    return found


@router.get("/rollouts/{id}/forecast")
def remaining(request: Request, id: Number, actor: Viewer) -> dict[str, Any]:
    """What it still needs, step by step: units of the new version and seconds, -1 where nobody can tell."""
    from tidegate.views.forecast import remaining as read

    found: dict[str, Any] = _plain(read(control_of(request).layout, id))
    return found


@router.get("/rollouts/{id}/decisions")
def decisions(request: Request, id: Number, actor: Viewer) -> list[dict[str, Any]]:
    """Every decision, oldest first; a decision's number never changes."""
    from tidegate.views import rollouts

    found: list[dict[str, Any]] = _plain(rollouts.decisions_of(control_of(request).layout, id))
    return found


@router.get("/rollouts/{id}/decisions/{number}")
def decision(request: Request, id: Number, number: Number, actor: Viewer) -> dict[str, Any]:
    """One decision with the judgement it rests on."""
    from tidegate.views import rollouts

    found: dict[str, Any] = _plain(rollouts.decision_of(control_of(request).layout, id, number))
    return found


@router.get("/endpoints/{endpoint}/forecast")
def forecast(
    request: Request,
    endpoint: Name,
    actor: Viewer,
    to: Annotated[str, Query(min_length=1, max_length=100, description="The version that would take over")],
) -> dict[str, Any]:
    """What a rollout would do, and about how long it would take; starts nothing."""
    from tidegate.rollout import commands
    from tidegate.views.forecast import forecast as read

    layout = control_of(request).layout
    planned = commands.start(layout, endpoint, to, actor=actor, dry_run=True)
    found: dict[str, Any] = _plain({"rollout": planned, "forecast": read(layout, planned)})
    return found


@router.get("/endpoints/{endpoint}/diff")
def diff(
    request: Request,
    endpoint: Name,
    actor: Viewer,
    to: Annotated[str, Query(max_length=100, description="The version compared; the newest rollout's by default")] = "",
    since: Annotated[float, Query(ge=0, le=1e11, description="Unix seconds; only requests from then on")] = 0.0,
    examples: Annotated[int, Query(ge=0, le=200)] = 5,
    limit: Annotated[int, Query(ge=1, le=200_000, description="The newest copies compared")] = 200_000,
) -> dict[str, Any]:
    """Where a shadow answers otherwise than callers were answered: how often, on which inputs, how fast, with examples."""
    from datetime import UTC, datetime

    from tidegate.views import rollouts
    from tidegate.views.shadow import diff as compare

    layout = control_of(request).layout
    version = to or rollouts.read(layout, endpoint, courses=False).state.canary
    start = datetime.fromtimestamp(since, UTC) if since else None
    report = compare(layout, endpoint, version, since=start, examples=examples, limit=limit)
    found: dict[str, Any] = _plain(report)
    return found


@router.get("/rollouts/{id}/verify")
def verify(request: Request, id: Number, actor: Viewer) -> dict[str, Any]:
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
