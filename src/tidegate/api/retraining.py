"""Routes of retraining and lineage: `view` looks, `operate` starts, answers and ends runs."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from tidegate.api.bodies import Body
from tidegate.api.errors import RESPONSES
from tidegate.api.evaluation import finite
from tidegate.api.params import Name, Operator, Viewer
from tidegate.api.state import control_of

router = APIRouter(prefix="/api", responses=RESPONSES, tags=["retraining"])

RunId = Annotated[int, Path(ge=1, le=2**62, description="The run's number")]


class RetrainRequest(Body):
    """What stands in for the project file's, and why."""

    window: str = Field("", max_length=20, description="Predictions of the last 30d, 90d")
    query: str = Field("", max_length=10_000, description="SQL over them; the table is `data`")
    reason: str = Field("", max_length=1000)


class Said(Body):
    """Why."""

    reason: str = Field("", max_length=1000)


@router.get("/retraining")
def endpoints(
    request: Request,
    actor: Viewer,
    limit: Annotated[int, Query(ge=1, le=1000, description="Runs at most of each")] = 20,
) -> list[dict[str, Any]]:
    """What is retrained, what asks for a run and why it waits, and the newest runs."""
    from tidegate.app import retrained_of
    from tidegate.retraining import listing

    layout = control_of(request).layout
    return [finite(msgspec.to_builtins(one)) for one in listing.endpoints(layout, retrained_of(layout), limit)]


@router.get("/retraining/{id}")
def run(request: Request, id: RunId, actor: Viewer) -> dict[str, Any]:
    """One run: how far it is, or what came of it."""
    from tidegate.storage.retraining import RetrainingStore

    with closing(RetrainingStore(control_of(request).layout)) as store:
        return dict(finite(msgspec.to_builtins(store.get(id))))


@router.get("/retraining/{id}/log")
def log(request: Request, id: RunId, actor: Viewer) -> dict[str, Any]:
    """What its training has printed: the end of it."""
    from tidegate.retraining.listing import log_text

    return {"run": id, "log": log_text(control_of(request).layout, id)}


@router.get("/endpoints/{endpoint}/retraining/plan")
def plan(
    request: Request,
    endpoint: Name,
    actor: Viewer,
    window: Annotated[str, Query(max_length=20)] = "",
    query: Annotated[str, Query(max_length=10_000)] = "",
) -> dict[str, Any]:
    """The rows that a run would learn from now; nothing is changed."""
    from tidegate.app import retraining_of, stable_of
    from tidegate.retraining import listing

    layout = control_of(request).layout
    options, rules = retraining_of(layout, endpoint)
    seconds = _seconds(window)
    update = {**({"window": seconds} if seconds else {}), **({"query": query} if query else {})}
    found = listing.plan(layout, endpoint, options.model_copy(update=update), rules, stable_of(layout, endpoint))
    return dict(finite(msgspec.to_builtins(found)))


@router.post("/endpoints/{endpoint}/retrain", status_code=201)
def start(request: Request, endpoint: Name, body: RetrainRequest, actor: Operator) -> dict[str, Any]:
    """Learn a new version now. 409 while another run of the endpoint isn't over."""
    from tidegate import candidates

    made = candidates.ask(
        control_of(request).layout,
        endpoint,
        actor=actor,
        window=_seconds(body.window),
        query=body.query,
        reason=body.reason,
    )
    return dict(finite(msgspec.to_builtins(made)))


@router.post("/retraining/{id}/approve")
def approve(request: Request, id: RunId, body: Said, actor: Operator) -> dict[str, Any]:
    """Say yes to a candidate that waits: its rollout begins. 409 where none waits."""
    from tidegate import candidates

    return dict(
        finite(
            msgspec.to_builtins(
                candidates.answer(control_of(request).layout, id, True, actor=actor, reason=body.reason)
            )
        )
    )


@router.post("/retraining/{id}/reject")
def reject(request: Request, id: RunId, body: Said, actor: Operator) -> dict[str, Any]:
    """Say no to a candidate that waits: it is taken out."""
    from tidegate import candidates

    return dict(
        finite(
            msgspec.to_builtins(
                candidates.answer(control_of(request).layout, id, False, actor=actor, reason=body.reason)
            )
        )
    )


@router.post("/retraining/{id}/cancel")
def cancel(request: Request, id: RunId, actor: Operator) -> dict[str, Any]:
    """End a run; the version that serves is as it was. 409 where it is over, or rolls out."""
    from tidegate import candidates

    return dict(finite(msgspec.to_builtins(candidates.cancel(control_of(request).layout, id, actor=actor))))


@router.get("/lineage/{model}/{version}")
def of_version(request: Request, model: Name, version: Name, actor: Viewer) -> dict[str, Any]:
    """Where a version is from: rows, labels, code, parents, trigger, verdict, rollout, approvals."""
    from tidegate import lineage

    return dict(
        finite(msgspec.to_builtins(lineage.of_version(control_of(request).layout, model, version), enc_hook=str))
    )


@router.get("/log/{endpoint}/predictions/{prediction_id}/lineage")
def of_prediction(
    request: Request, endpoint: Name, prediction_id: Annotated[str, Path(min_length=1, max_length=220)], actor: Viewer
) -> dict[str, Any]:
    """What answered a prediction, what is behind that version, and which versions have learned from the prediction since."""
    from tidegate import lineage

    found = lineage.of_prediction(control_of(request).layout, prediction_id, endpoint)
    return dict(finite(msgspec.to_builtins(found, enc_hook=str)))


def _seconds(text: str) -> float:
    """Errors: InvalidRequest."""
    from tidegate.errors import InvalidRequest
    from tidegate.types.units import parse_duration

    try:
        return parse_duration(text) if text else 0.0
    except ValueError as exc:
        raise InvalidRequest(f"window: {exc}") from exc
