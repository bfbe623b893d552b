"""Routes of quality: `view` looks. The command line calls the same functions."""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request

from tidegate.api.errors import RESPONSES
from tidegate.api.params import Name, Viewer
from tidegate.api.state import control_of
from tidegate.errors import InvalidRequest

router = APIRouter(prefix="/api", responses=RESPONSES, tags=["quality"])

Window = Annotated[str, Query(max_length=20, description="Predictions made in the last 12h, 7d, 30d")]
LONGEST = 3.2e8
"""Seconds, as the routes of drift have it."""
MOST_STEPS = 1000
End = Annotated[float | None, Query(ge=0, le=1e11, description="The window's end, unix seconds; now by default")]


@router.get("/endpoints/{endpoint}/quality")
def read(
    request: Request,
    endpoint: Name,
    actor: Viewer,
    window: Window = "30d",
    end: End = None,
    by: Annotated[
        str, Query(max_length=100, description="version, slice, or columns of the log: version,region")
    ] = "version",
    segment: Annotated[list[str] | None, Query(max_length=10, description="Columns by whose values to tell")] = None,
    step: Annotated[str, Query(max_length=20, description="The course over time, in stretches of this long")] = "",
    estimate: Annotated[bool, Query(description="Also what is thought without labels")] = True,
) -> dict[str, Any]:
    """Every metric by version and slice with its interval, the share of labels that came, estimates and their record."""
    from tidegate.app import label_options
    from tidegate.views import quality

    layout = control_of(request).layout
    options, segments = label_options(layout, endpoint)
    until = time.time() if end is None else end
    parts = [name.strip() for name in by.split(",") if name.strip()]
    if step and _seconds(window, "window") / _seconds(step, "step") > MOST_STEPS:
        raise InvalidRequest(
            f"step is {step!r}: a window of {window} has more than {MOST_STEPS} of them; take a longer one"
        )
    found = quality.read(
        layout, endpoint, options, start=until - _seconds(window, "window"), end=until, by=parts, estimated=estimate,
        step=_seconds(step, "step") if step else None, segments=segment or segments,
    )  # fmt: skip
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(found))
    return plain


@router.get("/endpoints/{endpoint}/quality/audit")
def audit(
    request: Request,
    endpoint: Name,
    actor: Viewer,
    window: Window = "30d",
    end: End = None,
    count: Annotated[int, Query(ge=0, le=100_000, description="How many predictions to label")] = 200,
    within: Annotated[float, Query(ge=0, description="Instead: as many as bounds this close need")] = 0.0,
    version: Annotated[str, Query(max_length=100)] = "",
) -> dict[str, Any]:
    """A random sample of predictions to label; the same whoever asks."""
    from tidegate.app import label_options
    from tidegate.views import quality

    layout = control_of(request).layout
    options, _ = label_options(layout, endpoint)
    until = time.time() if end is None else end
    found = quality.audit(
        layout, endpoint, options, start=until - _seconds(window, "window"), end=until, count=count,
        half_width=within, version=version,
    )  # fmt: skip
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(found))
    return plain


def _seconds(text: str, name: str) -> float:
    from tidegate.types.units import parse_duration

    try:
        found = parse_duration(text)
    except ValueError as exc:
        raise InvalidRequest(f"{name}: {exc}") from exc
    if not 0.0 < found <= LONGEST:
        raise InvalidRequest(f"{name} is {text!r}; it must be more than nothing, and ten years at most")
    return found
