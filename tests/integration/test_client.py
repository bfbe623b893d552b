"""The Python client, the batch run and the load generator against the real system."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import polars as pl
import pytest
from client_system import System, shared

from tidegate.client import AsyncClient, Client
from tidegate.client.batch import predict_file
from tidegate.client.loadtest import make_bodies, run
from tidegate.errors import DeadlineExceeded, InvalidRequest, NotFound, Overloaded, TidegateError


@pytest.fixture(scope="module")
def system(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> System:
    return shared(pytestconfig, tmp_path_factory)


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    with Client(system.http, timeout=10) as made:
        yield made


PANDAS = pytest.importorskip("pandas")
COLUMNS = {"amount": [1.5, None], "purpose": ["car", "Öl"]}


@pytest.mark.parametrize(
    "data",
    [
        COLUMNS,
        [{"amount": 1.5, "purpose": "car"}, {"purpose": "Öl"}],
        pl.DataFrame(COLUMNS),
        PANDAS.DataFrame(COLUMNS),
        PANDAS.DataFrame(COLUMNS).convert_dtypes(),
        {"amount": np.array([1.5, np.nan]), "purpose": np.array(["car", "Öl"])},
    ],
    ids=["lists", "records", "polars", "pandas", "pandas-nullable", "arrays"],
)
def test_every_kind_of_table(client: Client, data: Any) -> None:
    prediction = client.predict("loan", data)
    assert prediction.outputs["label"].tolist() == ["car:1.5", "Öl:nan"]
    np.testing.assert_array_equal(prediction.outputs["score"], [[1.5, -1.5], [np.nan, np.nan]])
    assert prediction.id and prediction.version == "1" and prediction.role == "stable" and prediction.rows == 2
    frame = prediction.frame()
    assert list(frame.columns) == ["label", "score_0", "score_1"]
    assert type(frame).__module__.startswith("pandas" if type(data).__module__.startswith("pandas") else "polars")


def test_missing_texts_arrive_as_missing(client: Client) -> None:
    assert client.predict("loan", {"amount": [1.0], "purpose": [None]}).outputs["label"].tolist() == ["None:1"]


def test_a_bare_array_takes_the_models_own_name(client: Client) -> None:
    assert client.predict("matrix", np.ones((2, 3))).outputs["y"].tolist() == [3.0, 3.0]
    assert client.predict("matrix", [[1, 2, 3]]).value() == 6.0
    assert client.predict("loan", {"amount": [2.0], "purpose": ["x"]}, outputs=["score"]).value() == [2.0, -2.0]
    with pytest.raises(ValueError, match="has 2: use"):
        client.predict("matrix", np.ones((2, 3))).value()


def test_errors_are_typed_and_say_what_to_do(client: Client) -> None:
    with pytest.raises(NotFound, match='Did you mean "loan"'):
        client.predict("laon", {"amount": [1.0]})
    with pytest.raises(NotFound, match="no version '9'"):
        client.predict("matrix", {"x": [[1, 2, 3]]}, version="9")
    with pytest.raises(InvalidRequest, match="missing input 'purpose'"):
        client.predict("loan", {"amount": [1.0]})
    with pytest.raises(DeadlineExceeded):
        client.predict("slow", {"seconds": [0.5]}, timeout=0.1)
    time.sleep(0.5)
    with Client("http://127.0.0.1:9", timeout=0.2) as nowhere, pytest.raises(TidegateError, match="can't reach"):
        nowhere.metadata("loan")
    with pytest.raises(InvalidRequest, match="http://"):
        Client("127.0.0.1:8080")


def test_a_full_queue_is_retried_within_the_time_out(client: Client) -> None:
    holder = threading.Thread(target=client.predict, args=("slow", {"seconds": [0.6]}))
    holder.start()
    time.sleep(0.2)
    with pytest.raises(Overloaded):
        client.predict("slow", {"seconds": [0.0]}, timeout=0.3)
    assert client.predict("slow", {"seconds": [0.0]}, timeout=8).outputs["seconds"].tolist() == [0.0]
    holder.join()


def test_feedback_reaches_the_journal(system: System, client: Client) -> None:
    prediction = client.predict("loan", {"amount": [1.0], "purpose": ["x"]})
    assert client.feedback("loan", prediction.id, label=1, actor="me", key="k1", time="2026-01-31T12:00:00Z") == 1
    assert client.feedback("loan", prediction.id, event="clicked", row=0) == 1
    many = [{"prediction_id": prediction.id, "kind": "rating", "value": 4.5}] * 2
    assert client.feedback_many("loan", many) == 2
    lines = [
        orjson.loads(line)
        for path in (system.state / "journal").glob("*.ndjson")
        for line in path.read_bytes().splitlines()
    ]
    found = [line for line in lines if line.get("prediction_id") == prediction.id]
    assert [(line["type"], line["value"]) for line in found] == [
        ("label", 1),
        ("event", True),
        ("rating", 4.5),
        ("rating", 4.5),
    ]
    assert found[0]["key"] == "k1" and found[0]["time"] == 1769860800_000000000 and found[1]["name"] == "clicked"
    with pytest.raises(InvalidRequest, match="exactly one of label, event and rating"):
        client.feedback("loan", prediction.id)


def test_the_async_client_does_the_same(system: System) -> None:
    async def main() -> None:
        async with AsyncClient(system.http) as client:
            assert await client.ready() and await client.ready("loan")
            answers = await asyncio.gather(*(client.predict("matrix", np.full((1, 3), i)) for i in range(20)))
            assert [a.value() for a in answers] == [3.0 * i for i in range(20)]
            assert len({a.id for a in answers}) == 20
            assert await client.feedback("matrix", answers[0].id, label="x") == 1
            assert (await client.metadata("loan"))["platform"] == "python"
            assert {m["name"] for m in await client.models()} >= {"loan", "matrix"}
            with pytest.raises(NotFound):
                await client.ready("nobody")

    asyncio.run(main())


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_file_goes_through_and_comes_back(client: Client, tmp_path: Path, suffix: str) -> None:
    frame = pl.DataFrame(
        {"key": range(1000), "amount": [i / 2 for i in range(1000)], "purpose": [f"p{i % 3}" for i in range(1000)]}
    )
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    frame.write_csv(source) if suffix == ".csv" else frame.write_parquet(source)
    steps: list[tuple[int, int]] = []
    assert (
        predict_file(
            client, "loan", source, target, batch_rows=20, progress=lambda done, total: steps.append((done, total))
        )
        == 1000
    )
    out = pl.read_csv(target) if suffix == ".csv" else pl.read_parquet(target)
    assert out.columns == ["key", "amount", "purpose", "label", "score_0", "score_1", "prediction_id", "row"]
    assert out["key"].to_list() == list(range(1000))
    assert out["label"].to_list() == [f"p{i % 3}:{i / 2:g}" for i in range(1000)]
    assert out["row"].to_list() == [i % 20 for i in range(1000)] and out["prediction_id"].n_unique() == 50
    assert steps == [(0, 1000), (320, 1000), (640, 1000), (960, 1000), (1000, 1000)]
    assert not (tmp_path / f"out{suffix}.partial").exists()


def test_a_stopped_run_goes_on_where_it_was(client: Client, tmp_path: Path) -> None:
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pl.DataFrame({"amount": [float(i) for i in range(1000)], "purpose": ["x"] * 1000}).write_parquet(source)

    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done >= 640:
            raise Stopped

    with pytest.raises(Stopped):
        predict_file(client, "loan", source, target, batch_rows=20, progress=stop)
    kept = pl.read_parquet(tmp_path / "out.parquet.partial" / "part-00000000.parquet")["prediction_id"].to_list()
    assert not target.exists()
    steps: list[int] = []
    predict_file(
        client, "loan", source, target, batch_rows=20, keep_inputs=True, progress=lambda done, _: steps.append(done)
    )
    assert steps[0] == 640
    out = pl.read_parquet(target)
    assert out["prediction_id"].to_list()[:320] == kept and out["score_0"].to_list() == [float(i) for i in range(1000)]
    with pytest.raises(InvalidRequest, match="none of the model's columns"):
        other = tmp_path / "other.parquet"
        pl.DataFrame({"z": [1]}).write_parquet(other)
        predict_file(client, "loan", other, target)


def test_the_load_generator_holds_its_rate(system: System, client: Client, tmp_path: Path) -> None:
    reference = tmp_path / "reference.csv"
    pl.DataFrame({"amount": [1.0, 2.0], "purpose": ["a", "b"]}).write_csv(reference)
    for bodies in (make_bodies(client.metadata("loan")), make_bodies(client.metadata("loan"), reference)):
        report = run(system.http, "/v2/models/loan/infer", bodies, rate=200, seconds=1.0, connections=8, slo=5.0)
        assert report.sent == report.ok == 200 and not report.errors and report.slo_met
        assert 0 < report.p50_ms <= report.p99_ms <= report.max_ms
    report = run(system.http, "/v2/models/nobody/infer", bodies, rate=100, seconds=0.5, connections=2, slo=5.0)
    assert report.errors == {"404": 50} and report.slo_met is False


def test_a_stall_is_seen_by_every_request_that_was_due_in_it(system: System) -> None:
    """One slow call on one connection: the requests behind it waited, and a closed-loop tool would not have counted
    that.
    """
    body = orjson.dumps({"inputs": [{"name": "seconds", "shape": [1], "datatype": "FP64", "data": [0.02]}]})
    report = run(system.http, "/v2/models/slow/infer", [body], rate=100, seconds=1.0, connections=1)
    assert (
        report.ok == 100 and report.p50_ms > 200 and report.max_ms > 700
    )  # each takes 20 ms, and 10 ms apart they are due


def test_kserve_and_mlflow_addresses(system: System) -> None:
    row = {"amount": 1.5, "purpose": "car"}
    with httpx.Client(base_url=system.http) as http:
        answer = http.post("/v1/models/loan:predict", json={"instances": [row]})
        assert answer.json() == {"predictions": [{"label": "car:1.5", "score": [1.5, -1.5]}]}
        assert answer.headers["tidegate-prediction-id"]
        address = "/serving-endpoints/loan/invocations"
        assert http.post(address, json={"dataframe_records": [row]}).json() == {"predictions": ["car:1.5"]}
        text = http.post(address, content="amount,purpose\n1.5,car\n", headers={"content-type": "text/csv"})
        assert text.json() == {"predictions": ["car:1.5"]}
        assert http.post(address, content="x", headers={"content-type": "text/plain"}).status_code == 415
        assert http.post(address, json={}).json()["error_code"] == "INVALID_PARAMETER_VALUE"
