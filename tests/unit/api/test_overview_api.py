"""The overview, series and marks over HTTP."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.support import incident_maker

from tidegate.api.app import build
from tidegate.profiles.profile import Key, Profile
from tidegate.storage.layout import Layout
from tidegate.storage.profiles import ProfileStore


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    layout = Layout(tmp_path / "state")
    incident_maker.keep(layout)
    minute = int(time.time() // 60 * 60) - 60
    with closing(ProfileStore(layout)) as store:
        made = Profile(requests=60, rows=60, status={200: 60}, latency={200: 60})
        store.commit({(Key("loan", "1", "stable"), minute): made}, [], {})
    return TestClient(build(layout), base_url="http://127.0.0.1")


def test_the_overview_answers_before_anything_runs(client: TestClient, tmp_path: Path) -> None:
    found = client.get("/api/overview").json()
    assert (found["running"], found["watching"]["allowed"]) == (False, 2.0)
    empty = TestClient(build(Layout(tmp_path / "none")), base_url="http://127.0.0.1").get("/api/overview")
    assert (empty.status_code, empty.json()["endpoints"]) == (200, [])


def test_series_and_what_they_can_be_asked(client: TestClient) -> None:
    metrics = client.get("/api/endpoints/loan/metrics").json()
    assert "software.latency.p99" in metrics["software"]
    params = {"metric": ["software.throughput", "software.latency.p99"], "window": "15m"}
    found = client.get("/api/endpoints/loan/series", params=params).json()
    assert [one["unit"] for one in found["series"]] == ["per_second", "seconds"]
    assert 1.0 in found["series"][0]["lines"][0]["values"]
    for wrong in ({"window": "soon"}, {"window": "1h", "step": "7s"}, {"start": 9e10}, {"metric": "nothing"}):
        answer = client.get("/api/endpoints/loan/series", params={"metric": "software.errors", **wrong})
        assert (answer.status_code in (400, 422), "error" in answer.json()) == (True, True), wrong
    assert client.get("/api/endpoints/nobody/series", params=params).status_code == 404


def test_marks(client: TestClient) -> None:
    (mark,) = client.get("/api/endpoints/loan/marks").json()["marks"]
    assert (mark["kind"], mark["link"]) == ("alarm", "/alarms/1")
    assert client.get("/api/endpoints/loan/marks", params={"end": 1000.0}).json()["marks"] == []


def test_the_loop(client: TestClient) -> None:
    found = client.get("/api/endpoints/loan/loop").json()
    assert [(one["version"], one["share"]) for one in found["streams"]] == [("1", 1.0)]
    assert client.get("/api/endpoints/lone/loop").status_code == 404
