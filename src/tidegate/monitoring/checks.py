"""What a project file may say of monitoring that could never work: told when it is written, not by an alarm that never comes.

options of the project and of each endpoint --problems--> "monitoring.thresholds.quality.auc: ..." (none: all is well)

Asked of what people write only: a desired state that an earlier release took stays in force.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tidegate.metrics import registry
from tidegate.monitoring.ids import parse_id
from tidegate.monitoring.options import EndpointMonitoring, MonitoringOptions, SloOptions, ThresholdOptions
from tidegate.types.monitoring import Rule

AGAINST_IT_ALREADY = ("input.drift", "output.drift", "input.out_of_range", "input.new_categories")
"""Metrics that are held against the reference by themselves: of the reference they are 0, and so would be the limit."""


def problems(options: MonitoringOptions, endpoints: Mapping[str, EndpointMonitoring]) -> Iterator[str]:
    """In words, with the key. Metrics are known (config sees to that)."""
    places: dict[str, tuple[Mapping[str, ThresholdOptions], SloOptions | None]] = {
        "monitoring": (options.thresholds, options.slo)
    }
    places |= {f"endpoints.{name}.monitoring": (one.thresholds, one.slo) for name, one in endpoints.items()}
    for place, (thresholds, slo) in places.items():
        for key, threshold in thresholds.items():
            if wrong := of_rule(parse_id(key).metric, threshold.rule()):
                yield f"{place}.thresholds.{key}: {wrong}"
        if slo is not None:
            yield from (f"{place}.slo.{wrong}" for wrong in _objectives(slo))
    for number, channel in enumerate(options.notify):
        if "://" not in channel.to and "${" not in channel.to:
            yield (
                f"monitoring.notify.{number}.to: it must be a URL, such as slack://..., mailto://... or webhook+https://..., "
                "or ${NAME} of the environment"
            )


def of_rule(metric: str, rule: Rule) -> str:
    """Why a rule of this metric could never be judged; "" where it can.

    >>> of_rule("input.mean.age", Rule(max=0.2, relative_to="reference")), of_rule("quality.auc", Rule(min=0.7))
    ('', '')
    >>> of_rule("quality.auc", Rule(min=-0.1, relative_to="reference"))
    'relativeTo: a reference holds columns, and no quality.auc; use week or stable'
    """
    if rule.over <= 0.0:
        return "over: the window must be longer than nothing, such as 10m"
    if rule.relative_to != "reference":
        return ""
    target = registry.parse(metric)
    if not target.column:
        return f"relativeTo: a reference holds columns, and no {metric}; use week or stable"
    if target.group in ("quality", "behaviour", "software"):
        return f"relativeTo: a reference holds columns, and no {target.group}; use week or stable"
    if target.metric in AGAINST_IT_ALREADY:
        return f"relativeTo: {target.metric} is held against the reference by itself; leave relativeTo out"
    return ""


def _objectives(slo: SloOptions) -> Iterator[str]:
    if slo.availability is not None and slo.availability <= 0.0:
        yield "availability: an objective of 0% is none; write it as 99.9%"
    if slo.latency is not None:
        for share, seconds in slo.latency.targets().items():
            if seconds <= 0.0:
                yield f"latency.p{100 * share:g}: it must be longer than nothing, such as 500ms"
