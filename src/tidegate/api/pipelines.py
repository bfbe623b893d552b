"""Routes of pipelines: where a change begins. Replays are asked for on the command line: they are work for the models."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request

from tidegate.api.errors import RESPONSES
from tidegate.api.params import Name, Viewer
from tidegate.api.state import control_of

router = APIRouter(prefix="/api", responses=RESPONSES, tags=["pipelines"])


@router.get("/endpoints/{endpoint}/pipeline")
def explain(
    request: Request,
    endpoint: Name,
    actor: Viewer,
    window: Annotated[float, Query(gt=0, le=3.2e8, description="Seconds back from the end")] = 86400.0,
    end: Annotated[float | None, Query(ge=0, le=1e11, description="Unix seconds; now by default")] = None,
) -> dict[str, Any]:
    """Each stage's inputs, outputs, versions and failures against the window before, and the stage at which a change begins."""
    from tidegate.app import label_options, pipeline_stages
    from tidegate.views import pipeline

    layout = control_of(request).layout
    stages, (rules, _) = pipeline_stages(layout, endpoint), label_options(layout, endpoint)
    found: dict[str, Any] = msgspec.json.decode(
        msgspec.json.encode(pipeline.explain(layout, endpoint, stages, end=end, window=window, rules=rules))
    )
    return found
