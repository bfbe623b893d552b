"""The project file's thresholds and the detectors' streams -> the monitors there should be -> what to write.

    thresholds of the project and of each endpoint --+
                                                     +--wanted--> monitors --changed(in force)--> those to put
    streams (one a column, outputs of each version) -+

A threshold on a stream's own metric (`input.drift.Humidity`) takes that stream off the budget; without a version it takes those
of all versions. What a person muted or retired stays so; a rule that changes in the file brings back what was retired.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from tidegate.metrics import registry
from tidegate.monitoring.ids import monitor_id, parse_id, stream_id, stream_metric
from tidegate.monitoring.options import EndpointMonitoring, MonitoringOptions, ThresholdOptions
from tidegate.types.monitoring import Monitor, Side, StreamView


def wanted(
    options: MonitoringOptions,
    endpoints: Mapping[str, EndpointMonitoring],
    streams: Iterable[StreamView],
    columns: Mapping[str, Mapping[str, Side]] | None = None,
) -> dict[str, Monitor]:
    """Monitors by id. `columns` are each endpoint's as far as they are known: a project's threshold of a column is one
    of those endpoints that have it. An endpoint's own threshold goes before the project's."""
    found: dict[str, Monitor] = {}
    for endpoint, own in endpoints.items():
        for key, threshold in options.thresholds.items():
            parts = parse_id(key)
            if parts.endpoint not in ("", endpoint):
                continue
            column = registry.parse(parts.metric).column
            there = (columns or {}).get(endpoint)
            if column and not parts.endpoint and there is not None and column not in there:
                continue
            _put(found, endpoint, key, threshold)
        for key, threshold in own.thresholds.items():
            _put(found, endpoint, key, threshold)
    for stream in streams:
        whole = found.get(monitor_id(stream.endpoint, stream_metric(stream)))
        id = stream_id(stream)
        if stream.endpoint not in endpoints or id in found or (whole is not None and whole.rule is not None):
            continue
        found[id] = Monitor(id, stream.endpoint, stream_metric(stream), version=stream.version)
    return found


def changed(wanted: Mapping[str, Monitor], in_force: Iterable[Monitor]) -> list[Monitor]:
    """What to put, so that the store says what the file does. Nothing where it does already."""
    present = {monitor.id: monitor for monitor in in_force}
    out = []
    for id, monitor in wanted.items():
        now = present.pop(id, None)
        if now is None:
            out.append(monitor)
            continue
        same = now.rule == monitor.rule and (monitor.rule is None or now.severity == monitor.severity)
        if now.state == "retired":
            # A person's retirement holds until the file says something else; one that the file made, until it is back.
            if monitor.rule is not None and (not same or now.source == "file"):
                out.append(monitor)
        elif not same:
            out.append(msgspec.structs.replace(monitor, state=now.state, until=now.until, reason=now.reason))
    for now in present.values():
        if now.rule is not None and now.state != "retired":
            gone = "its threshold is no longer in the project file"
            out.append(msgspec.structs.replace(now, state="retired", source="file", reason=gone))
    return out


def _put(found: dict[str, Monitor], endpoint: str, key: str, threshold: ThresholdOptions) -> None:
    parts = parse_id(key)
    registry.parse(parts.metric)
    id = monitor_id(endpoint, parts.metric, parts.version, parts.segment)
    found[id] = Monitor(
        id, endpoint, parts.metric, threshold.rule(), parts.version, parts.segment, threshold.severity, source="file"
    )
