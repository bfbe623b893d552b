"""Routes of mistakes: `view` looks at them, `review` tags them. The command line calls the same functions."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import Field

from tidegate.api.bodies import Body
from tidegate.api.errors import RESPONSES
from tidegate.api.evaluation import finite, window_of
from tidegate.api.params import Name, Operator, Reviewer, Viewer
from tidegate.api.state import control_of

router = APIRouter(prefix="/api/endpoints/{endpoint}/errors", responses=RESPONSES, tags=["evaluation"])

Window = Annotated[str, Query(max_length=20, description="Predictions made in the last 7d, 90d")]
Version = Annotated[str, Query(max_length=100, description="Answers of this version; by default what callers got")]


class TagRequest(Body):
    """Which rows, and the tags to give them or to take from them."""

    ids: list[Annotated[str, Field(min_length=1, max_length=220)]] = Field(min_length=1, max_length=1000)
    tags: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(min_length=1, max_length=20)


@router.get("")
def mistakes(
    request: Request,
    endpoint: Name,
    actor: Viewer,
    window: Window = "90d",
    version: Version = "",
    sort: Annotated[str, Query(max_length=20, description="error, random, newest or confident")] = "error",
    where: Annotated[str, Query(max_length=2000, description="A SQL condition on the log's columns")] = "",
    tag: Annotated[str, Query(max_length=100, description="Only rows that have it")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> list[dict[str, Any]]:
    """Labelled rows that are wrong, with what was asked, answered and right, and their tags."""
    from tidegate.app import label_options
    from tidegate.evaluation.mistakes import listed

    layout = control_of(request).layout
    rules, _ = label_options(layout, endpoint)
    start, end = window_of(window)
    found = listed(
        layout, endpoint, rules, start=start, end=end, version=version, where=where, tag=tag, sort=sort, limit=limit  # type: ignore[arg-type]
    )  # fmt: skip
    return [msgspec.to_builtins(one, enc_hook=str) for one in found]


class ReviewRequest(Body):
    """Which mistakes people are asked about, and where they find them."""

    queue: str = Field("labels", min_length=1, max_length=100)
    raters: int = Field(1, ge=1, le=10)
    where: str = Field("", max_length=2000)
    tag: str = Field("", max_length=100)
    version: str = Field("", max_length=100)
    window: str = Field("90d", max_length=20)
    sort: str = Field("error", max_length=20)
    limit: int = Field(50, ge=1, le=1000)


@router.post("/review", status_code=201)
def review(request: Request, endpoint: Name, body: ReviewRequest, actor: Operator) -> dict[str, Any]:
    """Ask people about mistakes once more: tasks that show neither label nor answer; what they say becomes the label."""
    from tidegate.app import label_options
    from tidegate.evaluation.mistakes import listed, to_review

    layout = control_of(request).layout
    rules, _ = label_options(layout, endpoint)
    start, end = window_of(body.window)
    found = listed(
        layout, endpoint, rules, start=start, end=end, version=body.version, where=body.where, tag=body.tag,
        sort=body.sort, limit=body.limit,  # type: ignore[arg-type]
    )  # fmt: skip
    made = to_review(layout, endpoint, found, body.queue, raters=body.raters, actor=actor)
    return {"tasks": made, "rows": len(found), "queue": body.queue}


@router.get("/summary")
def summary(
    request: Request, endpoint: Name, actor: Viewer, window: Window = "90d", version: Version = ""
) -> dict[str, Any]:
    """What each tag's errors are worth: their share of all, and the metric without them."""
    from tidegate.app import label_options
    from tidegate.evaluation.mistakes import summary as summed

    layout = control_of(request).layout
    rules, _ = label_options(layout, endpoint)
    start, end = window_of(window)
    return dict(msgspec.to_builtins(summed(layout, endpoint, rules, start=start, end=end, version=version)))


@router.get("/groups")
def groups(
    request: Request,
    endpoint: Name,
    actor: Viewer,
    by: Annotated[str, Query(min_length=1, max_length=100, description="The column whose groups are compared")],
    window: Window = "90d",
    version: Version = "",
) -> dict[str, Any]:
    """Selection, true and false positive rates, precision and calibration by group, and how far each is from the others."""
    from tidegate.app import label_options
    from tidegate.evaluation.fairness import fairness

    layout = control_of(request).layout
    rules, _ = label_options(layout, endpoint)
    start, end = window_of(window)
    return dict(
        finite(msgspec.to_builtins(fairness(layout, endpoint, rules, by=by, start=start, end=end, version=version)))
    )


@router.post("/tags", status_code=201)
def add(request: Request, endpoint: Name, body: TagRequest, actor: Reviewer) -> dict[str, int]:
    """Tag rows (`ID`, or `ID:ROW`); what they have already stays."""
    from tidegate.app import endpoint_named
    from tidegate.evaluation.mistakes import add_tags, place

    layout = control_of(request).layout
    named = endpoint_named(layout, endpoint)
    return {"tags": add_tags(layout, named, [place(id) for id in body.ids], body.tags, actor)}


@router.post("/tags/remove")
def remove(request: Request, endpoint: Name, body: TagRequest, actor: Reviewer) -> dict[str, int]:
    """Take tags from rows; how many there were."""
    from tidegate.app import endpoint_named
    from tidegate.evaluation.mistakes import place, remove_tags

    layout = control_of(request).layout
    named = endpoint_named(layout, endpoint)
    return {"tags": remove_tags(layout, named, [place(id) for id in body.ids], body.tags)}
