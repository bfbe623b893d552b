"""One endpoint through all degrees of automation: who answers, what people get, and what the caller gets of it. Real processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import grpc
import pytest
from tests.support.system import PROJECT, Response, System, wait_until

from tidegate.gateway.grpc.messages import ModelInferRequest, ModelInferResponse
from tidegate.storage.automation import AutomationStore, Move
from tidegate.storage.review import ReviewStore, Task
from tidegate.views.log import query

pytestmark = pytest.mark.xdist_group("automation")

MODEL = """
from typing import TypedDict
import numpy as np
from numpy.typing import NDArray

class Seen(TypedDict):
    label: NDArray[np.str_]
    confidence: NDArray[np.float64]

class Inspector:
    def predict(self, x: NDArray[np.float64]) -> Seen:
        return {"label": np.where(x > 0, "scratched", "clean").astype(object), "confidence": np.minimum(np.abs(x), 1.0)}
"""
ACT = {"confidence": ">= 0.8", "audit": 0}


def automated(level: str, **more: Any) -> dict[str, Any]:
    act, review = {**ACT, **more.pop("act", {})}, {"queue": f"people-{level}", **more.pop("review", {})}
    rule = {"level": level, "act": act, "review": review, **more}
    return {"model": "inspector", "split": {"1": 100}, "automation": rule}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    endpoints = {level: automated(level) for level in ("human", "shadow", "assist", "partial", "full")}
    endpoints["moved"] = automated("human", review={"queue": "moved"})
    endpoints["few"] = automated("assist", review={"queue": "few", "maxOpen": 2})
    endpoints["audited"] = automated("full", act={"audit": 1}, review={"queue": "audit"})
    models = {"inspector": {"versions": {"1": {"path": "inspector:Inspector"}}}}
    running = System(tmp_path_factory.mktemp("automation"), {**PROJECT, "models": models, "endpoints": endpoints})
    (running.folder / "inspector.py").write_text(MODEL)
    try:
        yield running.start()
    finally:
        running.stop()


def ask(system: System, endpoint: str, *x: float, path: str = "infer", **headers: str) -> Response:
    body = {"inputs": [{"name": "x", "shape": [len(x)], "datatype": "FP64", "data": list(x)}]}
    return system.post(
        f"/v2/models/{endpoint}/{path}", body, headers={name.replace("_", "-"): v for name, v in headers.items()}
    )


def tasks(system: System, queue: str, count: int) -> list[Task]:
    with closing(ReviewStore(system.layout)) as store:
        return wait_until(
            lambda: found if len(found := store.listed(queue)) >= count else None, 10, f"{count} tasks of {queue}"
        )


def decide(system: System, id: int, value: Any, rater: str = "ann") -> None:
    with closing(ReviewStore(system.layout)) as store:
        store.answer(id, rater, value)


def labels(answer: Response) -> Any:
    (output,) = (one for one in answer.json()["outputs"] if one["name"] == "label")
    return output["data"]


@pytest.mark.parametrize("level", ["human", "shadow", "assist"])
def test_people_decide_and_the_caller_asks_for_it(system: System, level: str) -> None:
    answer = ask(system, level, 0.9, -0.9)
    assert answer.status == 202, answer.body
    id = answer.json()["id"]
    assert answer.json() == {"id": id, "decision": "pending", "poll": f"/v2/decisions/{id}"}
    assert (answer.headers["location"], answer.headers["retry-after"]) == (f"/v2/decisions/{id}", "2")
    assert system.get(f"/v2/decisions/{id}").status == 202, "known, though it is a moment old"
    found = [one for one in tasks(system, f"people-{level}", 2) if one.prediction_id == id]
    assert [one.opinion for one in found] == ([None, None] if level == "human" else ["scratched", "clean"])
    for one in found:
        decide(system, one.id, "clean")
    done = system.get(f"/v2/decisions/{id}")
    assert (done.status, labels(done)) == (200, ["clean", "clean"])
    assert done.json()["parameters"] == {
        "prediction_id": id,
        "role": "human",
        "decision": "decided",
        "by": "person,person",
    }
    rows = wait_until(lambda: _logged(system, level, id), 10, "the log has it")
    role = "human" if level == "human" else "shadow"
    assert [row[:3] for row in rows] == [(role, 200, 0.9), (role, 200, -0.9)]
    if level != "human":
        assert [row[3] for row in rows] == ["scratched", "clean"], "its opinion is kept"


def _logged(system: System, endpoint: str, id: str) -> list[tuple[Any, ...]] | None:
    columns = "role, status, x" if endpoint == "human" else "role, status, x, output_label"
    frame = query(system.layout, f"SELECT {columns} FROM {endpoint} WHERE prediction_id = '{id}' ORDER BY row")
    return frame.rows() or None


def test_the_model_decides_where_it_is_sure(system: System) -> None:
    sure = ask(system, "partial", 0.9, -0.8)
    assert (sure.status, labels(sure)) == (200, ["scratched", "clean"])
    doubtful = ask(system, "partial", 0.9, 0.3, -0.95)
    assert doubtful.status == 202
    id = doubtful.json()["id"]
    (task,) = tasks(system, "people-partial", 1)
    assert (task.prediction_id, task.row, task.opinion, task.confidence) == (id, 1, "scratched", 0.3)
    decide(system, task.id, "clean")
    done = system.get(f"/v2/decisions/{id}")
    assert labels(done) == ["scratched", "clean", "clean"]
    assert done.json()["parameters"]["by"] == "model,person,model"


def test_at_full_the_model_decides_alone_and_an_audit_keeps_no_caller_waiting(system: System) -> None:
    assert ask(system, "full", 0.1).status == 200
    answer = ask(system, "audited", 0.1)
    assert (answer.status, labels(answer)) == (200, ["scratched"])
    (task,) = tasks(system, "audit", 1)
    assert (task.waits, task.audit, task.opinion) == (False, True, "scratched")
    assert system.get("/v2/decisions/no-such-1").status == 404


def test_a_caller_who_likes_to_wait_is_held(system: System) -> None:
    import threading

    answers: list[Response] = []
    caller = threading.Thread(target=lambda: answers.append(ask(system, "shadow", 0.4, prefer="wait=20")))
    with closing(ReviewStore(system.layout)) as store:
        before = len(store.listed("people-shadow"))
        caller.start()
        decide(system, tasks(system, "people-shadow", before + 1)[-1].id, "clean")
    caller.join(20)
    assert (answers[0].status, labels(answers[0])) == (200, ["clean"])
    assert ask(system, "shadow", 0.4, prefer="wait=1").status == 202, "its time was up"


def test_other_protocols(system: System) -> None:
    v1 = system.post("/v1/models/assist:predict", {"instances": [0.2]})
    assert (v1.status, v1.json()["decision"]) == (202, "pending")
    task = next(one for one in tasks(system, "people-assist", 1) if one.prediction_id == v1.json()["id"])
    assert (task.opinion, task.confidence) == ("scratched", pytest.approx(0.2))
    sure = system.post("/v1/models/partial:predict", {"instances": [0.9]})
    assert (sure.status, sure.json()) == (200, {"predictions": [{"label": "scratched", "confidence": 0.9}]})
    with grpc.insecure_channel(system.grpc) as channel:
        infer = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            ModelInferRequest.SerializeToString,
            ModelInferResponse.FromString,
        )
        request = ModelInferRequest(model_name="assist")
        tensor = request.inputs.add(name="x", datatype="FP64", shape=[1])
        tensor.contents.fp64_contents.append(0.3)
        with pytest.raises(grpc.RpcError) as late:
            infer(request, timeout=1.5)
        assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert "/v2/decisions/" in late.value.details()


def test_what_nobody_could_read_goes_to_nobody(system: System) -> None:
    bad = system.post(
        "/v2/models/human/infer", {"inputs": [{"name": "y", "shape": [1], "datatype": "FP64", "data": [1]}]}
    )
    assert bad.status == 400
    assert "'x'" in bad.json()["error"]
    assert ask(system, "human", 0.5, path="versions/1/infer").status == 200, "a version by name answers for itself"


def test_too_many_waiting_are_refused(system: System) -> None:
    for _ in range(2):
        assert ask(system, "few", 0.5).status == 202
    tasks(system, "few", 2)
    refused = wait_until(lambda: r if (r := ask(system, "few", 0.5)).status == 503 else None, 10, "a refusal")
    assert "maxOpen" in refused.json()["error"]
    assert int(refused.headers["retry-after"]) >= 1


def test_a_move_is_in_force_at_once(system: System) -> None:
    assert ask(system, "moved", 0.9).status == 202
    with closing(AutomationStore(system.layout)) as store:
        store.move("moved", "human", Move(time.time(), "ann", "human", "full"))
    wait_until(lambda: ask(system, "moved", 0.9).status == 200, 10, "the model to decide")
    with closing(AutomationStore(system.layout)) as store:
        store.move("moved", "human", Move(time.time(), "ann", "full", "assist", reason="too dark"))
        assert [(one.before, one.after) for one in store.degrees()["moved"].moves] == [
            ("human", "full"),
            ("full", "assist"),
        ]
    wait_until(lambda: ask(system, "moved", 0.9).status == 202, 10, "people to decide")
