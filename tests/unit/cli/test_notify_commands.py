"""`tidegate notify test` and its route: what came of each channel, masked, and an exit code to build on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.support.receiver import Receiver

from tidegate.api.app import build
from tidegate.cli import run as command
from tidegate.storage.layout import Layout
from tidegate.storage.state import StateStore

PROJECT = """
project: loans
models: {loan: {versions: {"1": {path: loan.onnx}}}}
endpoints: {loan: {model: loan, split: {"1": 100}}}
monitoring:
  notify: [{to: "file://FOLDER/notices.ndjson", for: page}, {to: "webhook+http://${HOOK}/s3cret", for: ticket}]
"""


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = command(list(arguments))
    shown = capsys.readouterr()
    return code, shown.out + shown.err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "loan.onnx").write_bytes(b"x")
    (tmp_path / "tidegate.yaml").write_text(PROJECT.replace("FOLDER", str(tmp_path)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOOK", raising=False)
    return tmp_path


def test_each_channel_is_tried_and_named_masked(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, shown = run(capsys, "notify", "test", "--json")
    arrived, failed = json.loads(shown)
    assert code == 1 and arrived["ok"] and "HOOK" in failed["error"] and "s3cret" not in shown
    assert json.loads((folder / "notices.ndjson").read_text())["kind"] == "test"
    receiver = Receiver()
    try:
        monkeypatch.setenv("HOOK", receiver.address)
        code, shown = run(capsys, "notify", "test")
        assert code == 0 and shown.count("arrived") == 2 and receiver.calls[0][0] == "/s3cret"
        code, shown = run(capsys, "notify", "test", "--to", f"webhook+http://{receiver.address}/other")
        assert code == 0 and receiver.calls[-1][0] == "/other"
    finally:
        receiver.close()


def test_the_route_tries_what_is_in_force_and_nothing_else(folder: Path) -> None:
    layout = Layout(folder / ".tidegate")
    client = TestClient(build(layout), base_url="http://127.0.0.1:8000")
    assert client.post("/api/notify/test").status_code == 409, "never up"
    file = {"to": f"file://{folder}/notices.ndjson", "for": "page"}
    (layout.run / "project.json").write_text(json.dumps({"project": "loans", "monitoring": {"notify": [file]}}))
    (one,) = client.post("/api/notify/test", params={"to": "file:///etc/x"}).json()
    assert one["ok"] and one["for"] == "page" and (folder / "notices.ndjson").exists()
    (known,) = client.get("/api/notify").json()
    assert (known["to"], known["for"], known["sent"]) == (file["to"], "page", 0), "a trial isn't counted"


def test_metrics_are_shown_as_text_and_as_samples(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "metrics", "show")[0] == 3, "never up"
    StateStore(Layout(folder / ".tidegate")).close()
    code, shown = run(capsys, "metrics", "show")
    assert code == 0 and shown.endswith("# EOF\n") and "tidegate_up 0.0" in shown
    code, shown = run(capsys, "metrics", "show", "--json")
    assert code == 0 and {"name": "tidegate_up", "labels": {}, "value": 0.0} in json.loads(shown)
