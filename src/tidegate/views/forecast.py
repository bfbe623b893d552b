"""How long a rollout may take, before it starts: units each step will need, at the rates and the traffic of the last day.

    plan, log of the stable version --> per step: units of the canary, seconds -> Forecast

An estimate for a canary that is exactly as good as the stable version; a worse one takes longer to prove, and less to catch.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import msgspec
import polars as pl

from tidegate.errors import NotFound
from tidegate.stats.planning import units_needed
from tidegate.storage.layout import Layout
from tidegate.storage.log.recent import snapshot
from tidegate.types.rollouts import MetricSpec, RolloutPlan, RolloutState, StepSpec
from tidegate.views.rollouts import describe

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


def forecast(layout: Layout, planned: RolloutState, now: float | None = None) -> Forecast:
    """What the rollout will need, from the last day of its endpoint's log."""
    requests, per_second, errors = _measured(layout, planned.endpoint, now if now is not None else time.time())
    rates = {spec.name: _rate(spec, errors) for spec in planned.plan.metrics if spec.guardrail}
    return Forecast(_steps(planned.plan, rates, per_second), per_second, rates, requests)


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
    if not step.proof:
        return units, why
    for spec in plan.metrics:
        if not spec.guardrail or (spec.source == "paired") != paired:
            continue
        rate = rates[spec.name]
        needed = units_needed(
            spec.method, rate, rate, share if not paired else 0.5, spec.promote_ratio, spec.floor, plan.promote_alpha
        )
        if needed < 0:
            return -1, f"proof of {spec.name} can't be told in advance"
        if needed > units:
            units, why = needed, f"proof of {spec.name} at {rate:.2%}"
    return units, why


def _rate(spec: MetricSpec, errors: float) -> float:
    """The rate of bad units to reckon with: errors as measured; a quantile's by its meaning; else none."""
    if spec.measure in ("error", "timeout"):
        return errors
    if spec.measure == "latency" and not spec.threshold:
        return 1 - spec.quantile
    return 0.0


def _measured(layout: Layout, endpoint: str, now: float) -> tuple[int, float, float]:
    """(requests, requests a second while there were any, share of server errors) over the last day."""
    start = datetime.fromtimestamp(now - WINDOW, UTC)
    try:
        rows = snapshot(layout, endpoint).predictions
    except NotFound:
        return 0, 0.0, 0.0
    found = (
        rows.filter((pl.col("time") >= start) & (pl.col("row") == 0) & (pl.col("role") != "shadow"))
        .select(
            pl.len().alias("n"),
            (pl.col("status") >= 500).sum().alias("bad"),
            pl.col("time").min().alias("first"),
            pl.col("time").max().alias("last"),
        )
        .collect()
        .row(0, named=True)
    )
    count = int(found["n"])
    if count < 2:
        return count, 0.0, 0.0
    span = max(1.0, (found["last"] - found["first"]).total_seconds())
    return count, count / span, int(found["bad"]) / count
