"""Keys at every door: without one, with the wrong role, with the right one, and after it was revoked. And who may load and unload."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
from tests.support.system import WITH_CONTROL, System, wait_until
from tritonclient.utils import InferenceServerException

from tidegate import changes

pytestmark = pytest.mark.xdist_group("faults_keys")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    project = copy.deepcopy(WITH_CONTROL)
    project["server"].update({"keys": "required", "workers": 2})
    running = System(tmp_path_factory.mktemp("keys"), project)
    try:
        running.start()
        wait_until(lambda: listens(running))
        yield running
    finally:
        running.stop()


def listens(system: System) -> bool:
    """Whether the control API answers; it is the last to start."""
    with contextlib.suppress(OSError):
        return system.get(f"{system.control}/api/health").status == 200
    return False


@pytest.fixture
def key(system: System) -> Callable[[str], str]:
    """A new key of a role, once it is in force."""

    def make(role: str) -> str:
        secret, stored = changes.create_key(system.layout, role, f"test-{role}", actor="test")
        wait_until(lambda: stored.id.encode() in system.layout.routing.read_bytes())
        time.sleep(0.1)  # each worker looks every 20 ms
        make.ids[secret] = stored.id  # type: ignore[attr-defined]
        return secret

    make.ids = {}  # type: ignore[attr-defined]
    return make


def over_http(system: System, secret: str) -> int:
    return system.row([1, 2, 3], headers={"authorization": f"Bearer {secret}"} if secret else {}).status


def over_control(system: System, secret: str) -> int:
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    return system.get(f"{system.control}/api/status", headers=headers).status


def over_grpc(system: System, secret: str) -> int:
    client = grpcclient.InferenceServerClient(system.grpc)
    tensor = grpcclient.InferInput("x", [1, 3], "FP64")
    tensor.set_data_from_numpy(np.ones((1, 3)))
    try:
        client.infer("row", [tensor], headers={"authorization": f"Bearer {secret}"} if secret else {})
        return 200
    except InferenceServerException as exc:
        return {"StatusCode.UNAUTHENTICATED": 401, "StatusCode.PERMISSION_DENIED": 403}.get(exc.status(), 0)
    finally:
        client.close()


DOORS = [(over_http, "predict"), (over_grpc, "predict"), (over_control, "view")]


@pytest.mark.parametrize(("ask", "role"), DOORS)
def test_no_key_a_wrong_key_a_right_key_a_revoked_key(
    system: System, key: Any, ask: Callable[[System, str], int], role: str
) -> None:
    assert ask(system, "") == 401
    assert ask(system, "tg_000000000000_nonsense") == 401
    secret = key(role)
    wait_until(lambda: ask(system, secret) == 200, 5)
    assert ask(system, secret[:-1] + ("a" if secret[-1] != "a" else "b")) == 401
    changes.revoke_key(system.layout, key.ids[secret], actor="test")
    began = time.monotonic()
    wait_until(lambda: ask(system, secret) == 401, 10)
    took = time.monotonic() - began
    print(f"{ask.__name__}: refused {took:.2f} s after it was revoked")
    assert took < 4, "2 s are promised; this machine may be busy"


def test_a_role_that_is_not_enough_is_forbidden(system: System, key: Any) -> None:
    secret = key("predict")
    authorization = {"authorization": f"Bearer {secret}"}
    wait_until(lambda: over_http(system, secret) == 200, 5)
    answer = system.post("/v2/repository/models/row/unload", headers=authorization)
    assert answer.status == 403 and "operate" in answer.json()["error"]
    assert system.post("/v2/repository/index", headers=authorization).status == 403
    wait_until(lambda: over_control(system, secret) == 403, 5)
    client = grpcclient.InferenceServerClient(system.grpc)
    with pytest.raises(InferenceServerException) as caught:
        client.unload_model("row", headers=authorization)
    assert caught.value.status() == str(grpc.StatusCode.PERMISSION_DENIED)
    client.close()


def test_an_address_that_others_reach_asks_for_keys(make_system: Callable[..., System]) -> None:
    project = copy.deepcopy(WITH_CONTROL)
    project["server"]["host"] = "0.0.0.0"
    system = make_system(project)
    system.http = system.http.replace("0.0.0.0", "127.0.0.1")
    system.control = system.control.replace("0.0.0.0", "127.0.0.1")
    assert over_http(system, "") == 401

    wait_until(lambda: listens(system))
    assert over_control(system, "") == 401


def test_unload_and_load_over_http_and_by_tritonclient(system: System, key: Any) -> None:
    authorization = {"authorization": f"Bearer {key('operate')}"}
    wait_until(lambda: system.post("/v2/repository/index", headers=authorization).status == 200, 5)

    def words() -> int:
        body = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}]}
        return system.post("/v2/models/words/infer", body, headers=authorization).status

    assert words() == 200
    assert system.post("/v2/repository/models/words/unload", headers=authorization).status == 200
    wait_until(lambda: words() == 503)

    def states() -> dict[str, str]:
        return {e["name"]: e["state"] for e in system.post("/v2/repository/index", headers=authorization).json()}

    # Two workers share the port: the one that answers next may follow up to 100 ms after the one that refused.
    wait_until(lambda: states()["words"] == "UNAVAILABLE")
    assert states()["row"] == "READY"
    assert system.post("/v2/repository/models/words/load", headers=authorization).status == 200
    wait_until(lambda: words() == 200)
    assert system.post("/v2/repository/models/nope/load", headers=authorization).status == 404

    over_http = httpclient.InferenceServerClient(system.http.removeprefix("http://"))
    over_grpc = grpcclient.InferenceServerClient(system.grpc)
    for client in (over_http, over_grpc):
        client.unload_model("words", headers=authorization)
        wait_until(lambda client=client: not client.is_model_ready("words", headers=authorization))
        client.load_model("words", headers=authorization)
        wait_until(lambda client=client: client.is_model_ready("words", headers=authorization))
        client.close()
    wait_until(lambda: words() == 200)
