"""What callers meet while a rollout is under way: their own arm, a tester's choice, a preview, copies that harm nobody, and a
stable version that answers for a canary. Real gateways and runners; the routing table is written by the test, the controller is paused.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.support.load import Load
from tests.support.system import PROJECT, System, wait_until

from tidegate.routing.assign import point
from tidegate.storage.layout import write_atomic
from tidegate.types.traffic import Arm, EndpointRoute, Mirror, RoutingTable

pytestmark = pytest.mark.xdist_group("gateway_arms")

FRAGILE = """
import os, signal, time
from test_models import Row

class Fragile(Row):
    def predict(self, inputs: dict):
        first = set(inputs["x"][:, 0].tolist())
        if 7001 in first: raise ValueError("the canary does not like 7001")
        if 7002 in first: time.sleep(4)
        if 7003 in first: os.kill(os.getpid(), signal.SIGSEGV)
        return super().predict(inputs)
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    row = {
        "versions": {
            "1": {"path": "test_models:Row"},
            "2": {"path": "test_models:Doubled"},
            "3": {"path": "fragile:Fragile"},
        }
    }
    project = {
        **PROJECT,
        "server": {**PROJECT["server"], "workers": 2},
        "models": {"row": row},
        "endpoints": {"row": {"model": "row", "split": {"1": 100}, "timeout": "2s"}},
    }
    running = System(tmp_path_factory.mktemp("arms"), project)
    (running.folder / "fragile.py").write_text(FRAGILE)
    try:
        running.start()
        os.kill(running.pid("controller"), signal.SIGSTOP)  # or it would at once put its own table back
        yield running
    finally:
        os.kill(running.pid("controller"), signal.SIGCONT)
        running.stop()


@pytest.fixture(autouse=True)
def all_there(system: System) -> None:
    """A test may have killed a version."""
    route(system)
    wait_until(lambda: all(system.post(f"/v2/models/row/versions/{v}/infer", body(1.0)).status == 200 for v in "123"))


def body(*values: float) -> dict[str, Any]:
    data = [*values, 0.0, 0.0, 0.0][:3]
    return {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": data}]}


def arms(canary: float = 50.0) -> list[Arm]:
    return [Arm("2", canary, "canary"), Arm("1", 100.0 - canary, "stable")]


def route(system: System, **fields: Any) -> None:
    """Replace the endpoint's route, and wait until every worker has it."""
    table = msgspec.json.decode(system.layout.routing.read_bytes(), type=RoutingTable)
    plain = EndpointRoute("row", "row", [Arm("1", 100.0)], timeout=2.0)
    endpoint = msgspec.structs.replace(plain, **fields)
    revision = table.revision + 1
    changed = msgspec.structs.replace(table, revision=revision, endpoints=[endpoint])
    write_atomic(system.layout.routing, msgspec.json.encode(changed))

    def taken() -> bool:
        counters = [json.loads(path.read_text()) for path in system.layout.run.glob("counters-*.json")]
        return len(counters) == 2 and all(one["revision"] == revision for one in counters)

    wait_until(taken)


def ask(system: System, *values: float, **headers: str) -> Any:
    return system.post(
        "/v2/models/row/infer", body(*values), headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def records(system: System, **fields: Any) -> list[dict[str, Any]]:
    return [r for r in system.journal("row") if all(r.get(key) == value for key, value in fields.items())]


def test_a_user_keeps_their_version_on_every_worker_while_the_canary_grows(system: System) -> None:
    met: dict[str, set[str]] = {}
    for weight in (10.0, 50.0):
        route(system, arms=arms(weight), unit="header:x-user-id", salt="r7", assignment=f"7.1@{weight:g}")
        for turn in range(3):
            for number in range(40):
                user = f"u{number}"
                answer = ask(system, 1.0, x_user_id=user)
                version = answer.headers["tidegate-model-version"]
                assert version == ("2" if point(user, "r7") < weight else "1"), (user, turn)
                met.setdefault(user, set()).add(version)
    assert any(versions == {"1", "2"} for versions in met.values()), "some moved when it grew"
    assert {r["unit"] for r in records(system, assignment="7.1@50")} == {f"u{n}" for n in range(40)}


def test_a_unit_named_by_an_input(system: System) -> None:
    route(system, arms=arms(), unit="input:x", salt="r8", assignment="8.1@50")
    for number in range(30):
        value = float(number)
        for _ in range(2):
            version = ask(system, value).headers["tidegate-model-version"]
            assert version == ("2" if point(str(value), "r8") < 50 else "1")


def test_weights_hold_for_requests(system: System) -> None:
    route(
        system,
        arms=[Arm("2", 20.0, "canary"), Arm("1", 60.0, "stable"), Arm("1", 20.0, "baseline")],
        assignment="9.1@20",
    )
    with Load(system.http, callers=4, pause=0.0) as load:
        wait_until(lambda: len(load.answers) > 2000)
    roles = Counter(r["role"] for r in records(system, assignment="9.1@20"))
    total = sum(roles.values())
    for role, share in (("canary", 0.2), ("stable", 0.6), ("baseline", 0.2)):
        assert abs(roles[role] - share * total) < 5 * (total * share * (1 - share)) ** 0.5, roles


def test_testers_name_a_version_and_count_nowhere(system: System) -> None:
    route(system, arms=arms(5.0), assignment="10.1@5", preview="2")
    assert ask(system, 1.0, tidegate_version="2").json()["outputs"][0]["data"] == [2.0]
    assert system.post("/v2/models/row@preview/infer", body(1.0)).json()["outputs"][0]["data"] == [2.0]
    assert system.post("/v1/models/row@preview:predict", {"instances": [[1.0, 0.0, 0.0]]}).json()["predictions"] == [
        2.0
    ]
    assert system.get("/v2/models/row@preview/ready").status == 200
    unknown = ask(system, 1.0, tidegate_version="9")
    assert unknown.status == 404 and "it has: 1, 2" in unknown.json()["error"]
    forced = [r for r in records(system, forced=True) if r["version"] == "2"]
    assert len(forced) >= 3 and not any(r.get("assignment") for r in forced)
    route(system)
    gone = system.post("/v2/models/row@preview/infer", body(1.0))
    assert gone.status == 404 and "no preview" in gone.json()["error"]


def test_copies_reach_the_shadow_and_no_caller(system: System) -> None:
    route(system, mirror=Mirror("2", 100.0), assignment="11.1@0")
    ids = [ask(system, float(n)).headers["tidegate-prediction-id"] for n in range(20)]
    copies = wait_until(lambda: len(found := records(system, role="shadow", assignment="11.1@0")) == 20 and found)
    assert {r["mirror_of"] for r in copies} == set(ids) and {r["version"] for r in copies} == {"2"}
    for copy in copies:
        assert int(copy["id"].rpartition("-")[2], 16) == int(copy["mirror_of"].rpartition("-")[2], 16) + 1


def test_a_shadow_that_hangs_or_dies_harms_nobody_and_too_many_are_dropped(system: System) -> None:
    route(system, mirror=Mirror("2", 100.0, max_in_flight=2), assignment="12.1@0")
    os.kill(pid := system.pid("runner", "row", "2"), signal.SIGSTOP)
    began = time.monotonic()
    assert all(ask(system, 1.0).status == 200 for _ in range(30))
    assert time.monotonic() - began < 2.0, "nobody waited for the shadow's deadline"

    def dropped() -> int:
        counters = [json.loads(path.read_text()) for path in system.layout.run.glob("counters-*.json")]
        return sum(one["dropped"].get("row", 0) for one in counters)

    wait_until(lambda: dropped() >= 26)
    os.kill(pid, signal.SIGKILL)
    assert all(ask(system, 1.0).status == 200 for _ in range(30))


@pytest.mark.parametrize(("value", "status"), [(7001.0, 500), (7002.0, 504), (7003.0, 503)])
def test_the_stable_version_answers_for_a_canary(system: System, value: float, status: int) -> None:
    """An error, a hang, a crash of the canary: callers get the stable version's answer, and both are on record."""
    tag = f"13.1@{value:g}"
    # nearly all units go to the canary; the stable arm must be there to fall back on
    route(system, arms=[Arm("3", 99.999, "canary"), Arm("1", 0.001, "stable")], assignment=tag, fallback=True)
    answer = ask(system, value)
    assert (answer.status, answer.headers["tidegate-role"], answer.headers["tidegate-fallback"]) == (200, "stable", "3")
    assert answer.json()["outputs"][0]["data"] == [value]
    (attempt,) = records(system, assignment=tag, role="canary")
    (given,) = records(system, assignment=tag, role="stable")
    assert attempt["status"] == status and attempt["version"] == "3"
    assert given["fallback_of"] == attempt["id"] and given["id"] == answer.headers["tidegate-prediction-id"]


def test_a_canary_that_is_not_there_is_answered_for_and_recorded(system: System) -> None:
    os.kill(system.pid("runner", "row", "3"), signal.SIGKILL)
    route(system, arms=[Arm("3", 99.999, "canary"), Arm("1", 0.001, "stable")], assignment="14.1@1", fallback=True)
    assert ask(system, 1.0).status == 200
    assert records(system, assignment="14.1@1")


def test_what_a_caller_got_wrong_is_theirs(system: System) -> None:
    route(system, arms=[Arm("3", 99.999, "canary"), Arm("1", 0.001, "stable")], assignment="15.1@1", fallback=True)
    wrong = system.post(
        "/v2/models/row/infer", {"inputs": [{"name": "no", "shape": [1], "datatype": "FP64", "data": [1.0]}]}
    )
    assert wrong.status == 400 and "tidegate-fallback" not in wrong.headers
    assert not records(system, fallback_of=wrong.headers["tidegate-prediction-id"])


def marks_of(system: System) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in system.layout.run.glob("mark-*.json")]


def test_no_record_below_a_mark_comes_after_it(system: System) -> None:
    """With calls that take 0.3 s among quick ones, read as the controller does: first the mark, then the journal."""
    route(system, arms=arms(), assignment="16.1@50")
    slow = Load(system.http, callers=2, pause=0.0, body=json.dumps(body(6667.0)).encode())
    with Load(system.http, callers=4, pause=0.001), slow:
        seen: dict[str, tuple[int, set[int]]] = {}
        end = time.monotonic() + 3.0
        while time.monotonic() < end:
            marks = marks_of(system)
            numbers: dict[str, set[int]] = {}
            for record in system.journal("row"):
                prefix, _, number = record["id"].rpartition("-")
                numbers.setdefault(prefix, set()).add(int(number, 16))
            for mark in marks:
                below = {n for n in numbers.get(mark["prefix"], set()) if n < mark["complete"]["row"]}
                before, known = seen.get(mark["prefix"], (0, set()))
                late = {n for n in below if n < before} - known
                assert not late, f"{late} came after the mark {before}"
                seen[mark["prefix"]] = (mark["complete"]["row"], below)
            time.sleep(0.05)
        assert len(seen) == 2 and all(limit > 5 for limit, _ in seen.values()), seen

    def complete() -> bool:
        last = {mark["prefix"]: mark["complete"]["row"] for mark in marks_of(system)}
        highest: dict[str, int] = {}
        for record in system.journal("row"):
            prefix, _, number = record["id"].rpartition("-")
            highest[prefix] = max(int(number, 16), highest.get(prefix, 0))
        return all(last[prefix] > number for prefix, number in highest.items())

    wait_until(complete, what="once all is quiet nothing is left below the marks")


def test_a_change_of_weights_fails_no_request(system: System) -> None:
    with Load(system.http, callers=6, pause=0.0) as load:
        for weight in (0.0, 5.0, 50.0, 100.0, 5.0, 0.0):
            chosen = arms(weight) if weight < 100 else [Arm("2", 100.0, "canary")]
            route(system, arms=chosen, assignment=f"17.{weight:g}@{weight:g}")
            time.sleep(0.1)
    assert {answer.status for answer in load.answers} == {200} and not load.dropped and not load.refused
