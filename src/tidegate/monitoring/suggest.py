"""What could go wrong here, the statistic that would show it, and the monitor to add: thought out from what is known.

    columns (signature, profiles), reference --worries--> (what, metric) --series of history--> candidate thresholds
                                                                              |
    alarm.advance over the past: table of value -> alarms <-------------------+--> Suggestion with the one proposed

A candidate is judged by the alarms that it would have raised over the past, by the very function that raises them live. Proposed
is the tightest beyond all quiet values of the past that would have raised none but those of incidents that people called real; where
history is short the candidates keep farther away.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from tidegate.metrics import registry
from tidegate.monitoring.alarm import advance
from tidegate.monitoring.ids import monitor_id
from tidegate.profiles.profile import Profile
from tidegate.profiles.reference import Reference
from tidegate.types.monitoring import Alarm, Monitor, Rule, Value

ENOUGH = 48
"""Windows with rows that make a history; with fewer, limits keep farther away."""
MOST_CATEGORIES = 12


class Candidate(msgspec.Struct, frozen=True):
    """A threshold and the alarms it would have raised over the past; of those, how many while a real incident was open."""

    threshold: float
    bound: str
    """max or min"""
    alarms: int
    real: int = 0
    seconds: float = 0.0
    """How long they would have lasted together."""


class Suggestion(msgspec.Struct, frozen=True):
    """One line for a person to say yes or no to. `usual` is the median of the past, `low` and `high` its extremes, all in the
    metric's unit; `windows` how many windows of the past had rows. `candidates` are from the tightest to the loosest."""

    wrong: str
    statistic: str
    monitor: Monitor
    candidates: list[Candidate]
    why: str
    windows: int
    usual: float | None = None
    low: float | None = None
    high: float | None = None


class Worry(msgspec.Struct, frozen=True):
    """What could go wrong, the metric that shows it, and on which side it shows."""

    wrong: str
    metric: str
    side: str
    over: float = 3600.0
    hold: float = 0.0
    floor: float = 0.0
    """The least limit worth waking somebody for (shares: 0.005 is half a percent)."""
    severity: str = "ticket"
    scatter: float = 0.02
    """How far the value may wander at least, as a share of its usual size, whatever a short past says."""


class Span(msgspec.Struct, frozen=True):
    """When a real incident was open (unix seconds)."""

    start: float
    end: float


def worries(profile: Profile, reference: Reference | None = None) -> list[Worry]:
    """What could go wrong with these columns; the most telling first. `profile` is of all that was seen lately."""
    found = [
        Worry("the model answers, but says nothing", "output.null", "max", 600.0, 600.0, 0.01, "page"),
        Worry("callers fail", "software.errors", "max", 600.0, 300.0, 0.01, "page"),
        Worry("answers take too long", "software.latency.p99", "max", 600.0, 600.0, 0.005, "page", 0.1),
        Worry("callers stop sending, or send far more than ever", "input.volume", "both", scatter=0.25),
    ]
    columns = profile.columns
    for name, column in sorted(columns.items()):
        usual = (reference.columns.get(name) if reference is not None else None) or column
        if column.side == "input":
            found.append(Worry(f"{name} stops arriving", f"input.missing.{name}", "max", floor=0.01))
            if reference is not None and usual.kind == "number" and name in reference.columns:
                found.append(
                    Worry(
                        f"{name} comes in another unit or beyond what was learned",
                        f"input.out_of_range.{name}",
                        "max",
                        floor=0.01,
                    )
                )
            if (
                reference is not None
                and usual.kind == "category"
                and name in reference.columns
                and len(reference.counts(name)) < 1000
            ):
                found.append(
                    Worry(
                        f"{name} gets values that nobody trained for",
                        f"input.new_categories.{name}",
                        "max",
                        floor=0.005,
                    )
                )
            if usual.kind == "number" and usual.present > 1 and usual.distinct > 10:
                found.append(Worry(f"{name} freezes at one value", f"input.distinct.{name}", "min"))
            continue
        named = column.items(MOST_CATEGORIES + 1) if column.has_items else {}
        if 1 < len(named) <= MOST_CATEGORIES:
            most = max(named, key=lambda value: named[value])
            found.append(Worry(f"the answers of {name} tip towards one class", f"output.share.{name}={most}", "both"))
        for metric, what in (
            ("output.confidence", f"the model becomes unsure of {name}, or surer than it has reason to be"),
            ("output.length", f"the texts of {name} get cut off or run away"),
        ):
            made = registry.profile_metrics().get(metric)
            stem = name.removesuffix("_length") if metric == "output.length" else name
            if (
                made is None
                or (metric == "output.length" and stem == name)
                or not getattr(made, "applies", bool)(usual)
            ):
                continue
            found.append(Worry(what, f"{metric}.{stem}", "both"))
    return [worry for worry in found if registry.exists(worry.metric)]


def suggest(
    endpoint: str,
    profiles: Sequence[Profile],
    *,
    reference: Reference | None = None,
    present: Mapping[str, Monitor] | None = None,
    real: Sequence[Span] = (),
) -> list[Suggestion]:
    """Suggestions for an endpoint from its past: `profiles` are consecutive windows of one length (an hour, say), empty ones
    included. What has a monitor with a rule already, or was retired, is not suggested again."""
    whole = Profile(seconds=sum(profile.seconds for profile in profiles))
    for profile in profiles:
        whole.merge(profile)
    there = present or {}
    found = []
    for worry in worries(whole, reference):
        have = there.get(monitor_id(endpoint, worry.metric))
        if have is not None and (have.rule is not None or have.state == "retired"):
            continue
        made = _suggestion(endpoint, worry, profiles, reference, real)
        if made is not None:
            found.append(made)
    return found


def outcome(
    monitor: Monitor, values: Sequence[Value | None], times: Sequence[float], step: float, real: Sequence[Span] = ()
) -> Candidate:
    """The alarms that a monitor would have raised over a series of its values, each of a window of `step` seconds that ends at
    its time. One look a window: a hold time shorter than that holds at once."""
    alarm: Alarm | None = None
    fired: list[list[float]] = []
    for value, at in zip(values, times, strict=True):
        before = alarm
        alarm = advance(alarm, monitor, value, at, longest=step)
        if alarm is not None and alarm.state == "firing" and (before is None or before.state != "firing"):
            fired.append([at, at])
        if alarm is not None and alarm.state == "firing":
            fired[-1][1] = at
        if alarm is not None and alarm.state in ("resolved", "inactive"):
            alarm = None
    true = sum(1 for start, end in fired if any(start <= span.end and span.start - step <= end for span in real))
    limit = monitor.rule.max if monitor.rule is not None and monitor.rule.max is not None else None
    low = monitor.rule.min if monitor.rule is not None else None
    return Candidate(
        limit if limit is not None else low if low is not None else math.nan, "max" if limit is not None else "min",
        len(fired), true,
        sum(end - start + step for start, end in fired),
    )  # fmt: skip


def _suggestion(
    endpoint: str, worry: Worry, profiles: Sequence[Profile], reference: Reference | None, real: Sequence[Span]
) -> Suggestion | None:
    step = profiles[0].seconds if profiles else worry.over
    times = [profile.start + profile.seconds for profile in profiles]
    values = [registry.metric_value(worry.metric, profile, reference) for profile in profiles]
    if worry.metric == "input.volume":  # before the first row nothing was there to fail
        first = next((n for n, profile in enumerate(profiles) if profile.rows), len(profiles))
        values[:first] = [None] * first
    held = [i for i, value in enumerate(values) if value is not None and value.n >= Rule().min_rows]
    seen = np.array([value.value for i in held if (value := values[i]) is not None])
    if not len(seen):
        return None
    quiet_places = [n for n, i in enumerate(held) if not any(s.start - step <= times[i] <= s.end + step for s in real)]
    quiet = seen[quiet_places] if quiet_places else seen
    high, low = _candidates(quiet, worry)
    rule = Rule(over=max(step, 60.0) if step else worry.over, hold=worry.hold, clear=max(300.0, step / 2.0))
    made = Monitor(
        monitor_id(endpoint, worry.metric), endpoint, worry.metric, rule, source="suggested", reason=worry.wrong,
        severity="page" if worry.severity == "page" else "ticket",
    )  # fmt: skip
    table: list[Candidate] = []
    bounds: dict[str, float] = {}
    for bound, candidates in (("max", high), ("min", low)):
        results = [outcome(_with(made, {bound: c}), values, times, step, real) for c in candidates]
        # A limit among the values of the past would be passed soon: only those beyond all of them are proposed.
        # Of a short history rounding alone may put one there: a limit has to be clear of it.
        beyond = float(quiet.max()) if bound == "max" else -float(quiet.min())
        clear = beyond + (0.1 * abs(beyond) if len(quiet) < ENOUGH else 0.0)
        sign = 1.0 if bound == "max" else -1.0
        outside = [n for n, c in enumerate(candidates) if sign * c > clear]
        outside = outside or [n for n, c in enumerate(candidates) if sign * c > beyond] or list(range(len(candidates)))
        if results:
            chosen = next((n for n in outside if results[n].alarms == results[n].real), outside[-1])
            bounds[bound] = candidates[chosen]
        table += results
    if not bounds or ("max" in bounds and "min" in bounds and bounds["min"] >= bounds["max"]):
        return None
    usual = float(np.median(quiet))
    say = registry.shown
    extent = f"{say(worry.metric, float(quiet.min()))} to {say(worry.metric, float(quiet.max()))}"
    why = f"in {len(quiet)} windows it was {extent}"
    if len(quiet) < ENOUGH:
        why += "; a short history, so the limit keeps its distance"
    return Suggestion(
        worry.wrong, registry.help_of(worry.metric), _with(made, bounds), table, why, len(seen), usual,
        float(quiet.min()), float(quiet.max()),
    )  # fmt: skip


def _candidates(quiet: np.ndarray[tuple[int], np.dtype[np.float64]], worry: Worry) -> tuple[list[float], list[float]]:
    """Limits from tight to loose: quantiles of the past, then ever farther beyond its extremes."""
    usual = float(np.median(quiet))
    highest, lowest = float(quiet.max()), float(quiet.min())
    scatter = max(float(quiet.std()), abs(usual) * worry.scatter, 1e-9)
    extra = 1.0 if len(quiet) >= ENOUGH else 3.0
    share = registry.unit_of(worry.metric) == "share"
    up: list[float] = []
    down: list[float] = []
    if worry.side in ("max", "both"):
        up = [float(np.quantile(quiet, q)) for q in (0.9, 0.99)] + [
            highest + extra * k * scatter for k in (0.5, 1.0, 2.0, 4.0)
        ]
        up = [max(value, worry.floor) for value in up]
        if share:
            up = [min(value, 1.0) for value in up if value < 1.0]
    if worry.side in ("min", "both"):
        down = [float(np.quantile(quiet, q)) for q in (0.1, 0.01)] + [
            lowest - extra * k * scatter for k in (0.5, 1.0, 2.0, 4.0)
        ]
        if usual >= 0:  # of what can't be below 0, half of the least is a limit that can still be passed
            down = [value if value > 0 else lowest / 2.0 for value in down]
            down = [value for value in down if value > 0]
    return sorted({_round(v) for v in up}), sorted({_round(v) for v in down}, reverse=True)


def _round(value: float) -> float:
    return float(f"{value:.3g}")


def _with(monitor: Monitor, bounds: Mapping[str, float]) -> Monitor:
    assert monitor.rule is not None
    return msgspec.structs.replace(monitor, rule=msgspec.structs.replace(monitor.rule, **bounds))
