"""Rollouts over HTTP: started, seen, taken in hand, refused in words; who may only look changes nothing."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tidegate import app
from tidegate.api.app import build
from tidegate.auth import keys
from tidegate.storage.layout import Layout
from tidegate.storage.state import StateStore

PROJECT = """
project: p
models: {m: {versions: {"1": {path: "a:b"}, "2": {path: "a:c"}}}}
endpoints: {e: {model: m, split: {"1": 100}}}
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "state")
    app.apply(layout, PROJECT, base=tmp_path, actor="test")
    return layout


def test_a_rollout_is_started_seen_and_aborted(layout: Layout) -> None:
    client = TestClient(build(layout), base_url="http://127.0.0.1")
    assert client.get("/api/endpoints/e/rollout").status_code == 404
    assert client.post("/api/endpoints/e/rollout", json={"to": "2"}).json()["phase"] == "Pending"
    again = client.post("/api/endpoints/e/rollout", json={"to": "2"})
    assert (again.status_code, "rollout abort e" in again.json()["error"]) == (409, True)
    assert client.get("/api/endpoints/e/rollout").json()["state"]["canary"] == "2"
    assert client.post("/api/endpoints/e/rollout/promote", json={}).status_code == 409
    assert client.post("/api/endpoints/e/rollout/abort", json={"reason": "odd"}).json()["phase"] == "Degraded"
    assert [found["id"] for found in client.get("/api/rollouts").json()] == [1]
    assert client.get("/api/rollouts/1/verify").json()["differences"] == []


def test_a_freeze_over_http(layout: Layout) -> None:
    client = TestClient(build(layout), base_url="http://127.0.0.1")
    body = {"endpoint": "e", "until": time.time() + 60, "reason": "quarter"}
    assert client.post("/api/freezes", json=body).status_code == 201
    assert "quarter" in client.post("/api/endpoints/e/rollout", json={"to": "2"}).json()["error"]
    assert len(client.get("/api/freezes").json()) == 1
    assert client.delete("/api/freezes", params={"endpoint": "e"}).status_code == 200
    assert client.get("/api/freezes").json() == []


def test_who_may_only_look_changes_nothing(layout: Layout) -> None:
    secret, entry = keys.create("view")
    with closing(StateStore(layout)) as store:
        store.add_key(entry, actor="test")
    client = TestClient(build(layout, require_keys=True), headers={"authorization": f"Bearer {secret}"})
    assert client.get("/api/rollouts").status_code == 200
    for path in ("", "/promote", "/pause", "/resume", "/abort", "/retry", "/undo"):
        assert client.post(f"/api/endpoints/e/rollout{path}", json={"to": "2"}).status_code == 403
    assert client.post("/api/freezes", json={"until": 9e9, "reason": "x"}).status_code == 403


def test_a_rollout_by_its_id_explained_with_evidence_and_decisions(layout: Layout) -> None:
    client = TestClient(build(layout), base_url="http://127.0.0.1")
    client.post("/api/endpoints/e/rollout", json={"to": "2", "reason": "better"})
    assert client.get("/api/rollouts/1").json()["state"]["canary"] == "2"
    assert "hasn't begun" in client.get("/api/rollouts/1/explanation").json()["headline"]
    watched = [one["name"] for one in client.get("/api/rollouts/1/evidence").json()["metrics"]]
    assert "error" in watched
    assert len(client.get("/api/rollouts/1/evidence", params={"metric": "error"}).json()["metrics"]) == 1
    for path in ("evidence", "explanation"):
        refused = client.get(f"/api/rollouts/1/{path}", params={"metric": "eror"})
        assert (refused.status_code, "it watches" in refused.json()["error"]) == (404, True)
    assert [one["event"] for one in client.get("/api/rollouts/1/decisions").json()] == ["start"]
    assert client.get("/api/rollouts/1/decisions/1").json()["message"] == "better"
    assert client.get("/api/rollouts/1/decisions/2").status_code == 404
    assert client.get("/api/rollouts/1/forecast").json()["steps"][0]["number"] == 0
    for path in ("", "/explanation", "/evidence", "/decisions", "/forecast"):
        assert client.get(f"/api/rollouts/9{path}").status_code == 404


def test_a_forecast_starts_nothing(layout: Layout) -> None:
    client = TestClient(build(layout), base_url="http://127.0.0.1")
    found = client.get("/api/endpoints/e/forecast", params={"to": "2"}).json()
    assert found["rollout"]["canary"] == "2" and len(found["forecast"]["steps"]) > 3
    assert client.get("/api/endpoints/e/forecast", params={"to": "7"}).status_code == 404
    assert client.get("/api/rollouts").json() == []


def test_differences_of_a_shadow_that_was_never_asked_say_so(layout: Layout) -> None:
    client = TestClient(build(layout), base_url="http://127.0.0.1")
    refused = client.get("/api/endpoints/e/diff", params={"to": "2"})
    assert refused.status_code == 404 and "error" in refused.json()


def test_a_model_version_in_full(layout: Layout) -> None:
    client = TestClient(build(layout), base_url="http://127.0.0.1")
    assert [one["version"] for one in client.get("/api/models").json()] == ["2", "1"]
    found = client.get("/api/models/m/versions/1").json()
    assert (found["added_by"], found["endpoints"], found["lineage"][-1]["what"]) == ("test", ["e"], "added")
