"""`tidegate quality` and its routes: figures, estimates, the ids to label; wrong usage in words."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

sys.path.insert(0, str(next(p for p in Path(__file__).parents if p.name == "tests") / "support"))

from journal_maker import START, label, prediction, route, tensor, write

from tidegate import app
from tidegate.api.app import build
from tidegate.cli import run as command
from tidegate.storage.layout import Layout
from tidegate.types.inference import Signature, TensorSpec

PROJECT = """
project: loans
models: {m: {versions: {"1": {path: "a:b"}}}}
endpoints:
  loan:
    model: m
    split: {"1": 100}
    monitoring: {labels: {maturation: 1d}, profiles: {segments: [x_1]}}
"""
CLASSES = Signature(
    inputs=[TensorSpec("x", "FP64", [-1, 2])],
    outputs=[TensorSpec("predict_proba", "FP64", [-1, 2])],
    classes=["0", "1"],
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    layout = Layout(tmp_path / ".tidegate")
    (tmp_path / "tidegate.yaml").write_text(PROJECT)
    app.apply(layout, PROJECT, base=tmp_path, actor="test")
    route(layout, {("m", "1"): CLASSES})
    rng = np.random.default_rng(0)
    records: list = []
    for number in range(300):
        p = float(rng.random())
        given = [tensor("predict_proba", "FP64", [1, 2], [1 - p, p])]
        body = [tensor("x", "FP64", [1, 2], [p, number % 2])]
        records.append(prediction(body, given, time=START + number * 10**10))
        if number < 200:
            records.append(label(records[-1].id, int(rng.random() < p), received=START + number * 10**10 + 10**9))
    write(layout, records)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = command(["quality", "loan", "--window", "2000d", *arguments])
    shown = capsys.readouterr()
    return code, shown.out + shown.err


def test_the_command_shows_and_tells_programs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = run(capsys, "--by", "version,slice")
    assert code == 0 and "version 1" in shown and "67% labelled" in shown and "auc" in shown and "x_1 = 1.0" in shown
    code, shown = run(capsys, "--json")
    view = json.loads(shown)
    assert view["task"] == "binary" and view["groups"][0]["labels"] == 200
    code, shown = run(capsys, "--by", "colour")
    assert code != 0 and "no column 'colour'" in shown and "x_1" in shown
    code, shown = run(capsys, "--window", "soon")
    assert code == 2 and "--window" in shown
    code, shown = run(capsys, "--slice", "x_9")
    assert code != 0 and "x_1" in shown


def test_the_audit_names_rows_to_label(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = run(capsys, "--audit", "50", "--file", "ids.csv")
    assert code == 0 and "50" in shown
    rows = list(csv.DictReader((folder / "ids.csv").open()))
    assert len(rows) == 50 and {row["labelled"] for row in rows} == {"0", "1"}
    code, shown = run(capsys, "--audit", "20", "--json")
    assert [row["prediction_id"] for row in json.loads(shown)["sample"]] == [row["prediction_id"] for row in rows[:20]]


def test_the_routes_say_the_same(folder: Path) -> None:
    client = TestClient(build(Layout(folder / ".tidegate")), base_url="http://127.0.0.1")
    view = client.get("/api/endpoints/loan/quality", params={"window": "2000d", "by": "version,slice"}).json()
    assert [group["slice"] for group in view["groups"]] == ["", "x_1 = 0.0", "x_1 = 1.0"]
    asked = client.get("/api/endpoints/loan/quality/audit", params={"window": "2000d", "count": 10}).json()
    assert asked["asked"] == 10 and len(asked["sample"]) == 10
    bad = client.get("/api/endpoints/loan/quality", params={"window": "soon"})
    assert bad.status_code == 400 and "window" in bad.json()["error"]
    assert client.get("/api/endpoints/laon/quality").status_code == 404
