"""Incidents over HTTP: seen, taken on, ended with a verdict; who may only look changes nothing."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.support import incident_maker

from tidegate.api.app import build
from tidegate.auth import keys
from tidegate.storage.layout import Layout
from tidegate.storage.state import StateStore


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "state")
    incident_maker.keep(layout)
    return layout


def test_an_incident_is_seen_taken_on_and_ended(layout: Layout) -> None:
    client = TestClient(build(layout), base_url="http://127.0.0.1")
    (one,) = client.get("/api/alarms").json()["incidents"]
    assert (one["incident"]["state"], len(one["alarms"])) == ("firing", 2)
    assert client.get("/api/alarms/1").json()["next"][0]["command"] == "tidegate drift loan --window 1d"
    assert client.post("/api/alarms/1/ack", json={"note": "looking"}).json()["state"] == "acknowledged"
    assert client.post("/api/alarms/1/resolve", json={}).status_code == 422
    ended = client.post("/api/alarms/1/resolve", json={"verdict": "false"}).json()
    assert (ended["state"], ended["verdict"]) == ("resolved", "false")
    assert client.post("/api/alarms/1/ack", json={}).status_code == 409
    assert client.get("/api/alarms").json()["incidents"] == []
    assert len(client.get("/api/alarms", params={"all": True}).json()["incidents"]) == 1
    assert client.get("/api/alarms/9").status_code == 404


def test_a_silence_over_http(layout: Layout) -> None:
    client = TestClient(build(layout), base_url="http://127.0.0.1")
    body = {"match": "loan/*", "until": time.time() + 60, "reason": "backfill"}
    assert client.post("/api/silences", json=body).status_code == 201
    assert client.get("/api/alarms").json()["incidents"][0]["silenced"]["reason"] == "backfill"
    assert client.post("/api/silences", json={**body, "until": 1.0}).status_code in (400, 422)
    for never in ("1e300", "1e999"):  # no calendar has it: every list of silences would fail to print it
        told = f'{{"match": "loan/*", "reason": "x", "until": {never}}}'
        answer = client.post("/api/silences", content=told, headers={"content-type": "application/json"})
        assert answer.status_code == 422
    assert len(client.delete("/api/silences", params={"match": "loan/*"}).json()) == 1
    assert client.get("/api/silences").json() == []


def test_who_may_only_look_changes_nothing(layout: Layout) -> None:
    secret, entry = keys.create("view")
    with closing(StateStore(layout)) as store:
        store.add_key(entry, actor="test")
    client = TestClient(build(layout, require_keys=True), headers={"authorization": f"Bearer {secret}"})
    assert client.get("/api/alarms").status_code == 200
    assert client.post("/api/alarms/1/ack", json={}).status_code == 403
    assert client.post("/api/alarms/1/resolve", json={"verdict": "real"}).status_code == 403
    body = {"match": "*", "until": 9e9, "reason": "x"}
    assert client.post("/api/silences", json=body).status_code == 403
    assert client.delete("/api/silences", params={"match": "*"}).status_code == 403


@pytest.mark.parametrize(
    "params", [{"window": "nan"}, {"window": "inf"}, {"end": "1e300"}, {"step": "0s"}, {"step": "1us"}]
)
def test_a_time_that_is_none_is_refused(layout: Layout, params: dict[str, str]) -> None:
    client = TestClient(build(layout), base_url="http://127.0.0.1", raise_server_exceptions=False)
    assert client.get("/api/endpoints/loan/quality", params=params).status_code in (400, 422)
