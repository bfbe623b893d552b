"""An incident's explanation, from profiles and streams: findings, the likely cause, and where it is worst.

streams of the endpoint --findings.moved--> findings
requests that failed or were slow, values that are missing, by version and by segment --stands_out--> blamed
alarms + findings + blamed --findings.cause--> one line
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidegate.errors import TidegateError
from tidegate.metrics import registry
from tidegate.monitoring import burn, findings
from tidegate.monitoring.findings import Share
from tidegate.monitoring.settings import Settings
from tidegate.profiles.profile import Key, Profile
from tidegate.profiles.reference import Reference
from tidegate.storage.profiles import SERVING, ProfileStore
from tidegate.types.monitoring import Alarm, Finding, StreamView

RECENT = (600.0, 3600.0, 86400.0)
ENOUGH = 200


class Explanation(msgspec.Struct):
    """What an incident says of itself."""

    cause: str
    findings: list[Finding]
    blamed: list[Share] = []


def explain(
    profiles: ProfileStore,
    settings: Settings,
    endpoint: str,
    alarms: Sequence[Alarm],
    streams: Sequence[StreamView],
    reference: Reference | None,
    now: float,
) -> Explanation:
    """Of one endpoint's alarms now."""
    if endpoint not in settings.endpoints:
        return Explanation(findings.cause(alarms, []), [])
    start, profile = now, Profile()
    young = max(now - min((alarm.since for alarm in alarms if alarm.open), default=now), 0.0)
    for seconds in (min(young + 60.0, RECENT[0]), *RECENT):
        start = now - seconds
        profile = profiles.read(endpoint, start, now)
        if profile.rows >= ENOUGH:
            break
    least = settings.endpoints[endpoint].monitoring.profiles.minimum_effect
    budgeted = {alarm.monitor for alarm in alarms if alarm.kind == "budget" and alarm.open}
    found = []
    if budgeted or any(alarm.kind == "threshold" for alarm in alarms):
        found = findings.moved(streams, profile, reference, least)
    blamed = _blamed(profiles, settings, endpoint, alarms, start, now)
    return Explanation(findings.cause(alarms, found, blamed), found, blamed)


def _blamed(
    profiles: ProfileStore, settings: Settings, endpoint: str, alarms: Sequence[Alarm], start: float, now: float
) -> list[Share]:
    measures = [alarm for alarm in alarms if alarm.open and alarm.kind in ("burn", "threshold") and not alarm.segment]
    if not measures:
        return []
    keys = [key for key in profiles.keys(endpoint, start, now) if key.role in SERVING]
    objectives = {one.name: one for one in burn.objectives(settings.slo(endpoint))}
    parts: list[tuple[str, str, float, int]] = []
    for key in _apart(keys):
        profile = profiles.read(endpoint, start, now, version=key.version or None, segment=key.segment)
        for alarm in measures[:3]:
            counted = _bad(alarm, profile, objectives)
            if counted is not None:
                what = key.segment.partition("=")[0] or "version"
                parts.append((what, key.segment.partition("=")[2] or key.version, *counted))
                break
    return findings.stands_out(parts)


def _apart(keys: Sequence[Key]) -> list[Key]:
    """Each version as a whole, then each segment of all versions together."""
    versions = {key.version for key in keys if key.version and not key.segment}
    segments = {key.segment for key in keys if key.segment}
    whole = [Key(keys[0].endpoint, version, "stable") for version in sorted(versions)] if keys else []
    return whole + [Key(keys[0].endpoint, "", "stable", segment=segment) for segment in sorted(segments)[:60]]


def _bad(alarm: Alarm, profile: Profile, objectives: dict[str, burn.Objective]) -> tuple[float, int] | None:
    """Bad units and all of them, of what the alarm is about; None where it isn't a share."""
    if alarm.kind == "burn":
        objective = objectives.get(alarm.metric.rpartition(".")[0])
        if objective is None:
            return None
        bad, total = objective.counts(profile)
        return bad, int(total)
    try:
        if registry.unit_of(alarm.metric) != "share" or alarm.metric.startswith(("quality.", "behaviour.")):
            return None
        value = registry.metric_value(alarm.metric, profile)
    except TidegateError:
        return None
    return (value.value * value.n, value.n) if value is not None else None
