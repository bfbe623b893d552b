"""A simulated quarter: useful and useless monitors, people who judge alarms (and err), and what the verdicts come to.

90 days of hourly windows, 10 monitors, 5 that tell of real incidents and 5 that can't. People judge each alarm a few hours later:
10% they leave, of the rest they call 5% the wrong way round. Once a week they read the proposals: thresholds move as the verdicts
speak for, and what is proposed for retirement is retired, unless they know that it can tell of something (which they see in 8 of 10
monitors that can, and believe of 1 of 10 that can't). The same quarter (same values, same incidents, same slips) is lived through a second
time with nothing changed, so that what differs is what adaptation did.

    python -m benchmarks.monitoring.quarter --runs 100      # writes results/quarter.json and QUARTER.md
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.monitoring.adapt import adapt
from tidegate.monitoring.alarm import advance
from tidegate.monitoring.usefulness import Record, judge
from tidegate.types.monitoring import Alarm, Monitor, Rule, Truth, Value

Numbers = npt.NDArray[np.float64]

HOURS = 90 * 24
HOUR = 3600.0
WEEK = 7 * 24
UNJUDGED, WRONG = 0.10, 0.05
SEES, BELIEVES = 0.8, 0.1
"""How often people refuse to retire a monitor that can tell of something, and one that can't."""


class Kind(msgspec.Struct, frozen=True):
    """A monitor of the simulation: its rule, how many real incidents show in it, and its values [hours]."""

    metric: str
    rule: Rule
    incidents: int
    values: Callable[[np.random.Generator], Numbers]
    peak: tuple[float, float] = (0.0, 0.0)
    """The value that an incident reaches: uniform between these."""


class World(msgspec.Struct, frozen=True):
    """One quarter: values by metric, and real incidents (metric, first hour, last hour)."""

    values: dict[str, Numbers]
    incidents: list[tuple[str, int, int]]


class Lived(msgspec.Struct):
    """What came of a quarter. False and real alarms by month (0, 1, 2), by what was true; incidents that were told of."""

    false: list[int]
    real: list[int]
    found: set[int]
    retired: set[str]
    proposed: set[str]
    moved: int = 0


def _hours() -> Numbers:
    return np.arange(HOURS, dtype=float)


def _bursts(draw: np.random.Generator, usual: Numbers, rate: float, low: float, high: float) -> Numbers:
    """Values with short bursts that mean nothing: `rate` an hour."""
    found = usual.copy()
    for at in np.flatnonzero(draw.random(HOURS) < rate):
        found[at : at + int(draw.integers(1, 3))] = draw.uniform(low, high)
    return found


KINDS = (
    Kind("input.missing.sensor", Rule(max=0.025), 6,
         lambda d: _bursts(d, d.beta(20, 1980, HOURS), 0.006, 0.026, 0.045), (0.15, 0.6)),
    Kind("output.null", Rule(max=0.01), 4,
         lambda d: _bursts(d, d.beta(4, 1996, HOURS), 0.004, 0.0105, 0.016), (0.05, 0.5)),
    Kind("software.latency.p99", Rule(max=0.30), 5,
         lambda d: 0.22 + 0.06 * np.sin(_hours() * 2 * np.pi / 24) + d.gamma(2.0, 0.012, HOURS), (0.7, 2.0)),
    Kind("input.new_categories.city", Rule(max=0.20), 5,
         lambda d: d.beta(5, 995, HOURS), (0.05, 0.4)),
    Kind("output.confidence.p", Rule(min=0.80), 4,
         lambda d: 0.86 + d.normal(0, 0.006, HOURS) - _bursts(d, np.zeros(HOURS), 0.004, 0.065, 0.085), (0.55, 0.70)),
    Kind("input.mean.temperature", Rule(max=27.0), 0,
         lambda d: 20 + 5 * np.sin(_hours() * 2 * np.pi / 24) + 3 * np.sin(_hours() * 2 * np.pi / (24 * 11)) + d.normal(0, 0.5, HOURS)),
    Kind("input.distinct.session", Rule(min=930.0), 0, lambda d: d.normal(1000, 35, HOURS)),
    Kind("output.share.label=a", Rule(max=0.54), 0, lambda d: 0.5 + d.normal(0, 0.016, HOURS)),
    Kind("input.missing.constant", Rule(max=0.05), 0, lambda d: np.zeros(HOURS)),
    Kind("input.out_of_range.code", Rule(max=0.05), 0, lambda d: np.full(HOURS, 0.0005)),
)  # fmt: skip
USELESS = {kind.metric for kind in KINDS if not kind.incidents}


def world(seed: int) -> World:
    """One quarter; incidents of 3 to 12 hours, never two at once."""
    draw = np.random.default_rng([seed, 1])
    values = {kind.metric: kind.values(draw) for kind in KINDS}
    incidents: list[tuple[str, int, int]] = []
    taken = np.zeros(HOURS, bool)
    for kind in KINDS:
        left = kind.incidents
        while left:
            start, length = int(draw.integers(24, HOURS - 24)), int(draw.integers(3, 13))
            if taken[max(start - 6, 0) : start + length + 6].any():
                continue
            taken[start : start + length] = True
            values[kind.metric][start : start + length] = draw.uniform(*kind.peak)
            incidents.append((kind.metric, start, start + length))
            left -= 1
    return World(values, sorted(incidents, key=lambda one: one[1]))


def live(quarter: World, seed: int, *, learning: bool) -> Lived:
    """Live through a quarter hour by hour, with the functions that judge, advance and adapt in production."""
    people = np.random.default_rng([seed, 2])
    slips = {kind.metric: people.random((HOURS, 2)) for kind in KINDS}
    keeps = {k.metric: people.random() < (SEES if k.incidents else BELIEVES) for k in KINDS}
    monitors = {k.metric: Monitor(f"e/{k.metric}", "e", k.metric, k.rule) for k in KINDS}
    opened: dict[str, Alarm | None] = dict.fromkeys(monitors)
    closed: dict[str, list[Alarm]] = {metric: [] for metric in monitors}
    out = Lived([0, 0, 0], [0, 0, 0], set(), set(), set())
    for hour in range(HOURS):
        now = (hour + 1) * HOUR
        for metric, monitor in monitors.items():
            if monitor.state == "retired":
                continue
            value = Value(float(quarter.values[metric][hour]), 1000)
            before, after = opened[metric], advance(opened[metric], monitor, value, now, longest=HOUR)
            if after is not None and after.state == "firing" and (before is None or before.state != "firing"):
                true = [
                    n
                    for n, (where, start, end) in enumerate(quarter.incidents)
                    if where == metric and start <= hour <= end
                ]
                (out.real if true else out.false)[min(hour // 720, 2)] += 1
                after = msgspec.structs.replace(after, note="true" if true else "")
            if after is not None and after.state == "firing":
                out.found.update(
                    n
                    for n, (where, start, end) in enumerate(quarter.incidents)
                    if where == metric and start <= hour < end
                )
            if after is not None and after.state == "resolved":
                closed[metric].append(_judged(after, slips[metric][hour]))
                after = None
            opened[metric] = after if after is not None and after.open else None
        if learning and hour % WEEK == WEEK - 1:
            _week(quarter, monitors, closed, keeps, out, hour)
    return out


def _judged(alarm: Alarm, slip: Numbers) -> Alarm:
    """A person's verdict: none now and then, and sometimes the wrong one."""
    if slip[0] < UNJUDGED:
        return alarm
    real = (alarm.note == "true") != (slip[1] < WRONG)
    verdict: Truth = "real" if real else "false"
    return msgspec.structs.replace(alarm, verdict=verdict)


def _week(
    quarter: World,
    monitors: dict[str, Monitor],
    closed: dict[str, list[Alarm]],
    keeps: dict[str, bool],
    out: Lived,
    hour: int,
) -> None:
    now = (hour + 1) * HOUR
    past = [one for one in quarter.incidents if one[2] < hour]
    busy = np.zeros(hour + 1, bool)
    for _, start, end in past:
        busy[max(start - 1, 0) : end + 2] = True
    for metric, monitor in monitors.items():
        if monitor.state == "retired":
            continue
        values = quarter.values[metric][: hour + 1]
        closeness = _closeness(monitor, values) if not closed[metric] else None
        moved = bool(np.ptp(values) > 0.01 * abs(np.median(values)))
        record = Record(monitor, closed[metric], (hour + 1) / 24.0, closeness, moved)
        if judge(record).proposal == "retire":
            out.proposed.add(metric)
            if not keeps[metric]:
                monitors[metric] = msgspec.structs.replace(monitor, state="retired", time=now)
                out.retired.add(metric)
                continue
        # What nobody was told of is found in another way, some day: the incident is known to have been real.
        silent = [
            one for one in past if not any(one[1] * HOUR < a.fired <= (one[2] + 1) * HOUR for a in closed[metric])
        ]
        assert monitor.rule is not None
        worst = max if monitor.rule.max is not None else min
        missed = [float(worst(quarter.values[metric][start:end])) for _, start, end in silent]
        made = adapt(monitor, closed[metric], missed=missed, quiet=values[~busy].tolist())
        if made is not None:
            monitors[metric] = msgspec.structs.replace(made.after, time=now)
            out.moved += 1


def _closeness(monitor: Monitor, values: Numbers) -> float:
    rule = monitor.rule
    assert rule is not None
    usual = float(np.median(values))
    limit, farthest = (rule.max, float(values.max())) if rule.max is not None else (rule.min, float(values.min()))
    assert limit is not None
    return max((farthest - usual) / (limit - usual), 0.0) if limit != usual else 1.0


def simulate(runs: int, seed: int = 0) -> dict[str, object]:
    """Many quarters, each with and without learning: means with standard errors."""
    pairs = []
    for run in range(runs):
        quarter = world(seed + run)
        pairs.append(
            (
                live(quarter, seed + run, learning=True),
                live(quarter, seed + run, learning=False),
                len(quarter.incidents),
            )
        )

    def mean(values: list[float]) -> list[float]:
        spread = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
        return [round(float(np.mean(values)), 3), round(spread, 3)]

    useful = {kind.metric for kind in KINDS} - USELESS
    return {
        "runs": runs,
        "incidents": mean([float(count) for *_, count in pairs]),
        "false_by_month": [mean([float(on.false[m]) for on, _, _ in pairs]) for m in range(3)],
        "false_by_month_unchanged": [mean([float(off.false[m]) for _, off, _ in pairs]) for m in range(3)],
        "found": mean([float(len(on.found)) for on, _, _ in pairs]),
        "found_unchanged": mean([float(len(off.found)) for _, off, _ in pairs]),
        "lost": sum(len(off.found - on.found) for on, off, _ in pairs),
        "gained": sum(len(on.found - off.found) for on, off, _ in pairs),
        "useless": len(USELESS),
        "useless_proposed": mean([float(len(on.proposed & USELESS)) for on, _, _ in pairs]),
        "useful_proposed": mean([float(len(on.proposed & useful)) for on, _, _ in pairs]),
        "useless_retired": mean([float(len(on.retired & USELESS)) for on, _, _ in pairs]),
        "useful_retired": sum(len(on.retired & useful) for on, _, _ in pairs),
        "moves": mean([float(on.moved) for on, _, _ in pairs]),
    }


def page(found: dict[str, object]) -> str:
    """The figures as a page."""
    on, off = found["false_by_month"], found["false_by_month_unchanged"]
    assert isinstance(on, list) and isinstance(off, list)
    rows = "\n".join(
        f"| {name} | " + " | ".join(f"{mean:.1f} ± {error:.1f}" for mean, error in months) + " |"
        for name, months in (("nothing changed", off), ("proposals followed, once a week", on))
    )

    def pair(key: str) -> str:
        value = found[key]
        assert isinstance(value, list)
        return f"{value[0]:.2f} ± {value[1]:.2f}"

    return f"""# A simulated quarter

{found["runs"]} quarters of 90 days, 10 monitors with thresholds, {found["useless"]} of them useless (three that make noise, two that never
move). People leave {UNJUDGED:.0%} of the alarms unjudged and judge {WRONG:.0%} of the others the wrong way round. The same quarters
twice: with the proposals of `monitors usefulness` and `monitors adapt` followed once a week, and with nothing changed. ± is a
standard error. Of a proposal to retire, people see in {SEES:.0%} of the useful monitors that it is wrong, and take {BELIEVES:.0%} of
the useless ones for useful.

| false alarms a month | first | second | third |
|---|---|---|---|
{rows}

| a quarter | |
|---|---|
| real incidents | {pair("incidents")} |
| told of, nothing changed | {pair("found_unchanged")} |
| told of, proposals followed | {pair("found")} |
| told of before, but not with the proposals (all quarters together) | {found["lost"]} |
| told of only with the proposals (all quarters together) | {found["gained"]} |
| useless monitors proposed for retirement, of {found["useless"]} | {pair("useless_proposed")} |
| useless monitors retired | {pair("useless_retired")} |
| useful monitors proposed for retirement, of 5 | {pair("useful_proposed")} |
| useful monitors retired (all quarters together) | {found["useful_retired"]} |
| thresholds moved | {pair("moves")} |

The simulation is ours, and so are its shapes: bursts that mean nothing are smaller than incidents, as they are where a threshold
can do its work at all. Where both reach equally far, `adapt` moves nothing and the monitor keeps its false alarms.

`python -m benchmarks.monitoring.quarter --runs {found["runs"]}` writes this page and results/quarter.json.
"""


def main() -> None:
    """Simulate, and write the figures beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    found = simulate(given.runs, given.seed)
    here = Path(__file__).parent
    (here / "results").mkdir(exist_ok=True)
    (here / "results" / "quarter.json").write_text(json.dumps(found, indent=2) + "\n")
    (here / "QUARTER.md").write_text(page(found))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
