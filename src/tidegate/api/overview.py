"""Routes of what the dashboard's first pages show: `view` looks. The dashboard calls the same functions."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request

from tidegate.api.errors import RESPONSES
from tidegate.api.params import Name, Viewer
from tidegate.api.state import control_of
from tidegate.errors import InvalidRequest
from tidegate.types.units import parse_duration

router = APIRouter(prefix="/api", responses=RESPONSES, tags=["status"])

Window = Annotated[str, Query(max_length=20, description="How far back: 15m, 1h, 7d, 90d; not beside `start`")]
Start = Annotated[float | None, Query(ge=0, le=1e11, description="The window's start, unix seconds")]
End = Annotated[float | None, Query(ge=0, le=1e11, description="The window's end, unix seconds; now by default")]
LONGEST = 3.2e8
"""Seconds, as the routes of quality have it."""


@router.get("/overview")
def overview(request: Request, actor: Viewer) -> dict[str, Any]:
    """Every endpoint in one row, what needs a person first: state, split, rate, latency, errors, drift, quality, incidents, rollout."""
    from tidegate.views.overview import overview as ask

    found: dict[str, Any] = _plain(ask(control_of(request).layout))
    return found


@router.get("/endpoints/{endpoint}/series")
def series(
    request: Request,
    endpoint: Name,
    actor: Viewer,
    metric: Annotated[
        list[str], Query(min_length=1, max_length=100, description="software.latency.p99, input.mean.age")
    ],
    window: Window = "1h",
    start: Start = None,
    end: End = None,
    step: Annotated[str, Query(max_length=20, description="Whole minutes; as fits the window by default")] = "",
    by: Annotated[Literal["version", "role", "all"], Query(description="A line for each")] = "version",
    segment: Annotated[str, Query(max_length=300, description="COLUMN=VALUE")] = "",
    compare: Annotated[Literal["", "week", "reference"], Query(description="Beside it what was usual")] = "",
) -> dict[str, Any]:
    """Metrics over time by version, with their thresholds: a value a step, null where nothing came."""
    from tidegate.views.series import series as ask

    first, last = _span(window, start, end)
    found: dict[str, Any] = _plain(
        ask(
            control_of(request).layout, endpoint, metric, start=first, end=last, segment=segment, compare=compare,
            step=_seconds(step, "step") if step else None, by="" if by == "all" else by,
        )
    )  # fmt: skip
    return found


@router.get("/endpoints/{endpoint}/metrics")
def metrics(request: Request, endpoint: Name, actor: Viewer) -> dict[str, list[str]]:
    """What `series` can be asked of this endpoint, by group."""
    from tidegate.views.series import choices

    return choices(control_of(request).layout, endpoint)


@router.get("/endpoints/{endpoint}/answers")
def answers(
    request: Request, endpoint: Name, actor: Viewer, window: Window = "1h", start: Start = None, end: End = None
) -> dict[str, Any]:
    """Quality and behaviour over time by version, as `series` has it; of a window with many rows what is kept of each day."""
    from tidegate.app import label_options
    from tidegate.views.answers import answers as ask

    layout = control_of(request).layout
    first, last = _span(window, start, end)
    found: dict[str, Any] = _plain(ask(layout, endpoint, label_options(layout, endpoint)[0], start=first, end=last))
    return found


@router.get("/endpoints/{endpoint}/loop")
def loop(request: Request, endpoint: Name, actor: Viewer) -> dict[str, Any]:
    """Now: traffic, each version and role with its share, and what became of all requests."""
    from tidegate.views.loop import loop as ask

    found: dict[str, Any] = _plain(ask(control_of(request).layout, endpoint))
    return found


@router.get("/endpoints/{endpoint}/marks")
def marks(
    request: Request, endpoint: Name, actor: Viewer, window: Window = "1d", start: Start = None, end: End = None
) -> dict[str, Any]:
    """What happened, oldest first: incidents, rollouts and their decisions, splits that people set."""
    from tidegate.views.marks import marks as ask

    first, last = _span(window, start, end)
    found: dict[str, Any] = _plain(ask(control_of(request).layout, endpoint, start=first, end=last))
    return found


def _span(window: str, start: float | None, end: float | None) -> tuple[float, float]:
    last = time.time() if end is None else end
    first = last - _seconds(window, "window") if start is None else start
    if first >= last:
        raise InvalidRequest("start must be before end")
    return max(first, 0.0), last


def _seconds(text: str, name: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as exc:
        raise InvalidRequest(f"{name}: {exc}") from exc
    if not 0 < seconds <= LONGEST:
        raise InvalidRequest(f"{name} is {text!r}: it must be longer than nothing and at most ten years")
    return seconds


def _plain(value: Any) -> Any:
    """JSON-ready; an infinite figure is null."""
    return msgspec.json.decode(msgspec.json.encode(value))
