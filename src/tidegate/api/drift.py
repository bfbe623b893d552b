"""Routes of drift: what has moved since the reference, and how fast. Files are compared on the command line alone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request

from tidegate.api.errors import RESPONSES
from tidegate.api.params import Name, Viewer
from tidegate.api.state import control_of

router = APIRouter(prefix="/api", responses=RESPONSES, tags=["drift"])

Time = Annotated[float | None, Query(ge=0, le=1e11, description="Unix seconds")]
Version = Annotated[str | None, Query(max_length=100, description="Of one version")]


@router.get("/endpoints/{endpoint}/drift")
def drift(
    request: Request,
    endpoint: Name,
    actor: Viewer,
    reference: Annotated[
        Literal["stored", "previous", "week"],
        Query(description="previous: the window before, as long as this one; week: the same time a week before"),
    ] = "stored",
    window: Annotated[float, Query(gt=0, le=3.2e8, description="Seconds back from the end")] = 604800.0,
    start: Time = None,
    end: Time = None,
    version: Version = None,
    compare: Annotated[list[Literal["evidently", "nannyml"]] | None, Query(description="Others' figures too")] = None,
    minimum: Annotated[float, Query(ge=0, le=1, description="A smaller change is a trifle")] = 0.05,
) -> dict[str, Any]:
    """Features and outputs ranked by how far they moved; covariate, label and concept drift told apart; harm."""
    from tidegate.views.drift import Options
    from tidegate.views.drift import drift as read

    found = read(
        control_of(request).layout, endpoint, reference=None if reference == "stored" else reference, start=start, end=end,
        window=window, version=version, options=Options(tuple(compare or ()), minimum),
    )  # fmt: skip
    return _plain(found)


@router.get("/endpoints/{endpoint}/pace")
def pace(
    request: Request, endpoint: Name, actor: Viewer, start: Time = None, end: Time = None, version: Version = None
) -> dict[str, Any]:
    """How fast each feature and output changes: half-lives of similarity, and how often to train anew."""
    from tidegate.views.pace import pace as measure

    return _plain(measure(control_of(request).layout, endpoint, start=start, end=end, version=version))


@router.get("/endpoints/{endpoint}/distributions")
def distributions(
    request: Request,
    endpoint: Name,
    actor: Viewer,
    column: Annotated[str, Query(min_length=1, max_length=300, description="As in the prediction log")],
    start: Time = None,
    end: Time = None,
    version: Version = None,
    against: Annotated[
        Literal["stored", "previous", "week"], Query(description="The reference, the window before, or a week before")
    ] = "stored",
) -> dict[str, Any]:
    """One column's histogram or categories, usual and now (the last day by default), and how it went over the window."""
    from tidegate.views.distributions import distribution

    found = distribution(
        control_of(request).layout, endpoint, column, start=start, end=end, version=version, against=against
    )
    return _plain(found)


def _plain(value: Any) -> dict[str, Any]:
    """JSON-ready; what is no number is null."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return found
