"""How long a rollout may take, before it starts: units each step will need, at the rates and the traffic of the last day.

    plan, log of the stable version --> per step: units of the canary, seconds -> Forecast
    a rollout that runs -------------> the same from its step on, less what it has -> Remaining

An estimate for a canary that is exactly as good as the stable version; a worse one takes longer to prove, and less to catch.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import msgspec
import numpy as np
import polars as pl

from tidegate.errors import NotFound
from tidegate.stats.planning import units_below, units_needed
from tidegate.storage.layout import Layout
from tidegate.storage.log.recent import snapshot
from tidegate.types.rollouts import MetricSpec, RolloutPlan, RolloutState, StepSpec
from tidegate.views.rollouts import describe, read_one

WINDOW = 86400.0


class StepForecast(msgspec.Struct, frozen=True):
    """One step. `units` of the canary and `seconds` it will take; -1 where nobody can tell. `why` names what takes longest."""

    number: int
    text: str
    units: int
    seconds: float
    why: str = ""


class Forecast(msgspec.Struct, frozen=True):
    """All steps, and what it is reckoned from: requests a second, and each metric's rate of bad units."""

    steps: list[StepForecast]
    units_per_second: float
    rates: dict[str, float]
    requests: int


class Remaining(msgspec.Struct, frozen=True):
    """What is left of a rollout, the step it is in first. `seconds` up to the end, or up to what nobody can tell, named by `until`."""

    id: int
    steps: list[StepForecast]
    seconds: float
    until: str = ""


def forecast(layout: Layout, planned: RolloutState, now: float | None = None) -> Forecast:
    """What the rollout will need, from the last day of its endpoint's log."""
    calls = _calls(layout, planned.endpoint, now if now is not None else time.time())
    times = calls["time"].dt.epoch("us").to_numpy()
    span = max(1.0, float(times.max() - times.min()) / 1e6) if len(times) > 1 else 0.0
    per_second = len(calls) / span if span else 0.0
    rates = {spec.name: _rate(spec, calls) for spec in planned.plan.metrics if spec.guardrail}
    return Forecast(_steps(planned.plan, rates, per_second), per_second, rates, len(calls))


def remaining(layout: Layout, id: int, now: float | None = None) -> Remaining:
    """What a rollout still needs, from the step it is in. Errors: NotFound."""
    view = read_one(layout, id)
    state = view.state
    if not state.active:
        return Remaining(id, [], 0.0)
    steps = forecast(layout, state, now).steps[state.step :]
    if steps:
        units = max(steps[0].units - view.units, 0) if steps[0].units > 0 else steps[0].units
        steps[0] = msgspec.structs.replace(steps[0], units=units, seconds=view.waiting.seconds, why=view.waiting.what)
    total, until = 0.0, ""
    for step in steps:
        if step.seconds < 0:
            until = step.why
            break
        total += step.seconds
    return Remaining(id, steps, total, until)


def _steps(plan: RolloutPlan, rates: dict[str, float], per_second: float) -> list[StepForecast]:
    found = []
    weight = mirror = 0.0
    for number, step in enumerate(plan.steps):
        if step.kind == "setWeight":
            weight = step.weight
        elif step.kind == "setMirrorRoute":
            mirror = step.percentage
        paired = mirror > 0 and weight == 0
        units, why = _units(plan, step, rates, weight / 100, paired)
        speed = per_second * (mirror if paired else weight) / 100
        seconds = step.duration
        if units > 0:
            seconds = max(seconds, units / speed) if speed > 0 else -1.0
        if units < 0 or step.until_promoted:
            seconds = -1.0
        if step.kind == "analysis" and step.max_duration and seconds > step.max_duration:
            why = f"more than maxDuration allows: it would end Inconclusive; {why}".rstrip("; ")
        found.append(StepForecast(number, describe(step), units, seconds, why))
    return found


def _units(plan: RolloutPlan, step: StepSpec, rates: dict[str, float], share: float, paired: bool) -> tuple[int, str]:
    """(units of the canary that the step needs, why so many)."""
    if step.until_promoted:
        return 0, "waits for a person"
    units, why = step.min_units, "minUnits" if step.min_units else ""
    if step.kind != "analysis":
        return units, why
    for spec in plan.metrics:
        if not spec.guardrail or (spec.source == "paired") != paired or not (step.proof or spec.max is not None):
            continue
        rate = rates[spec.name]
        if spec.max is not None:
            needed = units_below(rate, spec.max, plan.promote_alpha)
        else:
            needed = units_needed(
                spec.method,
                rate,
                rate,
                share if not paired else 0.5,
                spec.promote_ratio,
                spec.floor,
                plan.promote_alpha,
            )
        if needed < 0:
            return -1, f"proof of {spec.name} can't be told in advance"
        if needed > units:
            units, why = needed, f"proof of {spec.name} at {rate:.2%}"
    return units, why


def _rate(spec: MetricSpec, calls: pl.DataFrame) -> float:
    """The rate of bad units to reckon with: as it was in the log, where that can tell; else none."""
    if not len(calls):
        return 0.0
    status = calls["status"].to_numpy()
    if spec.measure == "error":
        return float(np.mean(status >= 500))
    if spec.measure == "timeout":
        return float(np.mean(status == 504))
    taken = calls["latency_us"].to_numpy()[status == 200]
    if spec.measure == "latency" and len(taken):
        limit = spec.threshold or float(np.quantile(taken, spec.quantile, method="lower")) * spec.tolerance
        return float(np.mean(taken > limit))
    return 0.0


def _calls(layout: Layout, endpoint: str, now: float) -> pl.DataFrame:
    """time, status and latency_us of the callers' requests of the last day; empty where there is no log."""
    start = datetime.fromtimestamp(now - WINDOW, UTC)
    columns = ("time", "status", "latency_us")
    try:
        rows = snapshot(layout, endpoint).predictions
    except NotFound:
        return pl.DataFrame(schema={"time": pl.Datetime("us", "UTC"), "status": pl.Int32, "latency_us": pl.Int64})
    found = rows.filter((pl.col("time") >= start) & (pl.col("row") == 0) & (pl.col("role") != "shadow"))
    return found.select(columns).collect()
