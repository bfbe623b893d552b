"""What rollouts are told: endpoints whose inputs drift now, in words, in run/drift.json.

open incidents --firing, and inputs among what moved--> {"time", "endpoints"} --> rollout/drift.py

The file is written at every look, also without any drift: a reader knows by its time that somebody is still looking.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tidegate.storage.layout import Layout, write_atomic
from tidegate.types.monitoring import Incident


def drifting(incidents: Iterable[Incident]) -> dict[str, dict[str, str | float]]:
    """Endpoint -> what has changed, and since when, of incidents that fire and that began with the inputs; acknowledged ones are known.

    >>> from tidegate.types.monitoring import Finding
    >>> moved = Incident(7, "loan", "firing", "ticket", "input income is higher", 0.0, findings=[Finding("higher", side="input")])
    >>> drifting([moved]), drifting([msgspec.structs.replace(moved, state="acknowledged")])
    ({'loan': {'cause': 'input income is higher (incident 7)', 'since': 0.0}}, {})
    """
    return {
        one.endpoint: {"cause": f"{one.cause} (incident {one.id})", "since": one.opened}
        for one in incidents
        if one.state == "firing" and any(found.side == "input" for found in one.findings)
    }


def tell(layout: Layout, incidents: Iterable[Incident], now: float) -> None:
    """Write the file. Errors: OSError."""
    body = {"time": now, "endpoints": drifting(incidents)}
    write_atomic(layout.run / "drift.json", msgspec.json.encode(body))
