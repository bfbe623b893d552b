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
