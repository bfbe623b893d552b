"""Routes of baselines and evaluations: `view` looks, `operate` adds and removes. The command line calls the same functions."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import Field

from tidegate.api.bodies import Body
from tidegate.api.errors import RESPONSES
from tidegate.api.params import Name, Operator, Viewer
from tidegate.api.state import control_of
from tidegate.errors import InvalidRequest

router = APIRouter(prefix="/api", responses=RESPONSES, tags=["evaluation"])

Columns = Annotated[str, Query(max_length=200, description="Columns of the log, by whose values to tell")]
Window = Annotated[str, Query(max_length=20, description="Predictions made in the last 7d, 90d")]


class Rating(Body):
    """One answer of one rater, of a prediction or of an item of theirs."""

    prediction_id: str = Field("", max_length=200)
    row: int = Field(0, ge=0)
    item: str = Field("", max_length=200)
    rater: str = Field(min_length=1, max_length=200)
    answer: bool | float | str
    reference: bool | float | str | None = None


class BaselineRequest(Body):
    """Exactly one of ratings, queue, literature, quick, version."""

    name: str = Field("", max_length=100)
    ratings: list[Rating] = Field([], max_length=100_000)
    queue: str = Field("", max_length=100)
    literature: str = Field("", max_length=2000)
    quick: bool = False
    version: str = Field("", max_length=100)


@router.get("/baselines")
def baselines(
    request: Request, actor: Viewer, endpoint: Annotated[str, Query(max_length=100, description="Of one endpoint")] = ""
) -> list[dict[str, Any]]:
    """What models are held against: where each is from, since when and by whom."""
    from tidegate.storage.baselines import BaselineStore

    with closing(BaselineStore(control_of(request).layout)) as store:
        return [msgspec.to_builtins(one) for one in store.listed(endpoint)]


@router.post("/endpoints/{endpoint}/baselines", status_code=201)
def add(request: Request, endpoint: Name, body: BaselineRequest, actor: Operator) -> dict[str, Any]:
    """Add one."""
    import polars as pl

    from tidegate.app import endpoint_named
    from tidegate.evaluation import adding

    human = None
    if body.ratings:
        known = body.ratings[0].prediction_id != ""
        rows = [
            {
                **({"prediction_id": one.prediction_id, "row": one.row} if known else {"item": one.item}),
                "rater": one.rater, "answer": str(one.answer),
                **({"reference": str(one.reference)} if one.reference is not None else {}),
            }
            for one in body.ratings
        ]  # fmt: skip
        human = pl.from_dicts(rows, infer_schema_length=None)
    layout = control_of(request).layout
    made = adding.add(
        layout, endpoint_named(layout, endpoint), actor=actor, name=body.name, human=human, queue=body.queue,
        literature=body.literature, quick=body.quick, version=body.version,
    )  # fmt: skip
    return dict(msgspec.to_builtins(made))


@router.delete("/endpoints/{endpoint}/baselines/{name}")
def remove(request: Request, endpoint: Name, name: Name, actor: Operator) -> dict[str, Any]:
    """Remove one, with what it kept."""
    from tidegate.evaluation import adding

    return dict(msgspec.to_builtins(adding.remove(control_of(request).layout, endpoint, name, actor)))


@router.get("/endpoints/{endpoint}/evaluation")
def evaluation(
    request: Request,
    endpoint: Name,
    actor: Viewer,
    by: Columns = "",
    window: Window = "90d",
    to: Annotated[str, Query(max_length=100, description="This version's answers; by default what callers got")] = "",
    baseline: Annotated[str, Query(max_length=100, description="The ceiling; by default people's level")] = "",
    find: Annotated[
        bool, Query(description="Also look for slices that nobody named (found) and rare classes (classes)")
    ] = False,
) -> dict[str, Any]:
    """Each slice's model, baselines, gap and share of traffic, and where to work next; figures are errors (`metric.flipped`: 1 - error
    is what people know)."""
    from tidegate.app import label_options
    from tidegate.evaluation.table import evaluate

    layout = control_of(request).layout
    rules, _ = label_options(layout, endpoint)
    start, end = window_of(window)
    columns = [name.strip() for name in by.split(",") if name.strip()]
    found = evaluate(layout, endpoint, rules, start=start, end=end, version=to, by=columns, against=baseline)
    body = msgspec.to_builtins(found)
    if find:
        from tidegate.evaluation.rows import judge
        from tidegate.evaluation.search import classes, search

        judged = judge(layout, endpoint, rules, start, end, version=to, inputs=True)
        body |= {"found": msgspec.to_builtins(search(judged)), "classes": msgspec.to_builtins(classes(judged))}
    return dict(finite(body))


def window_of(text: str) -> tuple[float, float]:
    """From, to (unix seconds) of a window that ends now. Errors: InvalidRequest."""
    from tidegate.types.units import parse_duration

    try:
        seconds = parse_duration(text)
    except ValueError as exc:
        raise InvalidRequest(f"window: {exc}") from exc
    end = time.time()
    return max(0.0, end - seconds), end


def finite(value: Any) -> Any:
    """JSON has neither nan nor infinity: null."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: finite(part) for key, part in value.items()}
    return [finite(part) for part in value] if isinstance(value, list) else value
