"""The prepared routing table: shares follow the weights, replicas take turns, counts outlive revisions."""

from __future__ import annotations

from typing import Any

import pytest
from scipy.stats import chisquare

from tidegate.gateway.table import Table
from tidegate.telemetry import Counters
from tidegate.types.traffic import Arm, EndpointRoute, RoutingTable, VersionRoute

DRAWS = 20_000


class Wire:
    """A link as the table sees it: whether it is connected, and what waits on it."""

    def __init__(self, connected: bool = True, waiting: int = 0) -> None:
        self.connected = connected
        self.waiting = dict.fromkeys(range(waiting))


def table(
    weights: dict[str, float], links: dict[str, Any] | None = None, before: Table | None = None, **fields: Any
) -> Table:
    links = links if links is not None else {version: Wire() for version in weights}
    versions = [
        VersionRoute("m", version, "READY", sorted(links) if len(weights) == 1 else [version]) for version in weights
    ]
    endpoint = EndpointRoute("e", "m", [Arm(version, weight) for version, weight in weights.items()], **fields)
    return Table(RoutingTable(1, [endpoint], versions), links, Counters(), before)


@pytest.mark.parametrize(
    "weights", [{"1": 90, "2": 10}, {"1": 50, "2": 30, "3": 20}, {"1": 99, "2": 1}, {"1": 33.4, "2": 66.6}]
)
def test_shares_follow_the_weights(weights: dict[str, float]) -> None:
    route = table(weights).routes["e"]
    counts = dict.fromkeys(weights, 0)
    for _ in range(DRAWS):
        chosen = route.choose()
        assert chosen is not None
        counts[chosen.version.version] += 1
    expected = [DRAWS * weight / 100 for weight in weights.values()]
    assert chisquare(list(counts.values()), expected).pvalue > 1e-6, (counts, weights)


def test_a_version_without_weight_is_never_chosen_but_can_be_asked_for() -> None:
    route = table({"1": 100, "2": 0}).routes["e"]
    assert {route.choose().version.version for _ in range(500)} == {"1"}  # type: ignore[union-attr]
    assert route.by_version["2"].version.version == "2"


def test_an_endpoint_without_arms_chooses_nothing() -> None:
    assert table({}).routes["e"].choose() is None


def test_the_least_loaded_connected_replica_answers_and_ties_take_turns() -> None:
    links = {"a": Wire(waiting=3), "b": Wire(waiting=1), "c": Wire(connected=False)}
    target = table({"1": 100}, links).routes["e"].by_version["1"]
    assert [target.link() for _ in range(4)] == [links["b"]] * 4, "whose turn it is only breaks ties"
    links["b"].connected = False
    assert target.link() is links["a"]
    links["a"].connected = False
    assert target.link() is None
    for wire in links.values():
        wire.connected, wire.waiting = True, {}
    turns = [target.link() for _ in range(9)]
    assert all(turns.count(wire) == 3 for wire in links.values())


def test_a_single_replica_that_is_away_is_none() -> None:
    target = table({"1": 100}, {"a": Wire(connected=False)}).routes["e"].by_version["1"]
    assert target.link() is None


def test_what_is_in_flight_outlives_a_revision() -> None:
    first = table({"1": 100})
    first.routes["e"].load.in_flight = 7
    assert table({"1": 50, "2": 50}, before=first).routes["e"].load.in_flight == 7


@pytest.mark.parametrize(
    ("fields", "plain", "header"),
    [({}, True, ""), ({"subject": "header:X-User"}, True, "x-user"), ({"subject": "input:name"}, False, "")],
)
def test_what_needs_the_parsed_body_is_known_before(fields: Any, plain: bool, header: str) -> None:
    route = table({"1": 100}, **fields).routes["e"]
    assert (route.plain, route.subject_header) == (plain, header)
