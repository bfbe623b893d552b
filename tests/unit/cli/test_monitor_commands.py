"""`tidegate monitors`: suggested from a real past, reviewed, written, changed, undone, proved."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient
from tests.support.journal_maker import TABLE, route, table, write

from tidegate.api.app import build
from tidegate.cli import run as command
from tidegate.config import load_project, parse_project
from tidegate.profiles.fold import fold
from tidegate.profiles.reference import make
from tidegate.storage.layout import Layout
from tidegate.storage.log.recent import snapshot
from tidegate.storage.monitor_report import BuiltIn, MonitorReport, save_report
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.profiles import ProfileStore
from tidegate.storage.state import StateStore
from tidegate.types.monitoring import Alarm, Monitor, Side

PROJECT = """\
project: loans
models: {loan: {versions: {"1": {path: loan.onnx}}}}
endpoints:
  loan:   # the one that matters
    model: loan
    split: {"1": 100}
"""
SIDES: dict[str, Side] = {"age": "input", "city": "input", "p": "output"}


def past(hours: int, each: int) -> pl.DataFrame:
    """Rows as the log has them: the last hours, `each` an hour, without any drift."""
    draw = np.random.default_rng(4)
    n = hours * each
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    ages = draw.normal(40.0, 10.0, n)
    return pl.DataFrame(
        {
            "prediction_id": [f"{i}" for i in range(n)],
            "row": [0] * n,
            "time": [end - timedelta(hours=hours) + timedelta(seconds=3600.0 * i / each) for i in range(n)],
            "model": ["loan"] * n,
            "version": ["1"] * n,
            "role": ["stable"] * n,
            "status": [200] * n,
            "latency_us": draw.integers(1000, 3000, n),
            "queue_us": [10] * n,
            "infer_us": [900] * n,
            "batch": [1] * n,
            "mirror_of": pl.Series([None] * n, dtype=pl.String),
            "fallback_of": pl.Series([None] * n, dtype=pl.String),
            "age": [None if missing else float(age) for age, missing in zip(ages, draw.random(n) < 0.02, strict=True)],
            "city": draw.choice(["Lyon", "Graz", "Oslo"], n),
            "p": draw.beta(2.0, 5.0, n),
        },
    )


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a past, made once."""
    folder, rows = tmp_path_factory.mktemp("template"), past(30, 40)
    (folder / "loan.onnx").write_bytes(b"x")
    (folder / "tidegate.yaml").write_text(PROJECT)
    layout = Layout(folder / ".tidegate")
    with closing(StateStore(layout)) as state:
        state.set_desired(parse_project(PROJECT).model_dump_json(by_alias=True), "", actor="test")
    with closing(ProfileStore(layout)) as store:
        reference = make(rows, SIDES, "test")
        store.put_reference("loan", "", reference, "test")
        store.commit(fold("loan", rows, SIDES, reference=reference), [], {})
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: Path) -> Path:
    made = tmp_path / "project"
    shutil.copytree(template, made)
    with closing(StateStore(Layout(made / ".tidegate"))) as state:
        state.set_desired(state.desired().project, str(made), actor="test")
    monkeypatch.chdir(made)
    monkeypatch.setenv("COLUMNS", "240")
    return made


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = command(["monitors", *arguments])
    shown = capsys.readouterr()
    return code, shown.out + shown.err


def test_suggestions_come_from_the_past_and_are_written_once_accepted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, shown = run(capsys, "suggest", "loan", "--json", "--dry-run")
    found = {one["monitor"]["metric"]: one for one in json.loads(shown)["suggestions"]}
    assert code == 0
    assert {"input.missing.age", "input.out_of_range.age", "input.new_categories.city", "output.null"} <= set(found)
    missing = found["input.missing.age"]
    assert missing["wrong"] == "age stops arriving"
    assert [c["threshold"] for c in missing["candidates"]] == sorted(c["threshold"] for c in missing["candidates"])
    assert missing["candidates"][0]["alarms"] > 0
    chosen = missing["monitor"]["rule"]["max"]
    assert next(c["alarms"] for c in missing["candidates"] if c["threshold"] == chosen) == 0
    assert (folder / "tidegate.yaml").read_text() == PROJECT

    code, shown = run(capsys, "suggest", "loan", "--only", "input.*", "--yes")
    assert code == 0 and "alarms in the past" in shown
    text = (folder / "tidegate.yaml").read_text()
    assert "# the one that matters" in text
    rule = load_project(folder / "tidegate.yaml").endpoints["loan"].monitoring.thresholds["input.missing.age"].rule()
    with closing(MonitoringStore(Layout(folder / ".tidegate"))) as store:
        kept = store.monitor("loan/input.missing.age")
    assert kept is not None and kept.rule == rule and kept.source == "suggested"
    again = json.loads(run(capsys, "suggest", "loan", "--json")[1])["suggestions"]
    assert not [one for one in again if one["monitor"]["metric"].startswith("input.")]


def test_a_monitor_is_added_changed_muted_retired_and_brought_back(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    id = "loan/input.missing.age"
    assert run(capsys, "add", "loan", "input.missing.age", "--max", "5%", "--for", "10m")[0] == 0
    assert run(capsys, "edit", id, "--max", "8%")[0] == 0
    assert "input.missing.age: {max: 8%, for: 10m}" in (folder / "tidegate.yaml").read_text()
    assert run(capsys, "undo", id)[0] == 0
    assert "{max: 5%, for: 10m}" in (folder / "tidegate.yaml").read_text()
    assert "muted" in run(capsys, "mute", id, "--until", "12h")[1]
    assert "above 5% for 10 min" in run(capsys, "list")[1]
    assert run(capsys, "retire", id, "-m", "noise")[0] == 0
    assert load_project(folder / "tidegate.yaml") == parse_project(PROJECT)
    assert run(capsys, "undo", id)[0] == 0
    code, shown = run(capsys, "show", id)
    assert code == 0 and "noise" in shown and "above 8%" in shown
    code, shown = run(capsys, "add", "loan", "input.mising.age", "--max", "5%")
    assert code == 1 and 'Did you mean "input.missing"' in shown
    code, shown = run(capsys, "add", "loan", "input.missing.agee", "--max", "5%")
    assert code == 1 and 'Did you mean "age"' in shown
    code, shown = run(capsys, "add", "lone", "output.null", "--max", "5%")
    assert code == 1 and 'Did you mean "loan"' in shown
    code, shown = run(capsys, "add", "loan", "output.null")
    assert code == 1 and "--max" in shown


def test_verdicts_propose_and_apply(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "add", "loan", "input.missing.age", "--max", "3%")
    id = "loan/input.missing.age"
    with closing(MonitoringStore(Layout(folder / ".tidegate"))) as store:
        born = store.history(id)[0].time
        for n, worst in enumerate([0.035, 0.04, 0.05, 0.036, 0.037, 0.038]):
            store.put_alarm(
                Alarm(
                    0, id, "loan", "input.missing.age", "resolved", since=born + n, fired=born + n + 1, worst=worst,
                    limit=0.03, verdict="false",
                )
            )  # fmt: skip
    shown = run(capsys, "usefulness")[1]
    assert "tune" in shown and "only false alarms so far" in shown
    assert "--apply" in run(capsys, "adapt")[1]
    assert "{max: 3%}" in (folder / "tidegate.yaml").read_text()
    assert run(capsys, "adapt", "--apply")[0] == 0
    assert "{max: 4.2%}" in (folder / "tidegate.yaml").read_text()
    assert run(capsys, "undo", id)[0] == 0
    assert "{max: 3%}" in (folder / "tidegate.yaml").read_text()


def test_the_routes_do_the_same(folder: Path) -> None:
    client = TestClient(build(Layout(folder / ".tidegate")), base_url="http://127.0.0.1:8000")
    body = {"metric": "output.null", "threshold": {"max": "1%", "for": "10m"}}
    made = client.put("/api/endpoints/loan/monitors", json=body)
    assert made.status_code == 200, made.text
    assert made.json()["monitor"]["rule"]["max"] == 0.01
    assert "output.null: {max: 1%, for: 10m}" in (folder / "tidegate.yaml").read_text()
    assert [one["monitor"]["id"] for one in client.get("/api/monitors").json()] == ["loan/output.null"]
    assert client.get("/api/monitor", params={"id": "loan/output.null"}).json()["points"]
    wrong = client.put("/api/endpoints/loan/monitors", json={"metric": "output.null", "threshold": {"most": 1}})
    assert wrong.status_code == 400 and "threshold.most" in wrong.json()["error"]
    undone = client.post("/api/monitor", json={"id": "loan/output.null", "action": "undo"})
    assert undone.json()["monitor"]["state"] == "retired"
    assert client.post("/api/monitor", json={"id": "loan/nothing", "action": "undo"}).status_code == 404
    assert client.get("/api/endpoints/loan/monitors/suggestions").json()
    assert client.get("/api/monitors/usefulness").json() == []


def test_a_budget_is_proved_on_the_log_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tidegate.yaml").write_text(PROJECT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    layout = Layout(tmp_path / ".tidegate")
    with closing(StateStore(layout)) as state:
        state.set_desired(parse_project(PROJECT).model_dump_json(by_alias=True), str(tmp_path), actor="test")
    route(layout, {("m", "1"): TABLE})
    draw = np.random.default_rng(2)
    made = [
        table([(float(draw.normal(40 + n / 20)), str(draw.choice(["Lyon", "Graz"])), int(draw.integers(1, 4)))])
        for n in range(600)
    ]
    write(layout, made)
    frame = snapshot(layout, "loan").predictions.collect()
    sides: dict[str, Side] = {"age": "input", "city": "input", "rooms": "input", "predict": "output"}
    with closing(ProfileStore(layout)) as store:
        store.commit(fold("loan", frame, sides), [], {})
    code, shown = run(capsys, "prove", "loan", "--runs", "2", "--json")
    (proof,) = json.loads(shown)
    assert code == 0
    assert proof["rows"] == 600 and proof["runs"] == 2 and proof["streams"] >= 3 and proof["raised"] == 0
    code, shown = run(capsys, "prove", "--runs", "1")
    assert code == 0 and "holds" in shown
    code, shown = run(capsys, "prove", "lone")
    assert code == 1 and 'Did you mean "loan"' in shown


def test_objectives_and_dead_mans_switches_are_listed_and_obey(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, long = Layout(folder / ".tidegate"), "loan/output.drift.probability_of_default@candidate-2026-03"
    own = [
        Monitor("*/dead.gateway", "*", "dead.gateway", number=0),
        Monitor("loan/slo.availability.fast", "loan", "slo.availability.fast", severity="page", number=0),
    ]
    save_report(layout, MonitorReport(1, 1.0, built_in=[BuiltIn(one, 0.5, 6.0) for one in own]))
    with closing(MonitoringStore(layout)) as store:
        store.put_monitor(
            Monitor(long, "loan", "output.drift.probability_of_default", version="candidate-2026-03"), "t"
        )
    monkeypatch.setenv("COLUMNS", "80")
    shown = run(capsys, "list")[1]
    assert all(id in shown for id in (long, *(one.id for one in own))) and max(map(len, shown.splitlines())) <= 80
    monkeypatch.setenv("COLUMNS", "240")
    assert "its budget burns 6 or 14.4 times too fast" in run(capsys, "list", "loan")[1]
    for one in own:
        assert run(capsys, "mute", one.id)[0] == 0
        assert f"{one.id}  muted" in run(capsys, "show", one.id)[1]
        assert run(capsys, "undo", one.id)[0] == 0
        assert run(capsys, "retire", one.id, "-m", "another tool watches")[0] == 0
        assert one.id not in run(capsys, "list")[1] and one.id in run(capsys, "list", "--all")[1]
        assert run(capsys, "undo", one.id)[0] == 0 and one.id in run(capsys, "list")[1]
        code, said = run(capsys, "edit", one.id, "--max", "3")
        assert code == 1 and "deadMan" in said
    assert not {one.id for one in own} & {one["monitor"] for one in json.loads(run(capsys, "usefulness", "--json")[1])}
    assert (folder / "tidegate.yaml").read_text() == PROJECT
