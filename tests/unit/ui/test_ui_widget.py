"""What a component sends: plain data, no NaN, nothing twice, text as text."""

from __future__ import annotations

import math

import msgspec
import pytest
from nicegui import Client, ui

from tidegate.ui.components import Column, Row, num, table, text, words
from tidegate.ui.components.chart import Chart, Limit, Line, Mark


@pytest.fixture
def client() -> Client:
    return Client(ui.page(""), request=None)


def test_nan_and_infinities_become_gaps(client: Client) -> None:
    with client:
        chart = Chart("p99", "s").fill([Line("a", [(0.0, math.nan), (1.0, math.inf), (2.0, 3.0)])], start=0, end=2)
    assert [point[1] for point in chart._props["data"]["series"][0]["points"]] == [None, None, 3.0]
    assert b"NaN" not in msgspec.json.encode(chart._props["data"])


def test_the_same_value_is_sent_once(client: Client) -> None:
    with client:
        found = table([Column("name", "Name")])
        found.fill([Row("a", {"name": "a"})])
        client.outbox.updates.clear()
        found.fill([Row("a", {"name": "a"})])
        assert found.id not in client.outbox.updates
        found.fill([Row("a", {"name": "b"})])
        assert found.id in client.outbox.updates


def test_markup_in_values_stays_text(client: Client) -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    with client:
        found = text(evil)
        rows = table([Column("v", evil)]).fill([Row(evil, {"v": words(evil)})])
    assert found._text == evil and "innerHTML" not in found._props
    assert rows._props["data"]["rows"][0]["cells"]["v"] == {"text": evil}


def test_links_to_elsewhere_are_refused_in_rows_and_marks(client: Client) -> None:
    with client:
        with pytest.raises(ValueError, match="isn't an address"):
            table([Column("a", "A")]).fill([Row("a", {"a": 1}, href="javascript:alert(1)")])
        with pytest.raises(ValueError, match="isn't an address"):
            Chart("t", "s").fill([], start=0, end=1, marks=[Mark(0.5, "alarm", "x", href="https://evil.example")])


def test_a_chart_says_its_unit_limits_and_intervals(client: Client) -> None:
    with client:
        chart = Chart("p99", "s").fill([Line("a", [(0.0, 1.0)])], start=0, end=2, limits=[Limit("SLO", 0.5)])
    assert (chart._props["data"]["unit"], chart._props["data"]["limits"][0]["value"]) == ("s", 0.5)
    assert num(0.9, "share", low=0.88, high=0.92) == {"num": 0.9, "unit": "share", "low": 0.88, "high": 0.92}
    assert num(None) is None
