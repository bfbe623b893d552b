"""What an endpoint's metrics are held against now: thresholds that people set, and its objectives. Read-only.

monitors in force (a rule) --+--> Limit by metric         a relative rule's limit is a figure of the newest look
objectives of the project ---+
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from tidegate.errors import TidegateError
from tidegate.metrics import registry
from tidegate.profiles.profile import Profile
from tidegate.profiles.reference import Reference
from tidegate.storage.monitor_report import Figure
from tidegate.types.monitoring import Monitor, Severity
from tidegate.types.units import parse_duration, parse_share

QUANTILES = ("p50", "p90", "p95", "p99")
Bound = Literal["max", "min"]


class Limit(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value that a metric is not to pass: `max` from below, `min` from above. `monitor` is empty for an objective, and
    `movable` says whether a person may set it to another value as it is (a relative one is a consequence)."""

    metric: str
    value: float
    bound: Bound
    words: str
    monitor: str = ""
    severity: Severity = "ticket"
    version: str = ""
    segment: str = ""
    movable: bool = False


def limits(
    monitors: Iterable[Monitor],
    figures: Iterable[Figure] = (),
    project: Mapping[str, Any] | None = None,
    endpoint: str = "",
    reference: Reference | None = None,
) -> dict[str, list[Limit]]:
    """By metric. `monitors` are the endpoint's, `figures` the newest look's, `project` the desired state.

    >>> from tidegate.types.monitoring import Rule
    >>> found = limits([Monitor("loan/output.null", "loan", "output.null", Rule(max=0.01))])
    >>> [(limit.value, limit.bound, limit.words) for limit in found["output.null"]]
    [(0.01, 'max', 'at most 1%')]
    """
    seen = {(one.endpoint, one.metric, one.version, one.segment): one.limit for one in figures}
    found: dict[str, list[Limit]] = {}
    for monitor in monitors:
        if monitor.rule is None or monitor.state == "retired":
            continue
        rule = monitor.rule
        for bound, said in (("max", rule.max), ("min", rule.min)):
            if said is None:
                continue
            value: float | None = said
            if rule.relative_to == "reference":
                usual = usually(monitor.metric, reference)
                value = usual * (1.0 + said) if usual is not None else None
            elif rule.relative_to:
                value = seen.get((monitor.endpoint, monitor.metric, monitor.version, monitor.segment))
            if value is not None:
                found.setdefault(monitor.metric, []).append(
                    Limit(
                        monitor.metric, value, "max" if bound == "max" else "min", _words(monitor, bound, value),
                        monitor.id, monitor.severity, monitor.version, monitor.segment, not rule.relative_to,
                    )
                )  # fmt: skip
    for limit in objectives(project or {}, endpoint):
        found.setdefault(limit.metric, []).append(limit)
    return found


def objectives(project: Mapping[str, Any], endpoint: str) -> list[Limit]:
    """An endpoint's service level objectives as limits: its own, else the project's.

    >>> project = {"endpoints": {"loan": {}}, "monitoring": {"slo": {"availability": 0.999, "latency": {"p99": 0.2}}}}
    >>> [(limit.metric, round(limit.value, 6), limit.words) for limit in objectives(project, "loan")]
    [('software.latency.p99', 0.2, 'objective 200ms'), ('software.errors', 0.001, 'objective 99.9% answered')]
    """
    own = ((project.get("endpoints") or {}).get(endpoint) or {}).get("monitoring") or {}
    slo = own.get("slo") or (project.get("monitoring") or {}).get("slo") or {}
    found = []
    for name in QUANTILES:
        seconds = (slo.get("latency") or {}).get(name)
        if seconds is not None:
            metric, value = f"software.latency.{name}", parse_duration(seconds)
            found.append(Limit(metric, value, "max", f"objective {registry.shown(metric, value)}", severity="page"))
    if slo.get("availability") is not None:
        share = parse_share(slo["availability"])
        found.append(
            Limit("software.errors", 1.0 - share, "max", f"objective {100 * share:.6g}% answered", severity="page")
        )
    return found


def usually(metric: str, reference: Reference | None) -> float | None:
    """A metric's value over the reference; None where it has none there (of software, of labels)."""
    if reference is None or registry.parse(metric).group not in ("input", "output"):
        return None
    whole = Profile(rows=reference.rows, requests=reference.rows, columns=reference.columns)
    try:
        found = registry.metric_value(metric, whole, reference)
    except TidegateError:
        return None
    return found.value if found is not None else None


def _words(monitor: Monitor, bound: str, value: float) -> str:
    rule = monitor.rule
    assert rule is not None
    shown = registry.shown(monitor.metric, value)
    against = {"reference": ", from the reference", "week": ", from a week ago", "stable": ", from stable"}
    return f"at {'most' if bound == 'max' else 'least'} {shown}{against.get(rule.relative_to, '')}"
