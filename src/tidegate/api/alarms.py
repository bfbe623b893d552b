"""Routes of incidents: `view` looks, `operate` takes on, ends and silences. The command line calls the same functions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from tidegate.api.bodies import Body
from tidegate.api.errors import RESPONSES
from tidegate.api.params import Operator, Viewer
from tidegate.api.state import control_of

router = APIRouter(prefix="/api", responses=RESPONSES, tags=["alarms"])

Id = Annotated[int, Path(ge=1, le=2**62, description="The incident's number")]


class NoteRequest(Body):
    """Why; kept with the incident and in the audit."""

    note: str = Field("", max_length=2000)


class ResolveRequest(NoteRequest):
    """What it was. `alarm`: only this alarm of the incident."""

    verdict: Literal["real", "false"]
    alarm: int | None = Field(None, ge=1)


class SilenceRequest(Body):
    """Alarms whose monitor matches the glob (or whose endpoint does) are told to nobody until then (unix seconds)."""

    match: str = Field(min_length=1, max_length=500)
    until: float = Field(ge=0, le=1e11)
    reason: str = Field(min_length=1, max_length=2000)


@router.get("/alarms")
def listed(
    request: Request,
    actor: Viewer,
    endpoint: Annotated[str | None, Query(max_length=100)] = None,
    all: Annotated[bool, Query(description="Those that have ended, too")] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> dict[str, Any]:
    """Incidents, newest first; pending alarms; silences in force; how the monitor process does."""
    from tidegate.views import alarms

    found: dict[str, Any] = _plain(
        alarms.alarms(control_of(request).layout, open_only=not all, endpoint=endpoint, limit=limit)
    )
    return found


@router.get("/alarms/{id}")
def show(request: Request, id: Id, actor: Viewer) -> dict[str, Any]:
    """One incident: cause, how sure, findings, alarms, examples, what to do next."""
    from tidegate.views import alarms

    found: dict[str, Any] = _plain(alarms.incident(control_of(request).layout, id))
    return found


@router.get("/alarms/{id}/report")
def report(request: Request, id: Id, actor: Viewer) -> dict[str, Any]:
    """One incident in full: the incident, its examples as rows, and what happened when around it."""
    from tidegate.views import incident

    found: dict[str, Any] = _plain(incident.report(control_of(request).layout, id))
    return found


@router.get("/budget")
def budget(request: Request, actor: Viewer) -> dict[str, Any]:
    """The budget of false alarms over the last 30 days: allowed, spent, left; alarms by kind, by day, and the loudest monitors."""
    from tidegate.views import budget as views

    found: dict[str, Any] = _plain(views.budget(control_of(request).layout))
    return found


@router.post("/alarms/{id}/ack")
def acknowledge(request: Request, id: Id, body: NoteRequest, actor: Operator) -> dict[str, Any]:
    """Take it on: nobody is told of it again."""
    from tidegate.monitoring import acts

    found: dict[str, Any] = _plain(acts.acknowledge(control_of(request).layout, id, actor=actor, note=body.note))
    return found


@router.post("/alarms/{id}/resolve")
def resolve(request: Request, id: Id, body: ResolveRequest, actor: Operator) -> dict[str, Any]:
    """End it, and say whether it told of something."""
    from tidegate.monitoring import acts

    layout = control_of(request).layout
    found: dict[str, Any] = _plain(
        acts.resolve(layout, id, body.verdict, actor=actor, note=body.note, alarm=body.alarm)
    )
    return found


@router.get("/silences")
def silences(request: Request, actor: Viewer) -> list[dict[str, Any]]:
    """Silences in force."""
    from tidegate.views import alarms

    found: list[dict[str, Any]] = _plain(alarms.silences(control_of(request).layout))
    return found


@router.post("/silences", status_code=201)
def silence(request: Request, body: SilenceRequest, actor: Operator) -> dict[str, Any]:
    """Tell nobody of alarms that match, until then."""
    from tidegate.monitoring import acts

    layout = control_of(request).layout
    found: dict[str, Any] = _plain(acts.silence(layout, body.match, until=body.until, reason=body.reason, actor=actor))
    return found


@router.delete("/silences")
def unsilence(
    request: Request, actor: Operator, match: Annotated[str, Query(min_length=1, max_length=500)]
) -> list[dict[str, Any]]:
    """End the silences of exactly this pattern, or of this number."""
    from tidegate.monitoring import acts

    found: list[dict[str, Any]] = _plain(acts.unsilence(control_of(request).layout, match, actor=actor))
    return found


def _plain(value: Any) -> Any:
    """JSON-ready; an infinite evidence is null."""
    return msgspec.json.decode(msgspec.json.encode(value))
