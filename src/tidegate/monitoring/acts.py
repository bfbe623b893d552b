"""What people do with incidents: take one on, end it with a verdict, silence what is known.

    acknowledge, resolve --> every alarm of the incident (or one of them) and the incident, one transaction, audited
    silence, unsilence ----> storage.monitoring

The verdict, real or false, is what usefulness and thresholds learn from (monitoring.usefulness, monitoring.adapt).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

import msgspec

from tidegate.errors import ConfigError, Conflict, NotFound
from tidegate.monitoring import alarm as rules
from tidegate.monitoring.incidents import Grouped, state_of
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import AlarmChange, MonitoringStore
from tidegate.types.monitoring import Alarm, Incident, Silence, Truth

TRIES = 5


def acknowledge(layout: Layout, id: int, *, actor: str, note: str = "") -> Incident:
    """Somebody looks after it: nobody is told again. Errors: NotFound, Conflict where it has ended."""

    def act(incident: Incident, alarms: list[Alarm], now: float) -> tuple[Incident, list[Alarm]]:
        if incident.state == "resolved":
            raise Conflict(f"incident {id} has ended; `tidegate alarms resolve {id} --real` says what it was")
        taken = msgspec.structs.replace(
            incident, actor=actor, note=note or incident.note, acknowledged=incident.acknowledged or now
        )
        return taken, [rules.acknowledge(one, actor, note) for one in alarms]

    return _change(layout, id, "acknowledge", actor, act)


def resolve(
    layout: Layout, id: int, verdict: Truth, *, actor: str, note: str = "", alarm: int | None = None
) -> Incident:
    """End it (or one alarm of it), and say whether it told of something. One that has ended gets the verdict alone.

    Errors: NotFound for an incident, or an alarm that isn't one of it.
    """

    def act(incident: Incident, alarms: list[Alarm], now: float) -> tuple[Incident, list[Alarm]]:
        if alarm is not None and alarm not in {one.id for one in alarms}:
            mine = ", ".join(str(one.id) for one in alarms)
            raise NotFound(f"incident {id} has no alarm {alarm}; it has {mine}")
        chosen = [one for one in alarms if alarm in (None, one.id)]
        ended = {one.id: rules.resolve(one, verdict, actor, now, note) for one in chosen}
        by = msgspec.structs.replace(incident, actor=actor, note=note or incident.note)
        if alarm is None:
            by = msgspec.structs.replace(by, verdict=verdict or incident.verdict)
        return by, [ended.get(one.id, one) for one in alarms]

    return _change(layout, id, f"resolve {verdict}".strip(), actor, act)


def silence(layout: Layout, match: str, *, until: float, reason: str, actor: str) -> Silence:
    """Tell nobody of alarms that match until then (unix seconds). Errors: ConfigError for a time that is past."""
    now = time.time()
    if until <= now:
        raise ConfigError("until: a silence must end in the future")
    if not match.strip():
        raise ConfigError("match: name monitors, such as `severity/input.*`, or an endpoint; `*` is everything")
    with closing(MonitoringStore(layout)) as store:
        return store.add_silence(Silence(0, match, until, reason, actor, now))


def unsilence(layout: Layout, match: str, *, actor: str) -> list[Silence]:
    """End the silences of exactly this pattern or number. Errors: NotFound for none."""
    with closing(MonitoringStore(layout)) as store:
        return store.end_silences(match, actor=actor)


Act = Callable[[Incident, list[Alarm], float], tuple[Incident, list[Alarm]]]


def _change(layout: Layout, id: int, action: str, actor: str, act: Act) -> Incident:
    """Read, act, write; once more where the monitor process wrote at the same moment. Errors: NotFound, Conflict."""
    with closing(MonitoringStore(layout)) as store:
        for attempt in range(TRIES):
            incident = store.incident(id)
            if incident is None:
                raise NotFound(f"there is no incident {id}; `tidegate alarms list --all` shows those there were")
            alarms = store.alarms_of(incident.alarms)
            now = time.time()
            changed, after = act(incident, alarms, now)
            made = state_of(Grouped(changed, after), now)
            change = AlarmChange(
                [new for old, new in zip(alarms, after, strict=True) if new != old], [made],
                {one.id: one for one in alarms}, {id: incident},
                (actor, action, f"incident {id}", _short(incident), _short(made)),
            )  # fmt: skip
            try:
                return store.write(change).incidents[0]
            except Conflict:
                if attempt == TRIES - 1:
                    raise
    raise AssertionError


def _short(incident: Incident) -> dict[str, str]:
    return {"state": incident.state, "verdict": incident.verdict, "actor": incident.actor, "note": incident.note}
