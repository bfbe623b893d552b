"""Where a change begins: a stage, the callers, nowhere, or too few rows to say. Also the command and the call that show it."""

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from journal_maker import label, prediction, route, tensor, write

from tidegate import app
from tidegate.api.app import build
from tidegate.cli import run
from tidegate.errors import InvalidRequest, NotFound
from tidegate.storage.layout import Layout
from tidegate.storage.state import StateStore
from tidegate.types.inference import Signature, TensorSpec
from tidegate.views.pipeline import PipelineView, explain

NOW = time.time()
HOUR = 3600.0
STAGES = {"find": ("x", "y"), "read": ("y", "z")}
FILE = """
project: talk
models:
  find: {versions: {"1": {path: "m:Find"}, "2": {path: "m:Find"}}}
  read: {versions: {"1": {path: "m:Read"}}}
endpoints:
  talk:
    monitoring: {labels: {task: regression, answer: z, maturation: 1s}}
    pipeline:
    - {stage: find, model: find, split: {"1": 100}}
    - {stage: read, model: read}
    - {stage: whole, merge: {z: "coalesce(read.z, read.z)"}}
"""


def floats(name: str) -> TensorSpec:
    return TensorSpec(name, "FP64", [-1])


@pytest.fixture
def pipeline(layout: Layout) -> Layout:
    """Desired and routed; its log is empty."""
    with_signatures = {(name, "1"): Signature([floats(a)], [floats(b)]) for name, (a, b) in STAGES.items()}
    route(layout, with_signatures, ["talk", "talk.find", "talk.read"])
    project = app.parse_project(FILE)
    store = StateStore(layout)
    store.set_desired(project.model_dump_json(by_alias=True), str(layout.root), actor="test")
    store.close()
    return layout


def serve(
    layout: Layout,
    rows: int,
    *,
    now: bool,
    send: float = 0.0,
    found: float = 0.0,
    version: str = "1",
    failing: int = 0,
    each: int = 5,
) -> None:
    """Requests of the window, or of the one before: `each` rows in each, the first one labelled. `send` moves what callers send,
    `found` what `find` gives."""
    draw = np.random.default_rng(rows + now)
    records: list[object] = []
    began = NOW - (HOUR if now else 2 * HOUR)
    for number, at in enumerate(np.linspace(began + 10, began + HOUR - 10, rows // each)):
        x = draw.normal(send, 1.0, each)
        y = x + found + draw.normal(0.0, 0.1, each)
        values = {"x": x, "y": y, "z": 2 * y}
        moment = int(at * 1e9)
        for endpoint, given, gave, fields in (
            ("talk.find", "x", "y", {"part_of": f"w{moment}", "version": version, "model": "find"}),
            (
                "talk.read",
                "y",
                "z",
                {"part_of": f"w{moment}", "status": 500 if number < failing else 200, "model": "read"},
            ),
            ("talk", "x", "z", {"id": f"w{moment}", "version": f"find:{version}+read:1", "model": "talk"}),
        ):
            inputs, outputs = ([tensor(name, "FP64", [each], values[name].tolist())] for name in (given, gave))
            records.append(prediction(inputs, outputs, endpoint=endpoint, time=moment, **fields))
        records.append(label(f"w{moment}", 2 * float(x[0]), endpoint="talk", time=moment, received=moment + 1000))
    write(layout, records)


def look(layout: Layout) -> PipelineView:
    stages = app.pipeline_stages(layout, "talk")
    rules, _ = app.label_options(layout, "talk")
    return explain(layout, "talk", stages, end=NOW, window=HOUR, rules=rules)


def test_a_change_is_traced_to_the_stage_where_it_begins(pipeline: Layout) -> None:
    serve(pipeline, 400, now=False)
    serve(pipeline, 400, now=True, found=1.5, version="2", failing=8)
    view = look(pipeline)
    assert (view.begins, [one.part for one in view.stages], view.whole.part) == (
        "find",
        ["origin", "hands on"],
        "origin",
    )
    assert (
        view.verdict.startswith("The change begins at find: y higher: median")
        and "while what it is given is as before" in view.verdict
    )
    assert "Its versions went from 1 to 2." in view.verdict and "Callers get something else: z higher" in view.verdict
    assert view.stages[0].rows == (400, 400) and view.stages[1].failed[0] == 0.0 < view.stages[1].failed[1]
    metric, before, now = view.quality or ("", None, None)
    assert (
        metric == "quality.mae"
        and before is not None
        and now is not None
        and before < 0.5
        and now == pytest.approx(3.0, abs=0.1)
    )


def test_what_callers_send_is_told_from_what_a_stage_does(pipeline: Layout) -> None:
    serve(pipeline, 400, now=False)
    serve(pipeline, 400, now=True, send=1.5)
    view = look(pipeline)
    assert (view.begins, [one.part for one in view.stages]) == ("callers", ["hands on", "hands on"])
    assert view.verdict.startswith("What callers send has changed: x higher")


def test_nothing_moved_is_said(pipeline: Layout) -> None:
    serve(pipeline, 20_000, now=False, each=500)
    serve(pipeline, 20_000, now=True, each=500)
    view = look(pipeline)
    assert (view.begins, view.verdict) == ("", "No stage's outputs moved while its inputs stayed.")
    assert [one.part for one in view.stages] == ["steady", "steady"]


def test_too_few_rows_are_said_in_words(pipeline: Layout) -> None:
    serve(pipeline, 5, now=False)
    assert (
        "it can't be told of find: it answered nothing in the window, or in the one before." in look(pipeline).verdict
    )
    serve(pipeline, 5, now=True)
    view = look(pipeline)
    assert "find: 5 rows before and 5 now are too few to rule out a change of 5% in what it gives." in view.verdict
    assert not view.begins


def test_only_a_pipeline_has_stages(pipeline: Layout) -> None:
    with pytest.raises(NotFound, match=r"'talk.find' is no pipeline; `tidegate drift talk.find`"):
        explain(pipeline, "talk.find", app.pipeline_stages(pipeline, "talk.find"))
    with pytest.raises(InvalidRequest, match="ends before it begins"):
        explain(pipeline, "talk", ["find"], end=NOW, window=-1.0)


def test_the_command_and_the_call_say_the_same(
    pipeline: Layout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    serve(pipeline, 300, now=False)
    serve(pipeline, 300, now=True, found=1.5, version="2")
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(NOW + 1))
    (tmp_path / "tidegate.yaml").write_text(FILE)
    asked = ["pipeline", "explain", "talk", "--window", "1h", "--end", moment, "-C", str(tmp_path)]
    assert run(asked) == 0
    screen = capsys.readouterr().out
    (marked,) = [line for line in screen.splitlines() if "▶" in line]
    assert re.search(r"▶\s+find\s+as before\s+y higher", marked) and "1 → 2" in marked
    assert "quality.mae, by the labels that came: " in screen
    assert run([*asked, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    client = TestClient(build(pipeline, host="127.0.0.1"), base_url="http://localhost")
    answer = client.get("/api/endpoints/talk/pipeline", params={"window": HOUR, "end": int(NOW + 1)})
    assert answer.status_code == 200 and answer.json()["begins"] == said["begins"] == "find"
    assert client.get("/api/endpoints/talk.read/pipeline").status_code == 404
    assert run(["pipeline", "explain", "talk", "--window", "soon", "-C", str(tmp_path)]) == 2
