"""One endpoint through all degrees of automation: who answers, what people get, and what the caller gets of it. Real processes."""

from __future__ import annotations

import http.server
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import grpc
import numpy as np
import pytest
from tests.support.system import WITH_CONTROL, Response, System, wait_until

from tidegate.client import Client
from tidegate.errors import Conflict, DecisionPending
from tidegate.gateway.grpc.messages import ModelInferRequest, ModelInferResponse
from tidegate.rollout.commands import start
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
    receiver = Receiver()
    endpoints["told"] = automated(
        "assist", review={"queue": "told", "webhook": f"{receiver.url}?secret=s", "choices": ["clean", "scratched"]}
    )
    endpoints["late"] = automated("assist", review={"queue": "late", "timeout": "1s", "onTimeout": "model"})
    endpoints["audited"] = automated("full", act={"audit": 1}, review={"queue": "audit"})
    models = {"inspector": {"versions": {"1": {"path": "inspector:Inspector"}}}}
    running = System(tmp_path_factory.mktemp("automation"), {**WITH_CONTROL, "models": models, "endpoints": endpoints})
    (running.folder / "inspector.py").write_text(MODEL)
    running.receiver = receiver  # type: ignore[attr-defined]
    try:
        yield running.start()
    finally:
        running.stop()
        receiver.close()


class Receiver:
    """A caller's own server: it refuses the first delivery, as one that is just restarting does."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.refused = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if not outer.refused:
                    outer.refused += 1
                    self.send_response(503)
                else:
                    outer.got.append(({k.lower(): v for k, v in self.headers.items()}, json.loads(body)))
                    self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/decided"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


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
    answers: list[Response] = []
    caller = threading.Thread(target=lambda: answers.append(ask(system, "shadow", 0.4, prefer="wait=20")))
    with closing(ReviewStore(system.layout)) as store:
        before = len(store.listed("people-shadow"))
        caller.start()
        decide(system, tasks(system, "people-shadow", before + 1)[-1].id, "clean")
    caller.join(20)
    assert (answers[0].status, labels(answers[0])) == (200, ["clean"])
    assert ask(system, "shadow", 0.4, prefer="wait=1").status == 202, "its time was up"


def test_the_client_says_that_people_decide_and_waits_for_them(system: System) -> None:
    with Client(system.http) as client:
        with pytest.raises(DecisionPending) as pending:
            client.predict("assist", {"x": np.array([0.5])})
        id = pending.value.prediction_id
        with pytest.raises(DecisionPending):
            client.decision(id, timeout=0.5)
        (task,) = (one for one in tasks(system, "people-assist", 1) if one.prediction_id == id)
        decide(system, task.id, "clean")
        found = client.decision(id, timeout=10)
        assert (found.value("label"), found.role, found.version) == ("clean", "human", "human")
        assert client.predict("partial", {"x": np.array([0.95])}).value("label") == "scratched"


def test_no_rollout_where_people_decide_all(system: System) -> None:
    with pytest.raises(Conflict, match="people decide at assist"):
        start(system.layout, "assist", "1", actor="ann", dry_run=True)


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


def review(system: System, path: str, **body: Any) -> Any:
    answer = system.request("POST", f"{system.control}/api/review/{path}", body)
    assert answer.status == 200, answer.body
    return answer.json()


def test_an_answer_over_the_api_is_a_label_and_the_callers_server_is_told(system: System) -> None:
    id = ask(system, "told", 0.6).json()["id"]
    tasks(system, "told", 1)
    (bare,) = review(system, "told/claim", rater="ann", inputs=False)
    (item,) = review(system, "told/claim", rater="ann")
    assert bare == {"task": item["task"]}
    assert (item["inputs"], item["choices"]) == ({"x": 0.6}, ["clean", "scratched"])
    assert (item["opinion"], item["confidence"]) == ("scratched", 0.6), "at assist it is seen"
    assert "opinion" not in item["task"]
    assert review(system, "told/claim", rater="bob") == []
    number = item["task"]["id"]
    wrong = system.request(
        "POST", f"{system.control}/api/review/tasks/{number}/answer", {"rater": "ann", "value": "dirty"}
    )
    assert (wrong.status, "clean, scratched" in wrong.json()["error"]) == (400, True)
    assert review(system, f"tasks/{number}/answer", rater="ann", value="clean")["state"] == "decided"
    stolen = system.request(
        "POST", f"{system.control}/api/review/tasks/{number}/answer", {"rater": "bob", "value": "scratched"}
    )
    assert stolen.status == 409
    frame = wait_until(lambda: f if (f := _labels(system, "told", id)) else None, 15, "the label")
    assert frame == [("clean", "ann")]
    receiver = system.receiver  # type: ignore[attr-defined]
    headers, told = wait_until(lambda: receiver.got[0] if receiver.got else None, 15, "the webhook")
    assert receiver.refused == 1, "it was tried again"
    assert (told["kind"], told["prediction_id"], told["values"], told["by"]) == ("decision", id, ["clean"], ["person"])
    assert headers["tidegate-signature"].startswith("t=")
    assert labels(system.get(f"/v2/decisions/{id}")) == ["clean"]
    queues = system.request("GET", f"{system.control}/api/review").json()
    assert next(one for one in queues if one["depth"]["queue"] == "told")["raters"][0]["name"] == "ann"


def _labels(system: System, endpoint: str, id: str) -> list[tuple[Any, ...]]:
    return query(
        system.layout, f"SELECT value_text, actor FROM {endpoint}_feedback WHERE prediction_id = '{id}'"
    ).rows()


def test_what_is_late_is_decided_as_the_project_says(system: System) -> None:
    id = ask(system, "late", -0.6).json()["id"]
    done = wait_until(lambda: r if (r := system.get(f"/v2/decisions/{id}")).status == 200 else None, 15, "a decision")
    assert (labels(done), done.json()["parameters"]["by"]) == (["clean"], "model")


def test_degrees_over_the_api(system: System) -> None:
    base = f"{system.control}/api/endpoints/shadow/automation"
    found = system.request("GET", base).json()
    assert (found["level"], found["queue"]) == ("shadow", "people-shadow")
    refused = system.request("POST", base, {"level": "assist"})
    assert (refused.status, "of 50 decisions" in refused.json()["error"]) == (409, True)
    assert system.request("GET", f"{system.control}/api/endpoints/nobody/automation").status == 404


def test_a_kill_between_request_and_decision_loses_nothing(system: System) -> None:
    ids = [ask(system, "assist", 0.1 * n).json()["id"] for n in range(1, 6)]
    for kind in ("ingest", "monitor", "gateway"):
        os.kill(system.pid(kind), signal.SIGKILL)
    found = tasks(system, "people-assist", 5)
    mine = [one for one in found if one.prediction_id in ids]
    assert len({one.prediction_id for one in mine}) == len(mine) == 5, "each once"
    for one in mine:
        decide(system, one.id, "clean")
    for id in ids:
        done = wait_until(lambda id=id: _decided(system, id), 20, "the decision")
        assert labels(done) == ["clean"]
    wait_until(lambda: all(len(_labels(system, "assist", id)) == 1 for id in ids), 20, "five labels, each once")


def _decided(system: System, id: str) -> Response | None:
    try:
        answer = system.get(f"/v2/decisions/{id}")
    except OSError:  # the gateway is on its way back
        return None
    return answer if answer.status == 200 else None
