"""The loop of one endpoint as it goes now: traffic -> versions -> what became of it -> what is known of that. Read-only.

run/counters-*.json (10 s) --+
profiles of ten minutes -----+--> Loop: each version and role with its share of the traffic, and the outcomes of all
the split in force ----------+
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import msgspec

from tidegate.errors import NotFound
from tidegate.plugins import nearest
from tidegate.profiles.profile import Profile
from tidegate.stats import histogram
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.profile_windows import MINUTE
from tidegate.storage.profiles import ProfileStore
from tidegate.types.records import Role
from tidegate.views.series import project_of
from tidegate.views.status import ArmView, EndpointView, Traffic, gather

SECONDS = 600.0
ROLES: tuple[Role, ...] = ("stable", "baseline", "canary", "shadow", "human")
ORDER = {"stable": 0, "canary": 1, "shadow": 2, "human": 3}


class Stream(msgspec.Struct, omit_defaults=True):
    """A version in a role. `share` of the requests that callers sent it (of a shadow: how many copies, against them), `weight` what
    the split asks for (percent, -1 for a shadow). Of the last ten minutes: `p99` in seconds, the others are shares."""

    version: str
    role: str
    share: float
    rate: float
    weight: float = -1.0
    state: str = ""
    p99: float | None = None
    errors: float | None = None
    empty: float | None = None
    requests: int = 0
    failing: bool = False
    """Whether more than one request in twenty failed by our fault."""


class Loop(msgspec.Struct, omit_defaults=True):
    """`rate` is requests a second, of the last ten seconds where the project runs. `answered`, `empty` (answered without a value) and
    `failed` are shares of the last ten minutes' requests; None where nothing came. `open` counts incidents."""

    endpoint: str
    model: str
    running: bool
    rate: float
    requests: int
    streams: list[Stream]
    answered: float | None = None
    empty: float | None = None
    failed: float | None = None
    refused: float | None = None
    """Requests that were the callers' own mistake (4xx)."""
    open: int = 0


def loop(layout: Layout, endpoint: str) -> Loop:
    """Now. Some milliseconds. Errors: NotFound with the nearest name."""
    now = time.time()
    status = gather(layout)
    there = (layout.root / "state.db").exists()
    known = {one.name: one for one in status.endpoints}
    parts: dict[tuple[str, str], list[Profile]] = {}
    count = 0
    names: Sequence[str] = ()
    if there:
        with closing(ProfileStore(layout)) as profiles, closing(MonitoringStore(layout)) as store:
            start = (now - SECONDS) // MINUTE * MINUTE
            parts = profiles.series_by_part(endpoint, start, now, MINUTE, columns=(), roles=ROLES)
            names = profiles.endpoints()
            count = len(store.incidents(open_only=True, endpoint=endpoint))
    if endpoint not in known and endpoint not in names:
        raise NotFound(
            f"there is no endpoint {endpoint!r}.{nearest(endpoint, [*known, *names])} The overview lists those there are."
        )
    found: dict[tuple[str, str], Profile] = {}
    whole = Profile()
    for (version, role), steps in parts.items():
        plain = "stable" if role == "baseline" else role
        mine = found.setdefault((version, plain), Profile())
        for one in steps:
            mine.merge(one)
            if role != "shadow":
                whole.merge(one)
    mine_now = known.get(endpoint) or _asked(project_of(layout) if there else {}, endpoint)
    weights: dict[tuple[str, str], float] = {}
    states: dict[str, str] = {}
    rates: dict[str, float] = {}
    for arm in mine_now.arms if mine_now is not None else ():
        key = (arm.version, "stable" if arm.role == "baseline" else arm.role)
        weights[key] = weights.get(key, 0.0) + arm.weight
        states[arm.version] = arm.state
        rates[arm.version] = arm.traffic.rps
    streams = []
    for version, role in sorted({*found, *weights}, key=lambda key: (ORDER.get(key[1], 9), key[0])):
        if not version:
            continue
        one = found.get((version, role), Profile())
        weight = weights.get((version, role), -1.0)
        if not one.requests and weight <= 0:
            continue
        rate = rates.get(version, 0.0) if weight > 0 else one.requests / SECONDS
        share = one.requests / whole.requests if whole.requests else max(weight, 0.0) / 100.0
        streams.append(
            Stream(
                version, role, share, rate, weight, states.get(version, ""),
                histogram.quantile(one.latency, 0.99) / 1e6 if one.latency else None,
                one.failed / one.requests if one.requests else None, one.null / one.rows if one.rows else None,
                one.requests, one.failed > one.requests / 20,
            )
        )  # fmt: skip
    made = Loop(
        endpoint, mine_now.model if mine_now is not None else "", status.running,
        mine_now.traffic.rps if mine_now is not None else 0.0, whole.requests, streams, open=count,
    )  # fmt: skip
    if whole.requests:
        made.failed = whole.failed / whole.requests
        made.refused = max(whole.requests - whole.answered - whole.failed, 0) / whole.requests
        nothing = whole.null / whole.rows if whole.rows else 0.0
        made.empty = whole.answered / whole.requests * nothing
        made.answered = whole.answered / whole.requests * (1.0 - nothing)
    return made


def _asked(project: Mapping[str, Any], endpoint: str) -> EndpointView | None:
    """What the desired state has, of an endpoint that doesn't run."""
    said = (project.get("endpoints") or {}).get(endpoint)
    if said is None:
        return None
    arms = [ArmView(name, "stable", float(weight), "", Traffic()) for name, weight in (said.get("split") or {}).items()]
    return EndpointView(endpoint, str(said.get("model", "")), Traffic(), arms)
