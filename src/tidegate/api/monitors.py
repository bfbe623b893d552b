"""Routes of monitors: `view` looks and thinks, `operate` changes. The command line calls the same functions.

A change is in force at once. It is written into the project file as well where the project's folder has one (`file` says which).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import Field, ValidationError

from tidegate.api.bodies import Body, ReasonRequest
from tidegate.api.errors import RESPONSES
from tidegate.api.params import Name, Operator, Viewer
from tidegate.api.slots import Slots
from tidegate.api.state import control_of
from tidegate.storage.layout import Layout
from tidegate.types.monitoring import Monitor

if TYPE_CHECKING:
    from tidegate.monitoring.options import ThresholdOptions

router = APIRouter(prefix="/api", responses=RESPONSES, tags=["monitors"])

_PROOF = Slots(1, "a proof runs already", retry_after=30.0)
Id = Annotated[str, Query(max_length=500, description="ENDPOINT/METRIC")]
Endpoint = Annotated[str | None, Query(max_length=100, description="All by default")]
Days = Annotated[float, Query(gt=0, le=3650, description="How far back to look")]


class MonitorRequest(Body):
    """A metric's threshold as the project file has it: {max: 5%, for: 10m}. An existing one is replaced."""

    metric: str = Field(min_length=1, max_length=400)
    threshold: dict[str, Any]
    reason: str = Field("", max_length=2000)


class BacktestRequest(Body):
    """A threshold to try on the past of a monitor (which need not exist yet): from `start` to `end`, or the last `days`."""

    id: str = Field(min_length=1, max_length=500, description="ENDPOINT/METRIC")
    threshold: dict[str, Any]
    days: float = Field(30.0, gt=0, le=1000)
    start: float | None = Field(None, ge=0, le=1e11)
    end: float | None = Field(None, ge=0, le=1e11)


class MonitorAct(ReasonRequest):
    """What to do with a monitor. `until` is of mute, in unix seconds (0: for good)."""

    id: str = Field(min_length=1, max_length=500)
    action: Literal["mute", "unmute", "retire", "undo"]
    until: float = Field(0.0, ge=0, le=1e11)


@router.get("/monitors")
def list_(request: Request, actor: Viewer, endpoint: Endpoint = None, retired: bool = False) -> list[dict[str, Any]]:
    """Every monitor with what it says now, those that fire first."""
    from tidegate.views.monitors import overview

    return _plain(overview(control_of(request).layout, endpoint, retired=retired))  # type: ignore[no-any-return]


@router.get("/monitor")
def show(request: Request, id: Id, actor: Viewer, days: Days = 1.0) -> dict[str, Any]:
    """One monitor: its values, its alarms, and every change that was made to it."""
    from tidegate.views.monitors import detail

    return _plain(detail(control_of(request).layout, id, window=days * 86400.0))  # type: ignore[no-any-return]


@router.get("/monitors/courses")
def courses(request: Request, actor: Viewer, endpoint: Endpoint = None) -> dict[str, list[float | None]]:
    """By monitor: its values every two minutes of the last hour, oldest first."""
    from tidegate.views.monitor_courses import courses as read

    return read(control_of(request).layout, endpoint)


@router.get("/endpoints/{endpoint}/monitors/suggestions")
def suggest(request: Request, endpoint: Name, actor: Viewer, days: Days = 30.0) -> list[dict[str, Any]]:
    """What could go wrong, the statistic that would show it, and the monitor to add, with thresholds from the past."""
    from tidegate.monitoring.past import suggestions

    found = suggestions(control_of(request).layout, endpoint, window=days * 86400.0)
    return _plain(found)  # type: ignore[no-any-return]


@router.get("/monitors/usefulness")
def usefulness(request: Request, actor: Viewer, endpoint: Endpoint = None, days: Days = 90.0) -> list[dict[str, Any]]:
    """Which monitors earned their place: keep, tune, retire."""
    from tidegate.monitoring.past import records
    from tidegate.monitoring.usefulness import judge_all

    found = judge_all(records(control_of(request).layout, endpoint, window=days * 86400.0))
    return _plain(found)  # type: ignore[no-any-return]


@router.get("/monitors/adaptations")
def adaptations(request: Request, actor: Viewer, endpoint: Endpoint = None) -> list[dict[str, Any]]:
    """How people's verdicts would move thresholds and shares of the budget."""
    from tidegate.monitoring.past import adaptations as found

    return _plain(found(control_of(request).layout, endpoint))  # type: ignore[no-any-return]


@router.post("/monitors/prove")
def prove(
    request: Request,
    actor: Operator,
    endpoint: Endpoint = None,
    runs: Annotated[int, Query(ge=1, le=100, description="How many permutations")] = 5,
    rows: Annotated[int, Query(ge=400, le=1_000_000, description="The newest rows of the log to use")] = 100_000,
    seed: Annotated[int, Query(ge=0, le=2**31 - 1, description="The same seed, the same replay")] = 0,
) -> list[dict[str, Any]]:
    """The project's own history as A/A: its rows in random order, where every alarm is a false one. Takes seconds a run."""
    from tidegate.monitoring.past import proofs

    with _PROOF:
        return _plain(list(proofs(control_of(request).layout, endpoint, runs=runs, rows=rows, seed=seed)))  # type: ignore[no-any-return]


@router.put("/endpoints/{endpoint}/monitors")
def put(request: Request, endpoint: Name, body: MonitorRequest, actor: Operator) -> dict[str, Any]:
    """Add a monitor, or change its threshold."""
    from tidegate.monitoring import changes
    from tidegate.monitoring.ids import parse_id

    layout = control_of(request).layout
    parts = parse_id(body.metric)
    _known(layout, endpoint, parts.metric)
    threshold = _threshold(body.threshold)
    made = changes.fresh(
        endpoint, parts.metric, threshold.rule(), version=parts.version, segment=parts.segment,
        severity=threshold.severity, reason=body.reason,
    )  # fmt: skip
    return _written(layout, changes.put(layout, made, actor=actor))


@router.post("/monitor/backtest")
def backtest(request: Request, body: BacktestRequest, actor: Viewer) -> dict[str, Any]:
    """The alarms that a threshold would have raised over the past, beside those really raised and what people said of them."""
    import time

    from tidegate.monitoring import backtest as trial
    from tidegate.monitoring import changes
    from tidegate.monitoring.ids import parse_id
    from tidegate.monitoring.past_values import read

    layout = control_of(request).layout
    parts = parse_id(body.id)
    _known(layout, parts.endpoint, parts.metric)
    threshold = _threshold(body.threshold)
    end = time.time() if body.end is None else body.end
    start = max(end - body.days * 86400.0, 0.0) if body.start is None else body.start
    made = changes.fresh(parts.endpoint, parts.metric, threshold.rule(), version=parts.version, segment=parts.segment)
    past = read(layout, made, start=start, end=end)
    found = trial.backtest(past, threshold.rule())
    return {**_plain(found), "points": _plain(trial.points(past, threshold.rule()))}


@router.post("/monitors/adapt")
def adapt(request: Request, actor: Operator, endpoint: Endpoint = None) -> list[dict[str, Any]]:
    """Make the changes that the verdicts speak for; each can be undone."""
    from tidegate.monitoring import changes
    from tidegate.monitoring.past import adaptations as found

    layout = control_of(request).layout
    return [
        _written(layout, changes.put(layout, one.after, actor=actor, seen=one.before.number))
        for one in found(layout, endpoint)
    ]


@router.post("/monitor")
def act(request: Request, body: MonitorAct, actor: Operator) -> dict[str, Any]:
    """Mute, unmute, retire, or undo the last change."""
    from tidegate.monitoring import changes

    layout = control_of(request).layout
    if body.action == "mute":
        made = changes.mute(layout, body.id, until=body.until, reason=body.reason, actor=actor)
    elif body.action == "unmute":
        made = changes.unmute(layout, body.id, actor=actor)
    elif body.action == "retire":
        made = changes.retire(layout, body.id, reason=body.reason, actor=actor)
    else:
        made = changes.undo(layout, body.id, actor=actor)
    return _written(layout, made)


def _known(layout: Layout, endpoint: str, metric: str) -> None:
    """Errors: ConfigError for a metric, or a column of it, that isn't known."""
    from contextlib import closing

    from tidegate.metrics import registry
    from tidegate.storage.profiles import ProfileStore

    with closing(ProfileStore(layout)) as profiles:
        registry.check(metric, profiles.columns(endpoint) or None)


def _threshold(given: dict[str, Any]) -> ThresholdOptions:
    """Errors: ConfigError naming the field."""
    from tidegate.errors import ConfigError
    from tidegate.monitoring.options import ThresholdOptions

    try:
        return ThresholdOptions.model_validate(given)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(["threshold", *(str(part) for part in first["loc"])])
        raise ConfigError(f"{where}: {str(first['msg']).removeprefix('Value error, ')}") from exc


def _written(layout: Layout, made: Monitor) -> dict[str, Any]:
    """The monitor as it is in force, and the project file that says so now (empty: there is none)."""
    from tidegate.project_file import keep_monitor

    return {"monitor": _plain(made), "file": keep_monitor(layout, made)}


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
