"""The routes, each a line or two: who may, what is asked, what answers it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request

from tidegate.api.bodies import (
    ApplyAnswer,
    ApplyRequest,
    AuditView,
    Health,
    KeyRequest,
    KeyView,
    NewKey,
)
from tidegate.api.errors import RESPONSES
from tidegate.api.params import Admin, Name, Operator, Viewer
from tidegate.api.state import control_of
from tidegate.errors import InvalidRequest

router = APIRouter(prefix="/api", responses=RESPONSES)


@router.get("/health", tags=["status"])
def health(request: Request) -> Health:
    """Whether the API answers and the project runs. Needs no key."""
    from tidegate.views.status import is_running

    return Health(ok=True, running=is_running(control_of(request).layout))


@router.get("/status", tags=["status"])
def status(request: Request, actor: Viewer) -> dict[str, Any]:
    """Endpoints, versions, processes, rates, latencies, errors, and how far the log is behind."""
    from tidegate.views.status import gather

    found: dict[str, Any] = _plain(gather(control_of(request).layout))
    return found


@router.get("/endpoints", tags=["status"])
def endpoints(request: Request, actor: Viewer) -> list[dict[str, Any]]:
    """Every endpoint with its split and traffic."""
    from tidegate.views.status import gather

    found: list[dict[str, Any]] = _plain(gather(control_of(request).layout).endpoints)
    return found


@router.post("/apply", tags=["project"])
def apply(request: Request, body: ApplyRequest, actor: Operator) -> ApplyAnswer:
    """Make a project file's text the desired state. `operate` can name any code to serve: give that role with care."""
    import pathlib

    from tidegate import app

    control = control_of(request)
    base = body.base or control.store.desired().base
    if not base or "\0" in base:
        raise InvalidRequest("base is missing: name the folder that the project's relative paths start from")
    result = app.apply(control.layout, body.project, base=pathlib.Path(base), actor=actor, dry_run=body.dry_run)
    return ApplyAnswer(revision=result.revision, changed=result.changed, changes=result.changes)


@router.get("/audit", tags=["project"])
def audit(
    request: Request,
    actor: Viewer,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    since: Annotated[float, Query(ge=0, le=1e12, description="Unix seconds")] = 0.0,
    action: Annotated[str, Query(max_length=200, description="This action alone, such as `rollout abort`")] = "",
    find: Annotated[str, Query(max_length=200, description="Contained in who, what or on what")] = "",
    before: Annotated[int, Query(ge=0, le=2**62, description="Older than the entry with this id: the next page")] = 0,
) -> list[AuditView]:
    """Who changed what, newest first."""
    entries = control_of(request).store.audit(limit, since, action=action, find=find, before=before)
    return [AuditView(**_plain(entry)) for entry in entries]


@router.get("/schema", tags=["project"])
def schema(actor: Viewer) -> dict[str, Any]:
    """The JSON Schema of the project file."""
    import json

    from tidegate.config import schema_json

    found: dict[str, Any] = json.loads(schema_json())
    return found


@router.get("/keys", tags=["keys"])
def list_keys(request: Request, actor: Admin) -> list[KeyView]:
    """All keys, without their secrets."""
    return [KeyView(**_without_digest(key)) for key in control_of(request).store.list_keys()]


@router.post("/keys", tags=["keys"], status_code=201)
def create_key(request: Request, body: KeyRequest, actor: Admin) -> NewKey:
    """Create a key. This answer is the only one that has its secret."""
    from tidegate.changes import create_key
    from tidegate.types.units import parse_duration

    try:
        valid_for = parse_duration(body.valid_for) if body.valid_for is not None else 0.0
    except ValueError as exc:
        raise InvalidRequest(f"valid_for: {exc}") from exc
    if valid_for > 1e10:
        raise InvalidRequest("valid_for: longer than three hundred years; leave it out for a key without end")
    secret, stored = create_key(control_of(request).layout, body.role, body.name, valid_for=valid_for, actor=actor)
    return NewKey(**_without_digest(stored), secret=secret)


@router.delete("/keys/{key_id}", tags=["keys"])
def revoke_key(request: Request, key_id: Name, actor: Admin) -> KeyView:
    """End a key now."""
    return KeyView(**_without_digest(control_of(request).store.revoke_key(key_id, actor=actor)))


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)


def _without_digest(key: Any) -> dict[str, Any]:
    return {name: value for name, value in _plain(key).items() if name != "digest"}
