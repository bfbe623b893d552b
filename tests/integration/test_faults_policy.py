"""The field policy, whoever calls and however: what is dropped is in no file, what is hashed can be joined, who is erased is gone."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from tests.support.load import in_table
from tests.support.system import PROJECT, System, wait_until

from tidegate.changes import erase_subject
from tidegate.storage.state import StateStore
from tidegate.views.log import erase, query

pytestmark = pytest.mark.xdist_group("faults_policy")

AGE, INCOME = 41.5, 7_654_321.0


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """`person` drops names, greetings and incomes and hashes ages; `named` keeps all and knows subjects by name."""
    project: dict[str, Any] = copy.deepcopy(PROJECT)
    project["models"]["people"] = {"versions": {"1": {"path": "test_models:People"}}}
    policy = {"name": "drop", "income": "drop", "greeting": "drop", "age": "hash"}
    project["endpoints"]["person"] = {"model": "people", "split": {"1": 100}, "fields": policy, "timeout": "20s"}
    project["endpoints"]["named"] = {"model": "people", "split": {"1": 100}, "subject": "input:name"}
    project["endpoints"]["hidden"] = {**project["endpoints"]["named"], "fields": {"name": "hash", "greeting": "drop"}}
    running = System(tmp_path_factory.mktemp("policy"), project)
    try:
        yield running.start()
    finally:
        running.stop()


def v2(system: System, name: str, age: float, endpoint: str = "person") -> Any:
    columns = (("name", "BYTES", name), ("age", "FP64", age), ("income", "FP64", INCOME))
    inputs = [{"name": n, "shape": [1], "datatype": t, "data": [v]} for n, t, v in columns]
    return system.post(f"/v2/models/{endpoint}/infer", {"id": "r", "inputs": inputs})


def v2_whole_number(system: System, name: str, age: float) -> Any:
    columns = (("name", "BYTES", name), ("age", "INT64", int(age)), ("income", "FP64", INCOME))
    inputs = [{"name": n, "shape": [1], "datatype": t, "data": [v]} for n, t, v in columns]
    return system.post("/v2/models/person/infer", {"inputs": inputs})


def v2_binary(system: System, name: str, age: float) -> Any:
    text = name.encode()
    raw = [len(text).to_bytes(4, "little") + text, np.array([age]).tobytes(), np.array([INCOME]).tobytes()]
    kinds = (("name", "BYTES"), ("age", "FP64"), ("income", "FP64"))
    inputs = [
        {"name": n, "shape": [1], "datatype": t, "parameters": {"binary_data_size": len(data)}}
        for (n, t), data in zip(kinds, raw, strict=True)
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    return system.post("/v2/models/person/infer", head + b"".join(raw), headers=headers)


def v1(system: System, name: str, age: float) -> Any:
    return system.post("/v1/models/person:predict", {"instances": [{"name": name, "age": age, "income": INCOME}]})


def mlflow(system: System, name: str, age: float) -> Any:
    body = {"dataframe_split": {"columns": ["name", "age", "income"], "data": [[name, age, INCOME]]}}
    return system.post("/serving-endpoints/person/invocations", body)


def csv(system: System, name: str, age: float) -> Any:
    body = f"name,age,income\n{name},{age:g},{INCOME:g}\n".encode()
    return system.post("/serving-endpoints/person/invocations", body, headers={"content-type": "text/csv"})


DOORS = (v2, v2_whole_number, v2_binary, v1, mlflow, csv)


def files_with(system: System, *needles: bytes) -> list[str]:
    """Files under the state folder that hold any of these."""
    found = []
    for path in system.layout.root.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            found += [f"{path.name}: {needle!r}" for needle in needles if needle in data]
    return found


def ingested(system: System, endpoint: str, identity: str) -> None:
    """Wait until the table has this prediction."""
    wait_until(lambda: in_table(system.layout, endpoint)[identity] == 1, 30)


@pytest.mark.parametrize("call", DOORS)
def test_dropped_values_are_in_no_file(system: System, call: Callable[[System, str, float], Any]) -> None:
    name = f"Zuleika-{call.__name__}"
    answer = call(system, name, 41.0)
    assert answer.status == 200, answer.body
    identity = answer.headers["tidegate-prediction-id"]
    record = next(r for r in system.journal("person") if r["id"] == identity)
    assert [entry["name"] for entry in record["request"]["inputs"]] == ["age"]
    assert record["redacted"] is True
    ingested(system, "person", identity)
    found = files_with(system, name.encode(), b"7654321", np.array([INCOME]).tobytes())
    assert not found, found
    columns = query(system.layout, f"select * from person where prediction_id = '{identity}'").row(0, named=True)
    assert columns["prediction_id"] == identity


def test_equal_values_are_equal_hashes_whoever_sent_them(system: System) -> None:
    with closing(StateStore(system.layout)) as store:
        secret = bytes.fromhex(store.secret("field"))
    want = hmac.new(secret, b"41.0", hashlib.sha256).hexdigest()[:32]
    seen = {}
    for call in DOORS:
        identity = call(system, "Somebody", 41.0).headers["tidegate-prediction-id"]
        record = next(r for r in system.journal("person") if r["id"] == identity)
        seen[call.__name__] = record["request"]["inputs"][0]["data"]
    assert seen == {call.__name__: [want] for call in DOORS}
    other = v2(system, "Somebody", AGE).headers["tidegate-prediction-id"]
    assert next(r for r in system.journal("person") if r["id"] == other)["request"]["inputs"][0]["data"] != [want]


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": [{"name": "name", "shape": [1], "datatype": "INT64", "data": ["Zuleika-refused"]}]},
        {"inputs": [{"name": "name", "shape": [1], "datatype": "Zuleika-refused", "data": [1]}]},
        {"instances": [{"name": "x", "age": "Zuleika-refused", "income": 7654321}]},
        b'{"inputs": "Zuleika-refused',
    ],
)
def test_refused_bodies_are_not_kept_either(system: System, body: Any) -> None:
    """An error quotes what was wrong with a value: the caller may read it, the log may not."""
    for path in ("/v2/models/person/infer", "/v1/models/person:predict", "/serving-endpoints/person/invocations"):
        answer = system.post(path, body)
        assert answer.status == 400, answer.body
        identity = answer.headers["tidegate-prediction-id"]
        assert [r["status"] for r in system.journal("person") if r["id"] == identity] == [400]
    ingested(system, "person", identity)
    assert not files_with(system, b"Zuleika-refused", b"7654321")


def test_a_person_named_by_an_input_is_erased_everywhere(system: System) -> None:
    for _ in range(3):
        identity = v2(system, "Xanthippe", 50.0, "named").headers["tidegate-prediction-id"]
    kept = v2(system, "Socrates", 70.0, "named").headers["tidegate-prediction-id"]
    label = {"prediction_id": identity, "kind": "label", "value": "Xanthippe-was-right"}
    assert system.post("/v2/models/named/feedback", label).status == 200
    ingested(system, "named", kept)
    assert files_with(system, b"Xanthippe")
    report = erase_subject(system.layout, "Xanthippe", None, actor="test")
    assert report.predictions == {"named": 3} and report.journal_lines >= 4
    assert not files_with(system, b"Xanthippe"), files_with(system, b"Xanthippe")
    left = query(system.layout, "select prediction_id from named")["prediction_id"].to_list()
    assert left == [kept]
    assert v2(system, "Plato", 30.0, "named").status == 200, "the gateway still writes to the same segment"
    assert query(system.layout, "select count(*) from named").item() == 2


def test_a_person_whose_name_is_kept_hashed_can_still_be_erased(system: System) -> None:
    v2(system, "Hypatia", 45.0, "hidden")
    kept = v2(system, "Euclid", 70.0, "hidden").headers["tidegate-prediction-id"]
    ingested(system, "hidden", kept)
    assert not files_with(system, b"Hypatia")
    report = erase_subject(system.layout, "Hypatia", "hidden", actor="test")
    assert report.predictions == {"hidden": 1}
    assert query(system.layout, "select prediction_id from hidden")["prediction_id"].to_list() == [kept]


def test_a_person_named_by_a_header_is_erased_everywhere(system: System) -> None:
    for row in ([1, 2, 3], [6663, 0, 0], [9, 9, "what"]):
        system.row(row, headers={"x-user-id": "u-Theaetetus"})  # type: ignore[arg-type]
    last = system.row([4, 5, 6], headers={"x-user-id": "u-other"})
    ingested(system, "row", last.headers["tidegate-prediction-id"])
    assert files_with(system, b"u-Theaetetus")
    report = erase(system.layout, "u-Theaetetus", "row")
    assert report.predictions == {"row": 3}
    assert not files_with(system, b"u-Theaetetus")
    assert query(system.layout, 'select subject from "row"')["subject"].to_list() == ["u-other"]
