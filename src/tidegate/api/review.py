"""Routes of people beside the model: `review` takes tasks and answers them; `view` looks at degrees, `operate` moves them.

With a key the rater is the key; without keys (on this machine alone) a caller says who it is.
"""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from tidegate.api.bodies import Body
from tidegate.api.errors import RESPONSES
from tidegate.api.params import Name, Operator, Reviewer, Viewer
from tidegate.api.state import control_of

router = APIRouter(prefix="/api", responses=RESPONSES, tags=["review"])

TaskId = Annotated[int, Path(ge=1, le=2**62, description="The task's number")]
Rater = Annotated[str, Field(max_length=200)]


class RaterRequest(Body):
    """Who it is; only where no keys are required, else the key says it."""

    rater: Rater = ""


class ClaimRequest(RaterRequest):
    """How many; `disputed`: those that others disagree on."""

    count: int = Field(1, ge=1, le=100)
    disputed: bool = False


class AnswerRequest(RaterRequest):
    """What it is."""

    value: bool | float | str


class MoveRequest(Body):
    """Where to. `force` sets the evidence aside, and needs a reason."""

    level: str = Field(max_length=20)
    reason: str = Field("", max_length=2000)
    force: bool = False


@router.get("/review")
def queues(
    request: Request,
    actor: Viewer,
    hours: Annotated[float, Query(gt=0, le=24 * 366, description="Of people's answers")] = 24.0,
) -> list[dict[str, Any]]:
    """Every queue: what waits, how long, and how its people do."""
    from tidegate.review.raters import queues as read

    return [msgspec.to_builtins(one) for one in read(control_of(request).layout, time.time() - 3600 * hours)]


@router.get("/review/{queue}")
def listed(
    request: Request,
    queue: Name,
    actor: Reviewer,
    state: Annotated[str, Query(pattern="^(|open|disputed|decided)$")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[dict[str, Any]]:
    """Tasks in the order in which they are given out; decided ones newest first. Opinions are left out: they would lead."""
    from contextlib import closing

    from tidegate.reviewing import queue_of
    from tidegate.storage.review import ReviewStore

    layout = control_of(request).layout
    name = queue_of(layout, queue)
    with closing(ReviewStore(layout)) as store:
        found = store.listed(name, state=state, limit=limit)
    return [_task(one) for one in found]


@router.post("/review/{queue}/claim")
def claim(request: Request, queue: Name, body: ClaimRequest, actor: Reviewer) -> list[dict[str, Any]]:
    """The next tasks, with what they are about. Nobody else gets them for five minutes; asked again, the same ones come first."""
    from tidegate.reviewing import claim as take

    layout = control_of(request).layout
    found = take(layout, queue, _rater(actor, body), count=body.count, disputed=body.disputed)
    return [{**msgspec.to_builtins(one), "task": _task(one.task)} for one in found]


@router.post("/review/tasks/{id}/answer")
def answer(request: Request, id: TaskId, body: AnswerRequest, actor: Reviewer) -> dict[str, Any]:
    """What it is. The same answer twice is one."""
    from tidegate.reviewing import answer as give

    return _task(give(control_of(request).layout, id, _rater(actor, body), body.value))


@router.post("/review/tasks/{id}/skip")
def skip(request: Request, id: TaskId, body: RaterRequest, actor: Reviewer) -> dict[str, Any]:
    """Leave it to somebody else."""
    from tidegate.reviewing import skip as leave

    leave(control_of(request).layout, id, _rater(actor, body))
    return {"skipped": id}


@router.post("/review/undo")
def undo(request: Request, body: RaterRequest, actor: Reviewer) -> dict[str, Any]:
    """Take one's last answer back, within ten minutes; the task is one's own again."""
    from tidegate.reviewing import undo as take_back

    return _task(take_back(control_of(request).layout, _rater(actor, body)))


@router.get("/endpoints/{endpoint}/automation")
def automation(request: Request, endpoint: Name, actor: Viewer) -> dict[str, Any]:
    """The degree, its evidence, what higher degrees ask for, and how it came here."""
    from tidegate.app import automation_of
    from tidegate.review.degrees import standing

    layout = control_of(request).layout
    one = automation_of(layout, endpoint)
    found: dict[str, Any] = msgspec.to_builtins(standing(layout, endpoint, one.options, one.version))
    return found


@router.post("/endpoints/{endpoint}/automation")
def move(request: Request, endpoint: Name, body: MoveRequest, actor: Operator) -> dict[str, Any]:
    """Put it on another degree: up as far as the evidence allows, down at once."""
    from tidegate.app import automation_of
    from tidegate.review.degrees import move as put

    layout = control_of(request).layout
    one = automation_of(layout, endpoint)
    found: dict[str, Any] = msgspec.to_builtins(
        put(layout, endpoint, one.options, one.version, body.level, actor=actor, reason=body.reason, force=body.force)
    )
    return found


def _rater(actor: str, body: RaterRequest) -> str:
    return body.rater if actor == "api:local" and body.rater else actor


def _task(one: Any) -> dict[str, Any]:
    """Without what the model says: an item has it, where it may be seen."""
    found: dict[str, Any] = msgspec.to_builtins(one)
    return {name: value for name, value in found.items() if name not in ("opinion", "confidence")}
