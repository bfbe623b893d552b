"""What people do with monitors: each change a new number, audited, and undoable by going back to the number before.

    put (add, edit, adapt), mute, retire, undo --> the desired state's thresholds (so that the next look at it agrees)
                                               +-> storage.monitoring, the next number

The project file is text that belongs to its owner: the doors edit it (tidegate.project_file.set_threshold) with what
`threshold_of` says.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import Any

import msgspec

from tidegate.errors import ConfigError, Conflict, NotFound
from tidegate.metrics import registry
from tidegate.monitoring.checks import of_rule
from tidegate.monitoring.ids import built_in, monitor_id
from tidegate.monitoring.options import ThresholdOptions
from tidegate.plugins import nearest
from tidegate.storage.layout import Layout
from tidegate.storage.monitor_report import load_report
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.state import StateStore
from tidegate.types.monitoring import Monitor, Rule

_DEFAULT = Rule()


def threshold_of(monitor: Monitor) -> dict[str, Any] | None:
    """A monitor's rule as the project file has it, without what is the default; None where it has none.

    >>> threshold_of(Monitor("a/output.null", "a", "output.null", Rule(max=0.01, hold=600)))
    {'max': '1%', 'for': '10m'}
    """
    rule = monitor.rule
    if rule is None or monitor.state == "retired":
        return None
    share = registry.unit_of(monitor.metric) == "share" and not rule.relative_to
    found: dict[str, Any] = {}
    for name, bound in (("max", rule.max), ("min", rule.min)):
        if bound is not None:
            found[name] = _percent(bound) if share or rule.relative_to else bound
    for name, seconds, usual in (
        ("for", rule.hold, _DEFAULT.hold), ("over", rule.over, _DEFAULT.over), ("clear", rule.clear, _DEFAULT.clear),
    ):  # fmt: skip
        if seconds != usual:
            found[name] = duration(seconds)
    if rule.margin != _DEFAULT.margin:
        found["margin"] = rule.margin
    if rule.relative_to:
        found["relativeTo"] = rule.relative_to
    if rule.min_rows != _DEFAULT.min_rows:
        found["minRows"] = rule.min_rows
    if monitor.severity != "ticket":
        found["severity"] = monitor.severity
    return {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in found.items()}


def key_of(monitor: Monitor) -> str:
    """The threshold's key under its endpoint: the id without the endpoint."""
    return monitor_id("", monitor.metric, monitor.version, monitor.segment)[1:]


def duration(seconds: float) -> str:
    """As people write it.

    >>> duration(600), duration(86400), duration(90), duration(0)
    ('10m', '1d', '90s', '0s')
    """
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"


def put(layout: Layout, monitor: Monitor, *, actor: str, seen: int | None = None) -> Monitor:
    """Make this the monitor in force. Errors: Conflict where somebody else changed it since `seen`; ConfigError for a threshold of
    a built-in one."""
    if monitor.rule is not None and built_in(monitor.metric):
        raise ConfigError(
            f"{monitor.id} takes no threshold: objectives are set as `slo` of `monitoring`, the time without traffic as `deadMan`"
        )
    if monitor.rule is not None and monitor.state != "retired" and (wrong := of_rule(monitor.metric, monitor.rule)):
        raise ConfigError(f"{monitor.id}: {wrong}")
    threshold = threshold_of(monitor)
    if threshold is not None:  # the rule as the file says it, to the last digit
        monitor = msgspec.structs.replace(monitor, rule=ThresholdOptions.model_validate(threshold).rule())
    with closing(MonitoringStore(layout)) as store:
        now = store.monitor(monitor.id)
        if seen is not None and seen != (now.number if now is not None else 0):  # before the desired state is touched
            raise Conflict(
                f"the monitor {monitor.id!r} was changed by {now.actor if now is not None else 'somebody'} meanwhile; look again"
            )
        _desire(layout, monitor, actor)
        return store.put_monitor(monitor, actor, seen=seen)


def mute(layout: Layout, id: str, *, until: float, reason: str, actor: str) -> Monitor:
    """It still watches but tells nobody until then (unix seconds; 0: until somebody unmutes it). Errors: NotFound, Conflict."""
    now = get(layout, id)
    if now.state == "retired":
        raise Conflict(f"{id} is retired; `tidegate monitors undo {id}` brings it back")
    made = msgspec.structs.replace(now, state="muted", until=until, reason=reason)
    return put(layout, made, actor=actor, seen=now.number)


def unmute(layout: Layout, id: str, *, actor: str) -> Monitor:
    """It speaks again. Errors: NotFound, Conflict where it isn't muted."""
    now = get(layout, id)
    if now.state != "muted":
        raise Conflict(f"{id} is {now.state}, not muted")
    made = msgspec.structs.replace(now, state="active", until=0.0, reason="")
    return put(layout, made, actor=actor, seen=now.number)


def retire(layout: Layout, id: str, *, reason: str, actor: str) -> Monitor:
    """It watches no longer; its history stays. Errors: NotFound, Conflict where it is retired already."""
    now = get(layout, id)
    if now.state == "retired":
        raise Conflict(f"{id} is retired already ({now.reason or 'no reason given'})")
    made = msgspec.structs.replace(now, state="retired", until=0.0, reason=reason, source="person")
    return put(layout, made, actor=actor, seen=now.number)


def undo(layout: Layout, id: str, *, actor: str) -> Monitor:
    """As it was before its last change, as a new number; of one that was only just added: retired. Errors: NotFound.

    Undoing twice goes two changes back, not back and forth: an undo remembers which number it restored.
    """
    with closing(MonitoringStore(layout)) as store:
        numbers = store.history(id)
    if not numbers:
        get(layout, id)
    now, before = numbers[-1], _before(numbers)
    if before is None and built_in(now.metric):
        if now.state == "active":
            raise Conflict(f"{id} has no earlier change to go back to")
        made = msgspec.structs.replace(now, state="active", until=0.0, reason=f"{UNDO}0: it is as it came")
    elif before is None:
        if now.state == "retired":
            raise Conflict(f"{id} has no earlier change to go back to")
        made = msgspec.structs.replace(now, state="retired", source="person", reason=f"{UNDO}0: adding it was undone")
    else:
        kept = before.reason.partition("; ")[2] if before.reason.startswith(UNDO) else before.reason
        made = msgspec.structs.replace(before, reason=f"{UNDO}{before.number}" + (f"; {kept}" if kept else ""))
    return put(layout, made, actor=actor, seen=now.number)


UNDO = "undone to number "


def _before(numbers: list[Monitor]) -> Monitor | None:
    """The number to go back to: one before that which is in force, where an undo stands for what it restored."""
    by_number = {one.number: one for one in numbers}
    at = numbers[-1]
    while at.reason.startswith(UNDO):
        restored = int(at.reason.removeprefix(UNDO).split(";")[0].split(":")[0])
        if restored not in by_number:
            return None
        at = by_number[restored]
    return by_number.get(at.number - 1)


def get(layout: Layout, id: str) -> Monitor:
    """The monitor in force; a built-in one that nobody has changed yet has the number 0. Errors: NotFound with the nearest."""
    with closing(MonitoringStore(layout)) as store:
        found = store.monitor(id)
        if found is None:
            report = load_report(layout)
            own = report.own(id) if report is not None else None
            if own is not None:
                return own.monitor
            known = [one.id for one in store.monitors()]
            known += [one.monitor.id for one in report.built_in] if report is not None else []
            raise NotFound(
                f"there is no monitor {id!r}.{nearest(id, known)} `tidegate monitors list` shows those there are"
            )
    return found


def _desire(layout: Layout, monitor: Monitor, actor: str) -> None:
    """Bring the desired state's thresholds into line, where there is a desired state."""
    if built_in(monitor.metric):
        return
    with closing(StateStore(layout)) as store:
        desired = store.desired()
        if not desired.project:
            return
        project = json.loads(desired.project)
        endpoint = project.get("endpoints", {}).get(monitor.endpoint)
        if endpoint is None:
            raise NotFound(
                f"there is no endpoint {monitor.endpoint!r}.{nearest(monitor.endpoint, project['endpoints'])}"
            )
        thresholds = endpoint.setdefault("monitoring", {}).setdefault("thresholds", {})
        key, threshold = key_of(monitor), threshold_of(monitor)
        everywhere = project.get("monitoring", {}).get("thresholds", {})
        if threshold is None:
            thresholds.pop(key, None)
            everywhere.pop(f"{monitor.endpoint}/{key}", None)
        else:
            made = ThresholdOptions.model_validate(threshold)
            stated = thresholds.get(key) or everywhere.get(f"{monitor.endpoint}/{key}") or everywhere.get(key)
            # One that holds for all endpoints and is only muted here: a copy of it would be news to the file.
            if stated is None or ThresholdOptions.model_validate(stated) != made:
                thresholds[key] = made.model_dump(mode="json", by_alias=True)
        if project != json.loads(desired.project):
            text = json.dumps(project, ensure_ascii=False)
            store.set_desired(text, desired.base, actor=actor, action="monitor", seen=desired.revision)


def _percent(bound: float) -> str:
    return f"{100.0 * bound:.6g}%"


def fresh(endpoint: str, metric: str, rule: Rule | None, **more: Any) -> Monitor:
    """A new monitor of an endpoint, as a person adds it."""
    version, segment = more.pop("version", ""), more.pop("segment", "")
    return Monitor(
        monitor_id(endpoint, metric, version, segment), endpoint, metric, rule, version, segment, time=time.time(),
        **{"source": "person", **more},
    )  # fmt: skip
