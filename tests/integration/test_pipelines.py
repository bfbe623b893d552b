"""Several models behind one name: fan-out, merge, conditional stages, failures, deadlines, and what the log says of it. Real processes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.system import PROJECT, Response, System, wait_until

from tidegate.cli import run
from tidegate.storage.layout import Layout
from tidegate.storage.rollouts import RolloutStore
from tidegate.types.rollouts import RolloutState
from tidegate.views.log import query
from tidegate.views.predictions import open_one

pytestmark = pytest.mark.xdist_group("pipelines")

MODELS = '''
import os, signal, time
from typing import Annotated, TypedDict
import numpy as np
from numpy.typing import NDArray

class Parts(TypedDict):
    word: Annotated[NDArray[np.str_], (-1,)]
    at: Annotated[NDArray[np.int64], (-1,)]

class Split:
    """One text in, a word each out: 0 to n. The first ones may be dropped."""
    def __init__(self, drop: int = 0) -> None:
        self.drop = drop

    def predict(self, text: Annotated[NDArray[np.str_], (1,)]) -> Parts:
        words = str(text[0]).split()[self.drop:]
        return {"word": np.array(words, object), "at": np.arange(len(words))}

class Sized(TypedDict):
    upper: NDArray[np.str_]
    size: NDArray[np.float64]

class Size:
    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def predict(self, word: NDArray[np.str_]) -> Sized:
        words = [str(one) for one in word.tolist()]
        if "boom" in words: raise ValueError("no boom here")
        if "slow" in words: time.sleep(0.8)
        if "die" in words: os.kill(os.getpid(), signal.SIGKILL)
        sizes = self.factor * np.array([len(one) for one in words], float)
        return {"upper": np.array([one.upper() for one in words], object), "size": sizes}

class Small(TypedDict):
    score: NDArray[np.float64]
    label: NDArray[np.int64]

class First:
    def predict(self, x: NDArray[np.float64]) -> Small:
        return {"score": np.abs(x), "label": (x > 0).astype(np.int64)}

class Second(TypedDict):
    label: NDArray[np.int64]

class Large:
    """For what the first isn't sure of. It says how many rows it was asked for."""
    def predict(self, x: NDArray[np.float64]) -> Second:
        return {"label": np.full(len(x), 100 + len(x))}
'''
SHOUT = [
    {"stage": "split", "model": "split", "split": {"1": 100}},
    {"stage": "size", "model": "size", "split": {"1": 100}, "timeout": "5s"},
    {"stage": "whole", "merge": {
        "text": "join(size.upper)", "words": "list(split.word)", "longest": "max(size.size)", "count": "count(split.at)",
    }},
]  # fmt: skip
CASCADE = [
    {"stage": "first", "model": "first"},
    {"stage": "large", "model": "large", "when": "first.score < 0.5"},
    {"stage": "answer", "merge": {"label": "coalesce(large.label, first.label)", "score": "coalesce(first.score, first.score)"}},
]  # fmt: skip

FINAL = {"final": {"metrics": [{"name": "words", "measure": "final.quality.accuracy", "maturation": "1s"}]}}
JUDGED = {"canary": {"templates": ["final"], "steps": [{"setWeight": 50}, {"pause": {}}]}}


def project(**endpoints: Any) -> dict[str, Any]:
    def one(name: str) -> dict[str, Any]:
        return {"versions": {"1": {"path": f"stages:{name}"}}}

    size = {"1": {"path": "stages:Size"}, "2": {"path": "stages:Size", "options": {"args": {"factor": 10}}}}
    split = {"1": {"path": "stages:Split"}, "2": {"path": "stages:Split", "options": {"args": {"drop": 1}}}}
    models = {"split": {"versions": split}, "size": {"versions": size}, "first": one("First"), "large": one("Large")}
    return {**PROJECT, "models": models, "endpoints": endpoints, "analysis": {"templates": FINAL}}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    lines = [{"stage": "size", "model": "size", "split": {"1": 100}, "inputs": {"word": "line"}}]
    lines += [{"stage": "split", "model": "split", "split": {"1": 100}, "inputs": {"text": "size.upper"}}]
    lines += [{"stage": "whole", "merge": {"words": "list(split.word)", "first": "first(split.at)"}}]
    tolerant = [
        {**SHOUT[0]},
        {**SHOUT[1], "onFailure": "skip"},
        {"stage": "whole", "merge": {"text": "join(size.upper)", "n": "count(split.at)"}},
    ]
    running = System(
        tmp_path_factory.mktemp("pipelines"),
        project(
            shout={"pipeline": SHOUT, "timeout": "5s", "subject": "header:x-user-id"},
            cascade={"pipeline": CASCADE, "fields": {"x": "drop"}},
            lines={"pipeline": lines},
            tolerant={"pipeline": tolerant},
            heard={
                "pipeline": [{**SHOUT[0], "strategy": JUDGED}, *SHOUT[1:]],
                "monitoring": {"labels": {"task": "text", "answer": "output_text"}},
            },
        ),
    )
    (running.folder / "stages.py").write_text(MODELS)
    try:
        yield running.start()
    finally:
        running.stop()


def ask(system: System, endpoint: str, inputs: dict[str, Any], **headers: str) -> Response:
    tensors = []
    for name, value in inputs.items():
        array = np.array(value)
        kind = "FP64" if array.dtype.kind == "f" else "BYTES"
        tensors.append({"name": name, "shape": list(array.shape), "datatype": kind, "data": array.ravel().tolist()})
    body = json.dumps({"inputs": tensors}).encode()
    return system.post(f"/v2/models/{endpoint}/infer", body, headers=headers)


def stages_of(system: System, answer: Response) -> list[dict[str, Any]]:
    """What the journal says of the stages of this request."""
    id = answer.headers["tidegate-prediction-id"]
    (record,) = [one for one in system.journal() if one["id"] == id]
    return list(record["stages"])


def typed(system: System, *words: str) -> None:
    """A command, as a person gives it."""
    assert run([*words, "-C", str(system.file)]) == 0


def outputs(answer: Response) -> dict[str, list[Any]]:
    assert answer.status == 200, answer.body
    return {each["name"]: each["data"] for each in answer.json()["outputs"]}


def test_one_item_becomes_many_and_one_again(system: System) -> None:
    answer = ask(system, "shout", {"text": ["the tide turns"]})
    assert outputs(answer) == {
        "text": ["THE TIDE TURNS"],
        "words": ['["the","tide","turns"]'],
        "longest": [5.0],
        "count": [3],
    }
    assert answer.json()["model_version"] == answer.headers["tidegate-model-version"] == "split:1+size:1"
    nothing = ask(system, "shout", {"text": [""]})
    assert outputs(nothing) == {"text": [""], "words": ["[]"], "longest": [None], "count": [0]}
    assert nothing.json()["model_version"] == "split:1+size:1"
    assert [part["stage"] for part in stages_of(system, nothing)] == ["split"], (
        "no item, so the second model wasn't asked"
    )


def test_only_rows_that_need_it_go_through_a_conditional_stage(system: System) -> None:
    answer = outputs(ask(system, "cascade", {"x": [0.9, -0.1, 0.2, -0.8]}))
    assert answer["label"] == [1, 102, 102, 0] and answer["score"] == [0.9, 0.1, 0.2, 0.8]
    assert outputs(ask(system, "cascade", {"x": [0.9]}))["label"] == [1]
    assert outputs(ask(system, "cascade", {"x": [0.1]}))["label"] == [101]


def test_each_row_of_a_request_fans_out_for_itself(system: System) -> None:
    answer = outputs(ask(system, "lines", {"line": ["a b", "", "c"]}))
    assert answer["words"] == ['["A","B"]', "[]", '["C"]'] and answer["first"] == [0.0, None, 0.0]


def test_it_is_described_as_any_endpoint_is(system: System) -> None:
    shown = system.get("/v2/models/cascade").json()
    assert shown["inputs"] == [{"name": "x", "datatype": "FP64", "shape": [-1]}]
    assert [(each["name"], each["datatype"]) for each in shown["outputs"]] == [("label", "INT64"), ("score", "FP64")]
    assert shown["platform"] == "pipeline"
    assert system.get("/v2/models/shout/ready").status == 200
    assert system.get("/v2/models/shout.size").json()["inputs"][0]["name"] == "word"


def test_every_protocol_reaches_it(system: System) -> None:
    instances = system.post("/v1/models/cascade:predict", {"instances": [0.9, 0.1]})
    assert instances.json()["predictions"][0]["label"] == 1
    raw = np.array([0.9, -0.1]).tobytes()
    head = json.dumps({
        "inputs": [{"name": "x", "shape": [2], "datatype": "FP64", "parameters": {"binary_data_size": len(raw)}}],
        "parameters": {"binary_data_output": True},
    }).encode()  # fmt: skip
    sizes = {"inference-header-content-length": str(len(head))}
    answer = system.post("/v2/models/cascade/infer", head + raw, headers=sizes)
    size = int(answer.headers["inference-header-content-length"])
    assert np.frombuffer(answer.body[size:], np.int64, 2).tolist() == [1, 101]
    import tritonclient.grpc as triton

    with triton.InferenceServerClient(system.grpc) as client:
        x = triton.InferInput("x", [2], "FP64")
        x.set_data_from_numpy(np.array([0.9, 0.1]))
        assert client.infer("cascade", [x]).as_numpy("label").tolist() == [1, 101]


def test_bad_input_is_the_callers_and_names_the_field(system: System) -> None:
    for endpoint, inputs, said in (
        ("cascade", {"y": [1.0]}, "missing input 'x'"), ("shout", {"text": ["a", "b"]}, "text"), ("cascade", {"x": ["a"]}, "x"),
    ):  # fmt: skip
        answer = ask(system, endpoint, inputs)
        assert answer.status == 400 and said in answer.json()["error"], answer.body
    assert system.post("/v2/models/cascade/infer", b"{").status == 400
    wrong = system.post("/v2/models/cascade/versions/7/infer", b"{}")
    assert wrong.status == 404 and "first:VERSION+large:VERSION" in wrong.json()["error"]


def test_a_stage_that_fails_is_named_and_one_may_be_left_out(system: System) -> None:
    answer = ask(system, "shout", {"text": ["a boom"]})
    assert (
        answer.status == 500 and "stage 'size'" in answer.json()["error"] and "no boom here" in answer.json()["error"]
    )
    assert outputs(ask(system, "tolerant", {"text": ["a boom"]})) == {"text": [""], "n": [2]}
    late = ask(system, "shout", {"text": ["slow"]}, **{"x-request-timeout-ms": "300"})
    assert late.status == 504 and "stage 'size'" in late.json()["error"]


def test_a_model_that_dies_takes_no_request_of_others_with_it(system: System) -> None:
    before = system.pid("runner", "size", "1")
    assert ask(system, "shout", {"text": ["die"]}).status == 503
    assert outputs(ask(system, "cascade", {"x": [0.9]}))["label"] == [1]
    wait_until(lambda: ask(system, "shout", {"text": ["alive"]}).status == 200)
    assert before != system.pid("runner", "size", "1")


def test_the_log_has_the_whole_and_its_parts(system: System) -> None:
    trace = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    answer = ask(system, "shout", {"text": ["two words"]}, traceparent=trace, **{"x-user-id": "u-17"})
    id = answer.headers["tidegate-prediction-id"]
    layout = Layout(system.layout.root)
    (whole,) = query(layout, f"select * from shout where prediction_id = '{id}'").to_dicts()
    assert (whole["version"], whole["role"], whole["status"], whole["text_1"] if "text_1" in whole else whole["output_text"]) == (
        "split:1+size:1", "stable", 200, "TWO WORDS",
    )  # fmt: skip
    parts = query(layout, f"select * from \"shout.size\" where part_of = '{id}' order by row").to_dicts()
    assert [(each["word"], each["upper"], each["trace"], each["subject"]) for each in parts] == [
        ("two", "TWO", trace, "u-17"), ("words", "WORDS", trace, "u-17"),
    ]  # fmt: skip
    found = open_one(layout, "shout", id)
    assert [(each.stage, each.version, each.status) for each in found.stages] == [
        ("split", "1", 200),
        ("size", "1", 200),
    ]
    assert found.stages[1].id == parts[0]["prediction_id"] and found.spent["model"] <= found.rows[0].latency_ms
    assert open_one(layout, "shout.size", parts[0]["prediction_id"]).record["part_of"] == id


def test_what_may_not_be_kept_is_in_no_record_of_any_stage(system: System) -> None:
    answer = ask(system, "cascade", {"x": [0.123456789]})
    id = answer.headers["tidegate-prediction-id"]
    records = [one for one in system.journal() if id in (one["id"], one.get("part_of"))]
    assert [one["endpoint"] for one in records] == ["cascade.first", "cascade.large", "cascade"], (
        "the whole is behind its stages"
    )
    assert all(one["redacted"] and one["request"]["inputs"] == [] for one in records)


@pytest.fixture(scope="module")
def heard(system: System) -> list[str]:
    """Twenty labelled requests of `heard`: their prediction ids."""
    ids = []
    for number in range(20):
        answer = ask(system, "heard", {"text": [f"lighthouse is on {number}"]})
        ids.append(answer.headers["tidegate-prediction-id"])
        label = {"prediction_id": ids[-1], "kind": "label", "value": f"LIGHTHOUSE IS ON {number}"}
        assert system.post("/v2/models/heard/feedback", label).status == 200
    return ids


def told(system: System, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """What a command says, as JSON."""
    capsys.readouterr()
    assert run([*words, "--json", "-C", str(system.file)]) == 0, capsys.readouterr().err
    return dict(json.loads(capsys.readouterr().out))


ATTRIBUTE = ("pipeline", "attribute", "heard", "--from", "split:1,size:1", "--to", "split:2,size:2")


def test_a_change_of_the_final_metric_is_shared_out_by_replay(
    system: System, heard: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(system, capsys, *ATTRIBUTE)
    assert (found["metric"], found["requests"], found["left_out"]) == ("quality.wer", 20, 0)
    assert [(one["stage"], one["share"]["value"]) for one in found["shares"]] == [("split", 0.25), ("size", 0.0)]
    assert found["shares"][0]["share"]["low"] > 0 == found["shares"][1]["share"]["high"]
    assert found["verdict"] == "quality.wer goes from 0 to 0.25: 100% of it by split 1 → 2."
    copies = [one for one in system.journal() if one.get("mirror_of") in heard]
    assert {one["role"] for one in copies} == {"shadow"} and len(
        [one for one in copies if one["endpoint"] == "heard"]
    ) == 80
    assert run([*ATTRIBUTE, "--limit", "5", "-C", str(system.file)]) == 0
    assert "split:2+size:1" in capsys.readouterr().out


def test_an_output_is_followed_where_labels_are_missing(
    system: System, heard: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(system, capsys, *ATTRIBUTE, "--output", "longest", "--limit", "10")
    assert [one["value"] for one in found["mixes"]] == [10.0, 2.0, 100.0, 20.0]
    assert [one["share"]["value"] for one in found["shares"]] == [-44.0, 54.0] and found["change"]["value"] == 10.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("heard", "--from", "split:1", "--to", "size:2"), "must name the same stages"),
        (("heard", "--from", "split:1", "--to", "split:7"), "no version '7'"),
        (("heard", "--from", "whole:1", "--to", "whole:2"), "has no stage 'whole'. Its stages: split, size"),
        (("heard", "--from", "split:1", "--to", "split:1"), "the same versions"),
        (("heard", "--from", "split:1", "--to", "split:2", "--output", "txet"), "no output 'txet'"),
        (("heard.split", "--from", "split:1", "--to", "split:2"), "is no pipeline"),
        (("shout", "--from", "split:1", "--to", "split:2"), "no request of shout in that time has a label"),
    ],
)
def test_what_cannot_be_attributed_is_said(
    system: System, heard: list[str], capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert run(["pipeline", "attribute", *words, "-C", str(system.file)]) == 1
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_new_version_of_one_stage_takes_over_by_a_rollout_of_its_own(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    strategy = {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}}
    changed = json.loads(json.dumps(system.project))
    changed["endpoints"]["shout"]["pipeline"][1]["strategy"] = strategy
    system.write(changed)
    typed(system, "apply")
    typed(system, "rollout", "start", "shout.size", "--to", "2", "--yes")
    assert run(["rollout", "start", "shout", "--to", "2", "--yes", "-C", str(system.file)]) == 1
    assert "shout.size" in capsys.readouterr().err
    roles: dict[str, str] = {}

    def both() -> bool:
        answer = ask(system, "shout", {"text": ["tide"]})
        roles[answer.headers["tidegate-model-version"]] = answer.headers["tidegate-role"]
        assert outputs(answer)["longest"] == ([40.0] if answer.headers["tidegate-role"] == "canary" else [4.0])
        return len(roles) == 2

    wait_until(both, 20)
    assert roles == {"split:1+size:1": "stable", "split:1+size:2": "canary"}
    x = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["x"]}
    forced = system.post("/v2/models/shout/versions/size:2/infer", {"inputs": [x]})
    assert forced.headers["tidegate-model-version"] == "split:1+size:2"
    typed(system, "rollout", "promote", "shout.size", "--full", "--yes")
    wait_until(lambda: ask(system, "shout", {"text": ["x"]}).headers["tidegate-model-version"] == "split:1+size:2", 20)


@pytest.mark.slow
def test_a_stage_whose_new_version_harms_the_final_answer_is_rolled_back(system: System) -> None:
    typed(system, "rollout", "start", "heard.split", "--to", "2", "--yes")

    def found() -> RolloutState:
        with closing(RolloutStore(system.layout)) as store:
            state = store.current("heard.split")
            assert state is not None
            return state

    def judged() -> bool:
        for _ in range(10):
            answer = ask(system, "heard", {"text": ["the tide turns"]})
            label = {
                "prediction_id": answer.headers["tidegate-prediction-id"],
                "kind": "label",
                "value": "THE TIDE TURNS",
            }
            assert system.post("/v2/models/heard/feedback", label).status == 200
        return not found().active

    wait_until(judged, 60)
    assert (found().reason, found().phase) == ("alarm", "Degraded") and found().message.startswith("words: ")


def test_what_waits_for_a_stage_is_lost_by_nobody_when_its_runner_is_killed(system: System) -> None:
    os.kill(system.pid("runner", "split"), signal.SIGKILL)
    answer = ask(system, "shout", {"text": ["still here"]})
    assert answer.status in (200, 503)
    wait_until(lambda: ask(system, "shout", {"text": ["back"]}).status == 200, 20)


def test_a_perfect_stage_bounds_what_it_could_gain(
    system: System, heard: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The "truth" here says less than the stage does, so that something must change: two of four words."""
    lines = ["prediction_id,word,at"]
    lines += [f"{id},{word},{at}" for id in heard for at, word in enumerate(("lighthouse", "is"))]
    truth = tmp_path / "truth.csv"
    truth.write_text("\n".join(lines) + "\n")
    found = told(system, capsys, "pipeline", "oracle", "heard", "--stage", "split", "--truth", str(truth))
    assert (found["metric"], found["requests"], found["left_out"]) == ("quality.wer", 20, 0)
    assert (found["now"], found["perfect"]) == (0.0, 0.5)
    assert run(["pipeline", "oracle", "heard", "--stage", "split", "--truth", str(truth), "-C", str(system.file)]) == 0
    truth.write_text("id,word\nx,y\n")
    assert run(["pipeline", "oracle", "heard", "--stage", "split", "--truth", str(truth), "-C", str(system.file)]) == 1
    assert "no column prediction_id" in " ".join(capsys.readouterr().err.split())
