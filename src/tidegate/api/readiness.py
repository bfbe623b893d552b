"""Routes of readiness: whether an endpoint is ready, and where it stands in its life cycle. `view` looks."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Request

from tidegate.api.errors import RESPONSES
from tidegate.api.evaluation import finite
from tidegate.api.params import Name, Viewer
from tidegate.api.state import control_of

router = APIRouter(prefix="/api/endpoints/{endpoint}", responses=RESPONSES, tags=["readiness"])


@router.get("/readiness")
def readiness(request: Request, endpoint: Name, actor: Viewer) -> dict[str, Any]:
    """Each answer of the questionnaire against evidence, the ML Test Score, and what to do next. The load test is the last that was run."""
    from tidegate.readiness.evidence import collect
    from tidegate.readiness.report import report

    found = report(collect(control_of(request).layout, None, endpoint))
    body = {**msgspec.to_builtins(found), "ready": found.ready, "next": msgspec.to_builtins(found.next)}
    return dict(finite(body))


@router.get("/cycle")
def cycle(request: Request, endpoint: Name, actor: Viewer) -> dict[str, Any]:
    """The life cycle: scoping, data, modelling, deployment; what is done of each, and what sends it back."""
    from tidegate.readiness import cycle as cycles
    from tidegate.readiness.evidence import collect
    from tidegate.readiness.report import report

    seen = collect(control_of(request).layout, None, endpoint)
    return dict(finite(msgspec.to_builtins(cycles.cycle(seen, report(seen)))))
