"""Routes of the prediction log: ask it, find predictions, open one, label it, take what was found away, erase.

conditions in the address --> wanted() --> views.log_filter.Filter --> find: a page | export: a file, written whole before it is sent
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask

from tidegate.api.bodies import EraseAnswer, EraseRequest, QueryAnswer, QueryRequest
from tidegate.api.errors import RESPONSES
from tidegate.api.params import Admin, Name, Operator, Viewer
from tidegate.api.slots import Slots
from tidegate.api.state import control_of

router = APIRouter(prefix="/api", responses=RESPONSES, tags=["log"])

DAY = 86400.0
MOST = 1_000_000
"""Rows of an export over HTTP."""
_EXPORTS = Slots(2, "two exports are being written", retry_after=5.0)
_REBUILD = Slots(1, "profiles are being made again", retry_after=30.0)
_TYPES = {"csv": "text/csv", "ndjson": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}
Id = Annotated[str, Path(min_length=1, max_length=200)]
Short = Annotated[str, Query(max_length=200)]


class LabelRequest(BaseModel):
    """What the right answer was."""

    value: bool | float | str = Field(description="The label: of the type that the endpoint's labels have")
    row: int = Field(0, ge=0, le=2**31 - 1, description="Which instance of the request")


class LabelAnswer(BaseModel):
    """It is on disk."""

    accepted: int


@router.post("/log/query", response_model=QueryAnswer)
def query(request: Request, body: QueryRequest, actor: Viewer) -> Response:
    """One SELECT over the prediction log; what was answered a moment ago is in it."""
    from tidegate.views.log import query as ask

    frame = ask(control_of(request).layout, body.sql)
    rows = [list(row) for row in frame.head(body.limit).iter_rows()]
    return _json({"columns": frame.columns, "rows": rows, "truncated": frame.height > body.limit})


@router.get("/log/{endpoint}/tail", response_model=list[dict[str, Any]])
def tail(request: Request, endpoint: Name, actor: Viewer, count: Annotated[int, Query(ge=1, le=1000)] = 20) -> Response:
    """The newest predictions of an endpoint, oldest first."""
    from tidegate.views.log import tail as newest

    return _json(list(newest(control_of(request).layout, endpoint, count=count)))


@router.post("/log/{endpoint}/rebuild")
def rebuild(request: Request, endpoint: Name, actor: Operator) -> dict[str, Any]:
    """Make the endpoint's profiles again from its log, beside what runs. Answers when it is done: seconds for each million rows."""
    from tidegate.ingest.rebuild import rebuild as make_again

    with _REBUILD:
        found: dict[str, Any] = msgspec.to_builtins(make_again(control_of(request).layout, endpoint))
    return found


@router.post("/log/erase")
def erase(request: Request, body: EraseRequest, actor: Admin) -> EraseAnswer:
    """Erase all that is kept of one subject. It can't be undone."""
    from tidegate.changes import erase_subject

    report = erase_subject(control_of(request).layout, body.subject, body.endpoint, dry_run=body.dry_run, actor=actor)
    return EraseAnswer(**msgspec.to_builtins(report))


def wanted(
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
    wrong: Annotated[bool, Query(description="Only those whose label says that the answer was wrong")] = False,
    differing: Annotated[bool, Query(description="Only those that a shadow answered otherwise")] = False,
) -> Any:
    """What is looked for, a `views.log_filter.Filter`: all of a large log isn't read for want of a word."""
    from tidegate.views.log_filter import Filter

    if start is None:
        start = max(0.0, (time.time() if end is None else end) - DAY)
    return Filter(
        start=start, end=end, version=version, role=role, outcome=outcome, where=where, text=text, labelled=labelled,  # type: ignore[arg-type]
        wrong=wrong, differing=differing,
    )  # fmt: skip


Wanted = Annotated[Any, Depends(wanted)]


@router.get("/log/{endpoint}/predictions")
def find(
    request: Request,
    endpoint: Name,
    actor: Viewer,
    wanted: Wanted,
    after: Annotated[str, Query(max_length=260, description="`next` of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> dict[str, Any]:
    """Predictions that fit, newest first. `next` of the answer is the `after` of the next page; empty at the end."""
    from tidegate.app import label_options
    from tidegate.views import predictions

    layout = control_of(request).layout
    rules = label_options(layout, endpoint)[0] if wanted.wrong else None
    asked = msgspec.structs.replace(wanted, after=after)
    found: dict[str, Any] = msgspec.to_builtins(predictions.find(layout, endpoint, asked, rules=rules, limit=limit))
    return found


@router.get("/log/{endpoint}/export", response_class=FileResponse)
def export(
    request: Request,
    endpoint: Name,
    actor: Viewer,
    wanted: Wanted,
    format: Literal["csv", "ndjson", "parquet"] = "csv",
    limit: Annotated[int, Query(ge=1, le=MOST, description="The newest so many")] = MOST,
) -> FileResponse:
    """The predictions that fit, with their labels, as a file. `Tidegate-Rows` says how many rows it holds.

    At most a million of the newest; `tidegate log export` writes more. Two are made at a time, further ones get 503 and `Retry-After`.
    """
    from tidegate.app import label_options
    from tidegate.views.log import export as write

    with _EXPORTS:
        layout = control_of(request).layout
        handle, name = tempfile.mkstemp(suffix=f".{format}", prefix="tidegate-export-")
        os.close(handle)
        file = FilePath(name)
        try:
            rules = label_options(layout, endpoint)[0] if wanted.wrong else None
            rows = write(layout, endpoint, file, wanted, most=limit, rules=rules)
        except BaseException:
            file.unlink(missing_ok=True)
            raise
    return FileResponse(
        file, media_type=_TYPES[format], filename=f"{endpoint}.{format}", headers={"Tidegate-Rows": str(rows)},
        background=BackgroundTask(file.unlink, missing_ok=True),
    )  # fmt: skip


@router.get("/log/{endpoint}/predictions/{id}")
def open_one(request: Request, endpoint: Name, id: Id, actor: Viewer) -> dict[str, Any]:
    """One prediction: instances, what shadows answered, labels and events, time spent."""
    from tidegate.views import predictions

    found: dict[str, Any] = msgspec.to_builtins(predictions.open_one(control_of(request).layout, endpoint, id))
    return found


@router.get("/log/{endpoint}/predictions/{id}/payload", response_class=Response)
def payload(
    request: Request,
    endpoint: Name,
    id: Id,
    actor: Viewer,
    column: Annotated[str, Query(min_length=1, max_length=200, description="The log's column")],
    row: Annotated[int, Query(ge=0, le=2**31 - 1, description="Which instance of the request")] = 0,
) -> Response:
    """One value, whole: a picture or recording as what it is, all else as bytes to save."""
    from tidegate.views.payloads import payload

    found = payload(control_of(request).layout, endpoint, id, column, row)
    if found.type:
        return Response(found.data, media_type=found.type)
    return Response(found.data, media_type="application/octet-stream", headers={"content-disposition": "attachment"})


@router.post("/log/{endpoint}/predictions/{id}/label", status_code=201)
async def label(request: Request, endpoint: Name, id: Id, body: LabelRequest, actor: Operator) -> LabelAnswer:
    """Say what the right answer was. Programs that know many send them to the gateway's feedback address instead."""
    from tidegate.labelling import add_label

    await add_label(control_of(request).layout, endpoint, id, body.value, row=body.row, actor=actor)
    return LabelAnswer(accepted=1)


def _json(value: Any) -> Response:
    """Rows of the log as JSON: times as text, NaN as null, bytes as base64."""
    import orjson

    return Response(orjson.dumps(value, default=_other), media_type="application/json")


def _other(value: Any) -> Any:
    import base64

    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
