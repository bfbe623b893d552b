"""What a project takes on disk: real files, and the retention that project.json says."""

from __future__ import annotations

import json
from pathlib import Path

from fastapi.testclient import TestClient

from tidegate.api.app import build
from tidegate.storage.layout import Layout
from tidegate.views.disk import disk


def test_parts_with_how_long_they_stay(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    (layout.journal / "g0-1.ndjson").write_bytes(b"x" * 700)
    layout.database.write_bytes(b"x" * 50)
    (layout.root / "state.db-wal").write_bytes(b"x" * 25)
    (layout.root / "stray").write_bytes(b"x")
    kept = {"log": {"feedbackRetention": 60.0}, "monitoring": {"retention": {"minutes": 3600.0}}}
    (layout.run / "project.json").write_text(json.dumps(kept))
    found = {one.name: one for one in disk(layout).parts}
    assert (found["journal"].bytes, found["state.db"].bytes, found["state.db"].files, found[""].bytes) == (
        700,
        75,
        2,
        1,
    )
    assert found["state.db"].kept[0].seconds == 3600.0
    layout.log("loan")
    log = next(one for one in disk(layout).parts if one.name == "log")
    assert [one.seconds for one in log.kept] == [0.0, 60.0]


def test_a_project_that_was_never_up(tmp_path: Path) -> None:
    assert not disk(Layout(tmp_path / "none")).known
    answer = TestClient(build(Layout(tmp_path / "new")), base_url="http://127.0.0.1").get("/api/disk")
    assert (answer.status_code, answer.json()["known"]) == (200, False)
