"""Routes of notifications. A test goes only to channels of the project file: no key may make this server call elsewhere."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Request

from tidegate.api.errors import RESPONSES
from tidegate.api.params import Operator, Viewer
from tidegate.api.state import control_of

router = APIRouter(prefix="/api/notify", responses=RESPONSES, tags=["notify"])


@router.get("")
def status(request: Request, actor: Viewer) -> list[dict[str, Any]]:
    """How each channel fares; URLs are masked."""
    from tidegate.views.notify import statuses

    return [msgspec.to_builtins(one) for one in statuses(control_of(request).layout)]


@router.post("/test")
def test(request: Request, actor: Operator) -> list[dict[str, Any]]:
    """Send a test notice through each channel of the project that is in force. Takes up to 15 s."""
    from tidegate.notify.trial import trial
    from tidegate.views.notify import configured

    return [msgspec.to_builtins(one) for one in trial(*configured(control_of(request).layout))]
