"""Routes of models: `view` looks, `operate` takes versions into service and out of it."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Request

from tidegate.api.bodies import LoadAnswer
from tidegate.api.errors import RESPONSES
from tidegate.api.params import Name, Operator, Viewer
from tidegate.api.state import control_of

router = APIRouter(prefix="/api", responses=RESPONSES, tags=["models"])


@router.get("/models")
def models(request: Request, actor: Viewer) -> list[dict[str, Any]]:
    """Every version of every model: state, artifact, processes, where it is live, its last rollout."""
    from tidegate.views.models import models as read

    found: list[dict[str, Any]] = _plain([one for model in read(control_of(request).layout) for one in model.versions])
    return found


@router.get("/models/{model}/versions/{version}")
def model_version(request: Request, model: Name, version: Name, actor: Viewer) -> dict[str, Any]:
    """One version in full: also what it takes and gives, settings, references, lineage, results."""
    from tidegate.views.models import version as read

    found = _plain(read(control_of(request).layout, model, version))
    return {**found.pop("version"), **found}


@router.post("/models/{model}/versions/{version}/load")
def load(request: Request, model: Name, version: Name, actor: Operator) -> LoadAnswer:
    """Take a version back into service."""
    return _set_loaded(request, model, version, True, actor)


@router.post("/models/{model}/versions/{version}/unload")
def unload(request: Request, model: Name, version: Name, actor: Operator) -> LoadAnswer:
    """Stop a version's processes, until it is loaded again."""
    return _set_loaded(request, model, version, False, actor)


def _set_loaded(request: Request, model: str, version: str, loaded: bool, actor: str) -> LoadAnswer:
    from tidegate.changes import set_loaded

    revision = set_loaded(control_of(request).layout, model, version, loaded, actor=actor)
    return LoadAnswer(model=model, version=version, loaded=loaded, revision=revision)


def _plain(value: Any) -> Any:
    """JSON-ready."""
    return msgspec.json.decode(msgspec.json.encode(value))
