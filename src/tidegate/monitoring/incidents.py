"""Alarms of one cause are one incident: people act on incidents.

    newly firing alarms --group--> the incident they belong to, open or new     (same endpoint, within WINDOW)
    an incident's alarms --state_of--> firing | acknowledged | resolved, page | ticket
    an incident ----------due--------> what people are to be told, if anything is new

What happens at one endpoint at one time has one cause until somebody shows otherwise: a feed that breaks moves inputs, then
outputs, then quality. Alarms of two different versions, without any of all versions between them, are two causes. When no
gateway answers, or ingest stands still, everything that falls silent belongs to that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from tidegate.types.monitoring import Alarm, Incident, Severity

WINDOW = 1800.0
"""Seconds after an incident's newest alarm within which another alarm belongs to it."""
REOPEN = 3600.0
"""Seconds after its end within which the same monitor's alarm opens it again."""
PROCESSES = "*"
"""The endpoint of alarms of the project's own processes."""
REPEAT: Mapping[Severity, float] = {"page": 4 * 3600.0 + 60.0, "ticket": 7 * 86400.0}
"""Seconds after which an incident that fires unacknowledged is told once more."""

Kind = Literal["firing", "resolved"]


class Grouped(msgspec.Struct):
    """An incident with all of its alarms; a new one has an id below 0. `fresh` are the alarms that it has just got."""

    incident: Incident
    alarms: list[Alarm]
    fresh: list[Alarm] = []


def group(fresh: Sequence[Alarm], known: Iterable[Grouped], now: float) -> list[Grouped]:
    """The incidents that `fresh` (firing, without an incident) belong to, each with what it has got.

    `known` are the open incidents and those that ended within REOPEN.
    """
    all_known = sorted(known, key=lambda one: -one.incident.opened)
    touched: list[Grouped] = []
    for alarm in sorted(fresh, key=lambda one: (one.endpoint != PROCESSES, one.fired, one.id)):
        home = next((one for one in all_known if _belongs(alarm, one, now)), None)
        if home is None:
            number = -1 - sum(1 for one in all_known if one.incident.id < 0)
            incident = Incident(
                number, alarm.endpoint, "firing", alarm.severity, "", opened=alarm.since or alarm.fired
            )  # fmt: skip
            home = Grouped(incident, [])
            all_known.insert(0, home)
        home.alarms.append(alarm)
        home.fresh.append(alarm)
        if home not in touched:
            touched.append(home)
    return touched


def _belongs(alarm: Alarm, to: Grouped, now: float) -> bool:
    incident = to.incident
    mine = alarm.monitor in {one.monitor for one in to.alarms}
    if incident.state == "resolved":
        return mine and 0.0 <= now - incident.ended < REOPEN
    if incident.endpoint == PROCESSES and alarm.kind == "dead":
        return True
    if incident.endpoint != alarm.endpoint:
        return False
    if mine:
        return True
    if abs(alarm.fired - max(one.fired for one in to.alarms)) > WINDOW:
        return False
    versions = {one.version for one in to.alarms}
    return not alarm.version or "" in versions or alarm.version in versions


def state_of(grouped: Grouped, now: float) -> Incident:
    """The incident as its alarms make it: it fires while one of them does, and ends with the last.

    It never becomes less severe. One person's verdict on all of its alarms is its verdict: real where one is.
    """
    incident, alarms = grouped.incident, grouped.alarms
    open_ones = [alarm for alarm in alarms if alarm.open]
    firing = [alarm for alarm in open_ones if alarm.state == "firing"]
    paged = incident.severity == "page" or any(alarm.severity == "page" for alarm in open_ones)
    verdicts = {alarm.verdict for alarm in alarms}
    ended = incident.ended
    if not open_ones:
        ended = ended or now
    return msgspec.structs.replace(
        incident,
        state="firing" if firing else "acknowledged" if open_ones else "resolved",
        severity="page" if paged else "ticket",
        ended=ended if not open_ones else 0.0,
        alarms=sorted({alarm.id for alarm in alarms}, key=abs),
        verdict="real" if "real" in verdicts else "false" if verdicts == {"false"} else incident.verdict,
    )


def due(incident: Incident, quiet: bool, now: float) -> Kind | None:
    """What is to be told of it now. Nothing while it is silenced; an end only where its beginning was told.

    An incident that becomes more severe is news. Nobody is told twice within REPEAT; an acknowledged one not again.
    """
    if incident.state == "resolved":
        return "resolved" if incident.told.startswith("firing") else None
    if quiet:
        return None
    if incident.told != f"firing:{incident.severity}":
        return "firing" if incident.state == "firing" else None
    if incident.state == "acknowledged" or now - incident.notified < REPEAT[incident.severity]:
        return None
    return "firing"
