"""A careless project has every planted fault named, a careful one none; the rubric counts as the paper says."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tidegate import app
from tidegate.auth import keys
from tidegate.cli import run as typed
from tidegate.config import parse_project
from tidegate.errors import ConfigError, NotFound
from tidegate.readiness import rubric
from tidegate.readiness.base import SECTIONS, Check, scored
from tidegate.readiness.cycle import cycle
from tidegate.readiness.evidence import Evidence, Load, Machine, collect
from tidegate.readiness.html import page
from tidegate.readiness.package import files
from tidegate.readiness.questionnaire import questions
from tidegate.readiness.report import report
from tidegate.storage.layout import Layout
from tidegate.storage.state import StateStore
from tidegate.types.monitoring import Finding, Incident, Monitor
from tidegate.types.retraining import Code, Retraining, Verdict
from tidegate.types.rollouts import RolloutPlan, RolloutState
from tidegate.types.scoping import QUESTIONS, ScopingOptions, answers

NOW = time.time()
DAY = 86400.0
CARELESS: dict[str, Any] = {
    "metric": "quality.auc",
    "target": 0.9,
    "case": "automate",
    "serving": "batch",
    "where": "cloud",
    "compute": {"cpus": 4000, "gpus": 8, "memory": "900TB"},
    "speed": {"latency": "5ms", "throughput": 2000},
    "logging": "none",
    "retention": "30d",
    "personal": ["name"],
    "exposure": "internet",
    "automation": "assist",
    "risks": [{"risk": "the camera is dirty", "monitor": "input.missing.photo"}, {"risk": "winter"}],
    "data": [{"name": "old.csv", "newest": "2019-01-01"}],
    "maxAge": "90d",
}
FAULTS = {
    "goal": "nobody has said",
    "metric": "no monitor watches it",
    "case": "people are no baseline",
    "serving": "no batch asks this endpoint",
    "cpus": "of 4000",
    "gpus": "of 8",
    "memory": "of 900000.0",
    "keys": "0 valid",
    "payloads": "all of none",
    "retention": "kept for ever",
    "personal": "nothing protects name",
    "erasure": "isn't known",
    "automation": "full, assist wanted",
    "risk the camera is dirty": "isn't watched",
    "risk winter": "no monitor is named",
    "notify": "0 channels",
    "baselines": "no baseline",
    "labels": "no label has come",
    "rollback": "never",
    "data": "origin unknown",
    "age": "90 allowed",
}
"""What is planted above, and what the report must say of it."""


def project(scoping: dict[str, Any], **endpoint: Any) -> str:
    return json.dumps(
        {
            "project": "p",
            "scoping": scoping,
            "models": {"m": {"versions": {"1": {"path": "code:Model"}}}},
            "endpoints": {"e": {"model": "m", "split": {"1": 100}, **endpoint}},
        }
    )


def applied(tmp_path: Path, scoping: dict[str, Any], **endpoint: Any) -> Layout:
    layout = Layout(tmp_path / ".tidegate")
    app.apply(layout, project(scoping, **endpoint), base=tmp_path, actor="test")
    return layout


def test_every_fault_of_a_careless_project_is_named(tmp_path: Path) -> None:
    found = report(collect(applied(tmp_path, CARELESS), None, "e"))
    said = {check.id: check.found for check in found.faults}
    assert set(said) == set(FAULTS)
    for id, words in FAULTS.items():
        assert words in said[id], id
    assert all(check.do for check in found.faults), "each says what to do"
    assert not found.ready and found.score == 0 and "research project" in found.meaning
    slow = applied(tmp_path / "slow", {**CARELESS, "serving": "realtime"})
    seen = collect(slow, None, "e")
    seen.load = Load(NOW, 10.0, 2000.0, 700.0, 3, 4.0, 9.0, 60.0, 90.0)
    checks = {check.id: check for check in questions(seen)}
    assert checks["latency"].status == "missed" and "p99 60.0 ms of 5 allowed, 3 failed" in checks["latency"].found
    assert checks["throughput"].status == "missed" and "700 requests/s of 2,000" in checks["throughput"].found
    seen.load = msgspec.structs.replace(seen.load, time=NOW - 40 * DAY)
    assert "no load test of the last 30 days" in {check.id: check for check in questions(seen)}["latency"].found


def careful() -> Evidence:
    """Everything is there."""
    scoping = {
        **CARELESS,
        "goal": "less waiting",
        "serving": "realtime",
        "compute": {"cpus": 2, "memory": "4GB", "gpus": 1},
        "logging": "sample",
        "speed": {"latency": "50ms", "throughput": 500},
        "automation": "partial",
        "exposure": "network",
        "risks": [{"risk": "the camera is dirty", "monitor": "input.missing.photo"}],
        "rubric": {"data.2": "notebook 14 of 2026-10"},
        "data": [
            {"name": "new.csv", "origin": "historical", "newest": time.strftime("%Y-%m-%d", time.gmtime(NOW - 5 * DAY))}
        ],
    }
    endpoint = {
        "subject": "header:x-user",
        "fields": {"name": "hash"},
        "automation": {"level": "partial"},
        "retraining": {"trainer": "t:f", "by": ["region"]},
        "monitoring": {"slo": {"latency": {"p99": "50ms"}}},
    }
    made = parse_project(project(scoping, **endpoint))
    logged = made.log.model_copy(update={"blobs": "sample", "retention": 30 * DAY})
    told = made.monitoring.model_validate({"notify": [{"to": "mailto://a@b.c"}]})
    server = made.server.model_copy(update={"host": "0.0.0.0"})
    made = made.model_copy(update={"log": logged, "monitoring": told, "server": server})
    version = (
        made.models["m"]
        .versions["1"]
        .model_copy(update={"reference": "train.parquet", "environment": "requirements.txt"})
    )
    assert made.scoping is not None
    verdict = Verdict("quality.auc", 0.8, 0.95, 100, -0.1, -0.05, [])
    run = Retraining(
        3,
        "e",
        "drift",
        "test",
        "done",
        {},
        NOW,
        version="1",
        parent="0",
        verdict=verdict,
        outcome="promoted",
        code=Code("t:f", commit="abc123"),
        data={"learned": 900, "cut": NOW - 5 * DAY},
    )
    plan = RolloutPlan("canary", [], [])
    back = RolloutState(2, "e", "m", "0", "9", "d", plan, "Degraded", reason="alarm")
    through = msgspec.structs.replace(back, id=4, canary="1", phase="Healthy", reason="")
    return Evidence(
        "e",
        made,
        made.endpoints["e"],
        made.scoping,
        "1",
        version,
        Machine(4, 8 * 10**9, 5 * 10**9, 10**9, ["H100"]),
        NOW,
        running=True,
        load=Load(NOW, 10.0, 500.0, 499.0, 0, 1.0, 2.0, 9.0, 30.0),
        keys=2,
        keys_required=True,
        rows=1000,
        labels=800,
        newest_label=NOW,
        monitors=[
            Monitor("e/quality.auc", "e", "quality.auc"),
            Monitor("e/input.missing.photo", "e", "input.missing.photo"),
        ],
        streams=5,
        baselines={"people": "human", "quick": "quick"},
        quick=(-0.2, -0.25, -0.15),
        rollouts=[through, back],
        retrainings=[run],
        actions={"log erase"},
        verified=True,
    )


def test_a_careful_project_is_ready() -> None:
    found = report(careful())
    assert not found.faults, [(check.id, check.found) for check in found.faults]
    assert found.ready
    statuses = {check.id: check.status for check in found.rubric}
    assert statuses["data.2"] == "by hand" and statuses["infrastructure.1"] == "held" and statuses["model.5"] == "held"
    assert found.sections["infrastructure"] == 6.0 and found.sections["data"] == 3.5 and found.score == 3.5
    assert "strong" in found.meaning


@pytest.mark.parametrize(
    ("change", "id"),
    [
        ({"keys": 0}, "keys"),
        ({"labels": 0}, "labels"),
        ({"baselines": {}}, "case"),
        ({"rollouts": []}, "rollback"),
        ({"actions": set()}, "erasure"),
        ({"monitors": []}, "risk the camera is dirty"),
        ({"incidents": [Incident(1, "e", "firing", "page", "it moved", 0.0)]}, "incidents"),
        ({"now": NOW + 100 * DAY}, "age"),
        ({"machine": Machine(1, 8 * 10**9, 5 * 10**9, 0, ["H100"])}, "cpus"),
        ({"machine": Machine(4, 8 * 10**9, 10**8, 0, ["H100"])}, "memory"),
        ({"machine": Machine(4, 8 * 10**9, 5 * 10**9, 0, [])}, "gpus"),
    ],
)
def test_each_piece_of_evidence_counts(change: dict[str, Any], id: str) -> None:
    seen = careful()
    for name, value in change.items():
        setattr(seen, name, value)
    assert id in {check.id for check in report(seen).faults}


def test_the_score_is_that_of_the_weakest_section() -> None:
    rows = [Check(id, id.partition(".")[0], "", "held", "") for id in rubric.TITLES]
    assert len(rows) == 28 and scored(rows)[1] == 7.0 and "exceptional" in scored(rows)[2]
    rows[0] = Check("data.1", "data", "", "by hand", "")
    assert (
        scored(rows)[0] == {"data": 6.5, "model": 7.0, "infrastructure": 7.0, "monitoring": 7.0}
        and scored(rows)[1] == 6.5
    )
    assert {check.section for check in rubric.tests(careful())} == set(SECTIONS)


def test_the_cycle_says_where_it_stands_and_what_sends_it_back(tmp_path: Path) -> None:
    seen = careful()
    found = cycle(seen, report(seen))
    assert [stage.name for stage in found.stages] == ["scoping", "data", "modelling", "deployment"]
    assert all(stage.done == len(stage.parts) for stage in found.stages) and not any(
        stage.here for stage in found.stages
    )
    seen.incidents = [
        Incident(7, "e", "firing", "ticket", "input a is higher", 0.0, findings=[Finding("higher", "a", side="input")])
    ]
    seen.tags = 3
    back = cycle(seen, report(seen)).back
    assert [(way.origin, way.to) for way in back] == [("deployment", "data"), ("modelling", "data")]
    assert "incident 7" in back[0].why and back[0].do == "`tidegate retrain e`"
    bare = collect(applied(tmp_path, {}), None, "e")
    assert cycle(bare, report(bare)).stages[0].here


def test_the_page_has_every_check_and_no_markup_of_others() -> None:
    seen = careful()
    seen.scoping = seen.scoping.model_copy(update={"goal": "<script>alert(1)</script>"})
    text = page(report(seen))
    assert "<script>" not in text and "&lt;script&gt;" in text
    for check in (*report(seen).questionnaire, *report(seen).rubric):
        assert check.title in text.replace("&#x27;", "'")
    assert "http" not in text.replace("http-equiv", ""), "it loads nothing"


def test_the_questionnaire_is_asked_in_the_terminal_and_kept_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tidegate.yaml"
    said = (
        "goal=less waiting",
        "speed.latency=500ms",
        "compute.memory=8GiB",
        "target=0.8",
        "data=a.parquet up to 2026-01-31",
    )
    given = [word for text in said for word in ("--answer", text)]
    assert typed(["init", "-C", str(file), "--no-ask", *given]) == 0
    made = parse_project(file.read_text()).scoping
    assert made is not None and made.speed.latency == 0.5 and made.compute.memory == 8 * 2**30 and made.target == 0.8
    assert made.data[0].newest == "2026-01-31" and "# server:" in file.read_text(), "comments stay"
    capsys.readouterr()
    assert typed(["init", "-C", str(tmp_path / "b"), "--no-ask", "--answer", "speed.latensy=1s"]) == 1
    assert "speed.latency" in capsys.readouterr().err
    assert typed(["init", "-C", str(tmp_path / "c"), "--no-ask", "--answer", "case=maybe"]) == 1
    assert "new" in capsys.readouterr().err and not (tmp_path / "c" / "tidegate.yaml").exists()


def test_every_question_has_a_place_in_the_file() -> None:
    said = {
        "target": "0.8",
        "case": "new",
        "serving": "both",
        "where": "edge",
        "compute.memory": "1GB",
        "speed.latency": "1s",
        "logging": "all",
        "retention": "1d",
        "exposure": "machine",
        "automation": "full",
        "max_age": "9d",
        "data": "x up to 2026-01-01",
    }
    full = answers({one.key: said.get(one.key, "1") for one in QUESTIONS})
    made = ScopingOptions.model_validate(full)
    assert made.max_age == 9 * DAY and made.risks[0].risk == "1" and made.compute.gpus == 1
    with pytest.raises(ConfigError, match=r"'dta\.1' is no test"):
        parse_project(project({"rubric": {"dta.1": "x"}}))
    with pytest.raises(ConfigError, match="is no date"):
        parse_project(project({"data": [{"name": "a", "newest": "last spring"}]}))


def test_a_report_for_ci_has_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tidegate.yaml").write_text(project(CARELESS))
    assert typed(["ready", "-C", str(tmp_path), "--json", "--html", str(tmp_path / "r.html")]) == 1, (
        "also before it was ever up"
    )
    found = json.loads(capsys.readouterr().out)
    assert found["ready"] is False and {check["id"] for check in found["next"]} >= set(FAULTS)
    assert "Not ready" in (tmp_path / "r.html").read_text()
    assert typed(["project", "-C", str(tmp_path)]) == 0
    assert "you are here" in capsys.readouterr().out
    assert typed(["ready", "nobody", "-C", str(tmp_path)]) == 1 and "Known: e" in capsys.readouterr().err
    with pytest.raises(NotFound):
        collect(Layout(tmp_path / "s"), tmp_path / "tidegate.yaml", "x")


def test_keys_are_counted(tmp_path: Path) -> None:
    layout = applied(tmp_path, CARELESS)
    store = StateStore(layout)
    _, entry = keys.create("predict", expires=0.0)
    store.add_key(entry, name="a", actor="test")
    store.close()
    assert collect(layout, None, "e").keys == 1


def test_files_to_run_it_elsewhere(tmp_path: Path) -> None:
    made = files(parse_project(project({})), tmp_path, domain="models.test")
    assert "ExecStart=" in made["tidegate.service"] and f"ReadWritePaths={tmp_path}" in made["tidegate.service"]
    assert "models.test {" in made["Caddyfile"] and "h2c://127.0.0.1:8081" in made["Caddyfile"]
    assert "USER tidegate" in made["Containerfile"] and "EXPOSE 8080 8081 8000" in made["Containerfile"]
    (tmp_path / "tidegate.yaml").write_text(project({}))
    assert typed(["package", "-C", str(tmp_path)]) == 0 and (tmp_path / "Containerfile").exists()
    assert typed(["package", "-C", str(tmp_path)]) == 1, "it doesn't write over what is there"
    assert typed(["package", "-C", str(tmp_path), "--force"]) == 0
