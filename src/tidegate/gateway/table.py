"""The routing table, prepared: a request finds its arm by one dictionary look-up and, where there are several, one number.

RoutingTable (file) --prepare--> Table: endpoints -> Route -> arms -> Target(version, links, head of its records, counters)

A version has a Target for each way in which it is used: an arm that units are assigned to, a version that was asked for by name
(forced), a mirror that gets copies. They differ in the head of their records, which is made once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson

from tidegate.gateway import automation, record
from tidegate.gateway.pipeline.plan import Plan, plan
from tidegate.routing.assign import arm_at, lay, point
from tidegate.telemetry import Counters, Series
from tidegate.types.inference import Signature
from tidegate.types.records import Role
from tidegate.types.traffic import EndpointRoute, RoutingTable, VersionRoute
from tidegate.wire.frames import CODECS

if TYPE_CHECKING:
    from tidegate.gateway.link import Link


PIPELINE = "pipeline"
"""The platform of an endpoint of several stages."""


class Target:
    """One version as one endpoint uses it in one role: everything that a request needs, made once."""

    __slots__ = ("headers", "heads", "links", "prefix", "role", "route", "series", "turn", "version")

    def __init__(
        self,
        endpoint: EndpointRoute,
        version: VersionRoute,
        role: str,
        links: list[Link],
        series: Series,
        forced: bool = False,
    ) -> None:
        self.route = endpoint
        self.version = version
        self.role = role
        self.links = links
        self.series = series
        self.turn = 0
        self.heads = {
            number: record.head(
                endpoint.name,
                endpoint.model,
                version.version,
                role,
                name,
                assignment="" if forced else endpoint.assignment,
                forced=forced,
            )
            for name, number in CODECS.items()
        }
        self.prefix = answer_prefix(endpoint.name, version.version)
        self.headers = b"tidegate-model-version: %b\r\ntidegate-role: %b\r\n" % (
            version.version.encode(),
            role.encode(),
        )

    def link(self) -> Link | None:
        """The connected replica with the fewest requests in flight, in turn where they tie; None where none is connected."""
        links = self.links
        if len(links) == 1:
            only = links[0]
            return only if only.connected else None
        self.turn = (self.turn + 1) % max(len(links), 1)
        best: Link | None = None
        for offset in range(len(links)):
            candidate = links[(self.turn + offset) % len(links)]
            if candidate.connected and (best is None or len(candidate.waiting) < len(best.waiting)):
                best = candidate
        return best


class Load:
    """What of an endpoint is in flight; it outlives revisions of the table.

    `open` holds the numbers of the calls that a rollout counts and that have no record yet, oldest first. `copies` are shadow
    calls in flight, `dropped` those that never were made.
    """

    __slots__ = ("copies", "dropped", "in_flight", "open")

    def __init__(self) -> None:
        self.in_flight = 0
        self.copies = 0
        self.dropped = 0
        self.open: dict[int, None] = {}


class Route:
    """One endpoint."""

    __slots__ = (
        "arms",
        "bounds",
        "by_version",
        "endpoint",
        "human",
        "load",
        "mirror",
        "override_header",
        "pipeline",
        "plain",
        "refused",
        "replayed",
        "salt",
        "stable",
        "sticky",
        "subject_header",
        "unit_header",
        "unit_input",
        "watched",
        "wholes",
    )

    def __init__(
        self,
        endpoint: EndpointRoute,
        arms: Sequence[Target],
        bounds: list[float],
        by_version: dict[str, Target],
        replayed: dict[str, Target],
        mirror: Target | None,
        refused: Series,
        load: Load,
    ) -> None:
        self.endpoint = endpoint
        self.arms = list(arms)
        self.bounds = bounds
        self.by_version = by_version
        self.replayed = replayed
        self.mirror = mirror
        self.load = load
        self.refused = refused
        self.watched = bool(endpoint.assignment) or endpoint.mirror is not None
        self.salt = endpoint.salt or endpoint.name
        self.human: Target | None = None
        """Where people decide and the model isn't asked: the head of such records."""
        self.pipeline: Plan | None = None
        self.wholes: dict[tuple[str, str, bool], Target] = {}
        """Of a pipeline: what answered, by its stages' versions (`vad:1+asr:2`), role, and whether somebody named them."""
        unit = endpoint.unit
        self.sticky = endpoint.sticky and unit != "request"
        self.unit_header = unit.removeprefix("header:").lower().encode() if unit.startswith("header:") else b""
        self.unit_input = unit.removeprefix("input:") if unit.startswith("input:") else ""
        self.override_header = endpoint.override.lower().encode()
        stable = next((target for target in self.arms if target.role == "stable"), None)
        self.stable = stable or next((target for target in self.arms if target.role == "baseline"), None)
        self.plain = not any(field.action != "keep" for field in endpoint.fields) and not endpoint.subject.startswith(
            "input:"
        )
        self.subject_header = (
            endpoint.subject.removeprefix("header:").lower() if endpoint.subject.startswith("header:") else ""
        )

    @property
    def weights(self) -> list[float]:
        """The percentage of each arm, in the order of `arms`."""
        return [high - low for low, high in zip([0.0, *self.bounds], self.bounds, strict=False)]

    @property
    def heaviest(self) -> Target | None:
        """The arm that most requests go to."""
        return max(zip(self.weights, self.arms, strict=True), key=lambda pair: pair[0], default=(0.0, None))[1]

    def choose(self, unit: str = "") -> Target | None:
        """The arm of a unit; a random one, by weight, where units aren't sticky or this call has none."""
        arms = self.arms
        if len(arms) == 1:
            return arms[0]
        if not arms:
            return None
        where = point(unit, self.salt) if unit and self.sticky else random.random() * 100.0
        return arms[arm_at(self.bounds, where)]

    def whole(self, version: str, role: str, forced: bool, series: Series) -> Target:
        """A pipeline as one of its stages' versions."""
        key = (version, role, forced)
        target = self.wholes.get(key)
        if target is None:
            signature = self.pipeline.signature if self.pipeline is not None else None
            made = VersionRoute(self.endpoint.model, version, "READY", signature=signature, platform=PIPELINE)
            target = self.wholes[key] = Target(self.endpoint, made, role, [], series, forced)
        return target


class Table:
    """One revision, ready for look-ups."""

    def __init__(self, table: RoutingTable, links: dict[str, Link], counters: Counters, before: Table | None) -> None:
        self.source = table
        self.revision = table.revision
        self.routes: dict[str, Route] = {}
        self.versions = {(version.model, version.version): version for version in table.versions}
        self.keys = {key.id: key for key in table.keys}
        for endpoint in table.endpoints:
            own = {version.version: version for version in table.versions if version.model == endpoint.model}

            def target(
                name: str,
                role: Role,
                forced: bool,
                endpoint: EndpointRoute = endpoint,
                own: dict[str, VersionRoute] = own,
            ) -> Target:
                version = own[name]
                return Target(
                    endpoint, version, role, [links[s] for s in version.sockets if s in links],
                    counters.series(endpoint.name, name, role), forced,
                )  # fmt: skip

            ordered, bounds = lay([arm for arm in endpoint.arms if arm.version in own])
            rule = endpoint.automation
            aside = endpoint.human or (rule is not None and rule.level in automation.PEOPLE)
            arms = [target(arm.version, "shadow" if aside else arm.role, False) for arm in ordered]
            roles: dict[str, Role] = {arm.version: arm.role for arm in endpoint.arms if arm.role != "baseline"}
            if endpoint.preview and roles.get(endpoint.preview) is None:
                roles[endpoint.preview] = "canary"
            named = {name: target(name, roles.get(name, "stable"), True) for name in own}
            replayed = {name: target(name, "shadow", True) for name in own}
            copy = endpoint.mirror
            mirror = target(copy.version, "shadow", False) if copy is not None and copy.version in own else None
            known = before.routes.get(endpoint.name) if before is not None else None
            load = known.load if known is not None else Load()
            route = self.routes[endpoint.name] = Route(
                endpoint, arms, bounds, named, replayed, mirror, counters.series(endpoint.name, "", ""), load
            )
            usual = route.stable or route.heaviest
            if rule is not None and rule.level == "human" and usual is not None:
                route.human = target(usual.version.version, "human", False)
        for route in self.routes.values():
            if route.endpoint.pipeline:
                route.pipeline = plan(route.endpoint, self._signature)

    def _signature(self, endpoint: str) -> Signature | None:
        route = self.routes.get(endpoint)
        target = (route.stable or route.heaviest) if route is not None else None
        return target.version.signature if target is not None else None


def answer_prefix(endpoint: str, version: str) -> bytes:
    """The beginning of a v2 answer, up to the id."""
    return b'{"model_name":%b,"model_version":%b,"id":' % (orjson.dumps(endpoint), orjson.dumps(version))
