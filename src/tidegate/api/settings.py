"""Routes of what the settings page shows beside keys, notifications and the audit."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Request

from tidegate.api.errors import RESPONSES
from tidegate.api.params import Viewer
from tidegate.api.state import control_of

router = APIRouter(prefix="/api", responses=RESPONSES, tags=["status"])


@router.get("/disk")
def disk(request: Request, actor: Viewer) -> dict[str, Any]:
    """What each part of the state folder takes, in bytes, how long it is kept, and what the disk has left."""
    from tidegate.views.disk import disk as ask

    found: dict[str, Any] = msgspec.to_builtins(ask(control_of(request).layout))
    return found
