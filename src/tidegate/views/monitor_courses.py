"""Each monitor's values over the last hour, small enough for a list of all of them. Read-only.

monitors --by endpoint, version, segment--> profiles of that hour, read once with the columns asked for --> values by monitor
"""

from __future__ import annotations

import math
import time
from contextlib import closing

from tidegate.metrics import registry
from tidegate.profiles.profile import Profile
from tidegate.profiles.reference import Reference
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.profiles import ProfileStore
from tidegate.types.monitoring import Monitor

HOUR = 3600.0
STEP = 120.0


def courses(layout: Layout, endpoint: str | None = None, *, now: float | None = None) -> dict[str, list[float | None]]:
    """Values every two minutes of the last hour, oldest first, None where nothing came; of monitors whose metric is of profiles."""
    end = (time.time() if now is None else now) // STEP * STEP
    with closing(MonitoringStore(layout)) as store:
        monitors = [one for one in store.monitors(endpoint) if one.state != "retired" and _drawn(one)]
    groups: dict[tuple[str, str, str], list[Monitor]] = {}
    for one in monitors:
        groups.setdefault((one.endpoint, one.version, one.segment), []).append(one)
    found: dict[str, list[float | None]] = {}
    with closing(ProfileStore(layout)) as profiles:
        for (name, version, segment), mine in groups.items():
            columns = [column for one in mine for column in registry.columns_of(one.metric)]
            usual = profiles.reference(name, version)
            course = profiles.series(
                name, end - HOUR, end, STEP, columns=columns, version=version or None, segment=segment
            )
            for one in mine:
                values = [_value(one.metric, profile, usual) for profile in course]
                if any(value is not None for value in values):
                    found[one.id] = values
    return found


def _drawn(one: Monitor) -> bool:
    return registry.exists(one.metric) and registry.parse(one.metric).metric in registry.profile_metrics()


def _value(metric: str, profile: Profile, usual: Reference | None) -> float | None:
    value = registry.metric_value(metric, profile, usual) if profile.rows or profile.requests else None
    return value.value if value is not None and math.isfinite(value.value) else None
