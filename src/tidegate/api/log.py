"""Routes of single predictions: find them, open one, label it."""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field

from tidegate.api.errors import RESPONSES
from tidegate.api.params import Name, Operator, Viewer
from tidegate.api.state import control_of

router = APIRouter(prefix="/api", responses=RESPONSES, tags=["log"])

DAY = 86400.0
Id = Annotated[str, Path(min_length=1, max_length=200)]
Short = Annotated[str, Query(max_length=200)]


class LabelRequest(BaseModel):
    """What the right answer was."""

    value: bool | float | str = Field(description="The label: of the type that the endpoint's labels have")
    row: int = Field(0, ge=0, le=2**31 - 1, description="Which instance of the request")


class LabelAnswer(BaseModel):
    """It is on disk."""

    accepted: int


@router.get("/log/{endpoint}/predictions")
def find(
    request: Request,
    endpoint: Name,
    actor: Viewer,
    start: Annotated[
        float | None, Query(ge=0, le=1e11, description="Unix seconds; a day before `end` by default")
    ] = None,
    end: Annotated[float | None, Query(ge=0, le=1e11, description="Unix seconds; now by default")] = None,
    version: Short = "",
    role: Short = "",
    outcome: Annotated[str, Query(pattern="^(|ok|error|rejected|timeout)$")] = "",
    where: Annotated[str, Query(max_length=2000, description="A SQL condition on the log's columns")] = "",
    text: Annotated[str, Query(max_length=500, description="Contained in some text column")] = "",
    labelled: bool | None = None,
    after: Annotated[str, Query(max_length=260, description="`next` of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> dict[str, Any]:
    """Predictions that fit, newest first. `next` of the answer is the `after` of the next page; empty at the end."""
    from tidegate.views import predictions

    if start is None:  # all of a large log isn't sorted for want of a word
        start = max(0.0, (time.time() if end is None else end) - DAY)
    wanted = predictions.Filter(
        start=start, end=end, version=version, role=role, outcome=outcome, where=where, text=text, labelled=labelled, after=after,  # type: ignore[arg-type]
    )  # fmt: skip
    found: dict[str, Any] = msgspec.to_builtins(
        predictions.find(control_of(request).layout, endpoint, wanted, limit=limit)
    )
    return found


@router.get("/log/{endpoint}/predictions/{id}")
def open_one(request: Request, endpoint: Name, id: Id, actor: Viewer) -> dict[str, Any]:
    """One prediction: instances, what shadows answered, labels and events, time spent."""
    from tidegate.views import predictions

    found: dict[str, Any] = msgspec.to_builtins(predictions.open_one(control_of(request).layout, endpoint, id))
    return found


@router.post("/log/{endpoint}/predictions/{id}/label", status_code=201)
async def label(request: Request, endpoint: Name, id: Id, body: LabelRequest, actor: Operator) -> LabelAnswer:
    """Say what the right answer was. Programs that know many send them to the gateway's feedback address instead."""
    from tidegate.labelling import add_label

    await add_label(control_of(request).layout, endpoint, id, body.value, row=body.row, actor=actor)
    return LabelAnswer(accepted=1)
