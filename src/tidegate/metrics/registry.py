"""All metrics and descriptors by id: the built-in ones of each group, and third parties' by entry point.

    "input.missing.Humidity" --parse--> Target(metric input.missing, column Humidity) --metric_value(profile)--> Value
    "output.share.label=spam" --------> Target(output.share, label, value spam)

A group's package says its own in `BUILTIN` (id -> "module:Class"). A third party's entry point of `tidegate.metrics` is named
by the id; the id's first part says which contract it keeps: `quality.` QualityMetric, `behaviour.` EventMetric, every other
ProfileMetric. Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import msgspec

from tidegate.errors import ConfigError
from tidegate.metrics.base import Descriptor, EventMetric, ProfileMetric, QualityMetric
from tidegate.plugins import load_object, nearest
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Side, Value

if TYPE_CHECKING:
    from tidegate.profiles.reference import Reference

GROUPS = ("software", "input", "output", "quality", "behaviour")
FEW = 20
"""Of a column with more different values, shares are watched only of those that somebody names."""


class Target(msgspec.Struct, frozen=True):
    """What an id says: a metric's own id, the log's column (empty for a metric of the window) and, of a share, the value."""

    metric: str
    column: str = ""
    value: str = ""

    @property
    def group(self) -> str:
        """The id's first part."""
        return self.metric.partition(".")[0]


def profile_metrics() -> dict[str, ProfileMetric]:
    """Metrics of profiles by id (software, input, output, and third parties')."""
    return {id: made for id, made in _metrics().items() if not id.startswith(("quality.", "behaviour."))}


def quality_metrics() -> dict[str, QualityMetric]:
    """Metrics of labelled rows by id."""
    return {id: made for id, made in _metrics().items() if id.startswith("quality.")}


def event_metrics() -> dict[str, EventMetric]:
    """Metrics of events by id."""
    return {id: made for id, made in _metrics().items() if id.startswith("behaviour.")}


@cache
def descriptors() -> dict[str, Descriptor]:
    """What is told of texts, images, audio and tensors, by id. One whose extra isn't installed is still listed."""
    return _load("tidegate.descriptors", _builtin("descriptors"))


def known() -> list[str]:
    """All metrics' ids, without columns."""
    return sorted(_names())


def parse(id: str) -> Target:
    """Which metric an id means, by the longest known name. Errors: ConfigError naming the nearest.

    >>> parse("input.missing.Humidity")
    Target(metric='input.missing', column='Humidity', value='')
    >>> parse("output.share.label=spam").value
    'spam'
    """
    parts = id.split(".")
    names = _names()
    for count in range(len(parts), 0, -1):
        name = ".".join(parts[:count])
        if name in names:
            column, _, value = ".".join(parts[count:]).partition("=")
            return Target(name, column, value)
    stem = ".".join(parts[:2])
    hint = nearest(stem, names) or nearest(id, names)
    raise ConfigError(f"there is no metric {id!r}.{hint} Known: {', '.join(sorted(names))}")


def exists(id: str) -> bool:
    """Whether `parse` understands it."""
    return any(id == name or id.startswith(f"{name}.") for name in _names())


def check(id: str, columns: Mapping[str, Side] | None = None) -> Target:
    """`parse`, and that a column is named where one is needed and exists in `columns` (if given). Errors: ConfigError."""
    target = parse(id)
    metric: Any = _metrics().get(target.metric)
    if not isinstance(getattr(metric, "of_column", None), bool):
        return target
    if not metric.of_column:
        if target.column:
            raise ConfigError(f"{id!r}: {target.metric} is of all rows and takes no column; write {target.metric!r}")
        return target
    mine = [
        name
        for name, side in (columns or {}).items()
        if side == target.group or target.group not in ("input", "output")
    ]
    listed = f" Columns: {', '.join(sorted(_stems(metric, mine)))}" if mine else ""
    if not target.column:
        raise ConfigError(f"{id!r} is of a column; write {target.metric}.COLUMN.{listed}")
    if columns and target.column + getattr(metric, "suffix", "") not in mine:
        raise ConfigError(f"{id!r}: there is no such {target.group} column.{nearest(target.column, mine)}{listed}")
    return target


def metric_value(id: str, profile: Profile, reference: Reference | None = None) -> Value | None:
    """The value of a profile's metric; None where it has none (no rows, no such column). Errors: ConfigError for an unknown id."""
    target = parse(id)
    metric: Any = profile_metrics().get(target.metric)
    if metric is None:
        raise ConfigError(f"{id!r} is not a metric of profiles; it needs labels or events")
    if not metric.of_column:
        found: Value | None = metric.of(profile)
        return found
    name = target.column + getattr(metric, "suffix", "")
    column = profile.columns.get(name)
    usual = reference.columns.get(name) if reference is not None else None
    if column is None or (target.group in ("input", "output") and column.side != target.group):
        return None
    if target.value:
        if not hasattr(metric, "of_value"):
            raise ConfigError(f"{id!r}: {target.metric} is not of a value; write {target.metric}.{target.column}")
        found = metric.of_value(column, target.value)
    else:
        found = metric.of(profile, column, usual)
    return found


def columns_of(id: str) -> list[str]:
    """The profile's column that a metric is of; none, where it is of all rows. Errors: ConfigError for an unknown id.

    >>> columns_of("input.missing.age"), columns_of("output.null")
    (['age'], [])
    """
    target = parse(id)
    return [target.column + str(getattr(_metrics().get(target.metric), "suffix", ""))] if target.column else []


def metric_ids(profile: Profile, reference: Reference | None = None) -> list[str]:
    """Every id that has a meaning for these columns, the window's own first."""
    found: list[str] = []
    for id, metric in sorted(profile_metrics().items()):
        if not metric.of_column:
            found.append(id)
            continue
        group, suffix = id.partition(".")[0], getattr(metric, "suffix", "")
        for name, column in sorted(profile.columns.items()):
            if not name.endswith(suffix) or (group in ("input", "output") and column.side != group):
                continue
            usual = reference.columns.get(name) if reference is not None else None
            if not getattr(metric, "applies", _always)(usual or column):
                continue
            stem = name[: len(name) - len(suffix)] if suffix else name
            if hasattr(metric, "of_value"):
                values = (usual or column).items()
                found += [f"{id}.{stem}={value}" for value in sorted(values)] if len(values) <= FEW else []
            else:
                found.append(f"{id}.{stem}")
    return sorted(found, key=lambda id: parse(id).column != "")


def help_of(id: str) -> str:
    """One line of what a metric says."""
    return str(getattr(_metrics().get(parse(id).metric), "help", ""))


def unit_of(id: str) -> str:
    """share, seconds, bytes, count, per_second or number (which quality metrics are)."""
    metric = _metrics().get(parse(id).metric)
    return str(getattr(metric, "unit", "share" if id.startswith("behaviour.") else "number"))


def shown(id: str, value: float) -> str:
    """A metric's value as people write it.

    >>> shown("input.missing.Humidity", 0.0312), shown("input.volume", 12.0)
    ('3.12%', '12/s')
    """
    unit = unit_of(id)
    if unit == "share":
        return f"{100.0 * value:.3g}%"
    if unit == "seconds":
        return f"{1000.0 * value:.3g}ms" if abs(value) < 1.0 else f"{value:.3g}s"
    return f"{value:.4g}" + {"per_second": "/s", "bytes": " B"}.get(unit, "")


def _always(_: Column) -> bool:
    return True


def _stems(metric: Any, names: Iterable[str]) -> list[str]:
    suffix = getattr(metric, "suffix", "")
    return [name[: len(name) - len(suffix)] if suffix else name for name in names if name.endswith(suffix)]


@cache
def _names() -> frozenset[str]:
    targets = {id for group in GROUPS for id in _builtin(group)}
    return frozenset(targets | {ep.name for ep in entry_points(group="tidegate.metrics")})


@cache
def _metrics() -> dict[str, Any]:
    return _load("tidegate.metrics", {id: target for group in GROUPS for id, target in _builtin(group).items()})


def _load(group: str, builtin: Mapping[str, str]) -> dict[str, Any]:
    # Later ones win: a third party may not take a built-in's name.
    targets = {**{ep.name: ep.value for ep in entry_points(group=group)}, **builtin}
    return {id: made(load_object(target)) for id, target in targets.items()}


def made(found: Any) -> Any:
    """A class is made; an object stands for itself."""
    return found() if isinstance(found, type) else found


def _builtin(group: str) -> dict[str, str]:
    name = f"tidegate.metrics.{group}"
    if importlib.util.find_spec(name) is None:
        return {}
    found: dict[str, str] = importlib.import_module(name).BUILTIN
    return found
