"""The routing table, prepared: a request finds its arm by one dictionary look-up and, where there are several, one random number.

RoutingTable (file) --prepare--> Table: endpoints -> Route -> arms -> Target(version, links, head of its records, counters)
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import orjson

from tidegate.gateway import record
from tidegate.telemetry import Counters, Series
from tidegate.types.traffic import EndpointRoute, RoutingTable, VersionRoute
from tidegate.wire.frames import CODECS

if TYPE_CHECKING:
    from tidegate.gateway.link import Link


class Target:
    """One version as one endpoint uses it in one role: everything that a request needs, made once."""

    __slots__ = ("headers", "heads", "links", "prefix", "role", "route", "series", "turn", "version")

    def __init__(
        self, endpoint: EndpointRoute, version: VersionRoute, role: str, links: list[Link], series: Series
    ) -> None:
        self.route = endpoint
        self.version = version
        self.role = role
        self.links = links
        self.series = series
        self.turn = 0
        self.heads = {
            number: record.head(endpoint.name, endpoint.model, version.version, role, name)
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
    """How many requests of an endpoint are in flight; it outlives revisions of the table."""

    __slots__ = ("in_flight",)

    def __init__(self) -> None:
        self.in_flight = 0


class Route:
    """One endpoint."""

    __slots__ = ("arms", "by_version", "endpoint", "load", "plain", "refused", "subject_header", "weights")

    def __init__(
        self,
        endpoint: EndpointRoute,
        arms: list[tuple[float, Target]],
        by_version: dict[str, Target],
        refused: Series,
        load: Load,
    ) -> None:
        self.endpoint = endpoint
        self.arms = [target for _, target in arms]
        self.weights = [weight for weight, _ in arms]
        self.by_version = by_version
        self.load = load
        self.refused = refused
        self.plain = not any(field.action != "keep" for field in endpoint.fields) and not endpoint.subject.startswith(
            "input:"
        )
        self.subject_header = (
            endpoint.subject.removeprefix("header:").lower() if endpoint.subject.startswith("header:") else ""
        )

    def choose(self) -> Target | None:
        """An arm by weight."""
        arms = self.arms
        if len(arms) == 1:
            return arms[0]
        return random.choices(arms, self.weights)[0] if arms else None


class Table:
    """One revision, ready for look-ups."""

    def __init__(self, table: RoutingTable, links: dict[str, Link], counters: Counters, before: Table | None) -> None:
        self.source = table
        self.revision = table.revision
        self.routes: dict[str, Route] = {}
        self.versions = {(version.model, version.version): version for version in table.versions}
        self.keys = {key.id: key for key in table.keys}
        for endpoint in table.endpoints:
            targets: dict[str, Target] = {}
            arms: list[tuple[float, Target]] = []
            roles = {arm.version: arm for arm in endpoint.arms}
            for version in table.versions:
                if version.model != endpoint.model:
                    continue
                arm = roles.get(version.version)
                role = arm.role if arm is not None else "stable"
                target = targets[version.version] = Target(
                    endpoint, version, role, [links[s] for s in version.sockets if s in links],
                    counters.series(endpoint.name, version.version, role),
                )  # fmt: skip
                if arm is not None and arm.weight > 0:
                    arms.append((arm.weight, target))
            known = before.routes.get(endpoint.name) if before is not None else None
            load = known.load if known is not None else Load()
            self.routes[endpoint.name] = Route(endpoint, arms, targets, counters.series(endpoint.name, "", ""), load)


def answer_prefix(endpoint: str, version: str) -> bytes:
    """The beginning of a v2 answer, up to the id."""
    return b'{"model_name":%b,"model_version":%b,"id":' % (orjson.dumps(endpoint), orjson.dumps(version))
