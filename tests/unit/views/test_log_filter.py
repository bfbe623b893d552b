"""What is found by a label's verdict or a shadow's answer, shown a page at a time or taken away in a file."""

from __future__ import annotations

import time
from pathlib import Path

import polars as pl
import pytest
from fastapi.testclient import TestClient
from journal_maker import MATRIX, START, TABLE, label, matrix, prediction, route, table, tensor, write

from tidegate.api import log as routes
from tidegate.api.app import build
from tidegate.errors import InvalidRequest
from tidegate.ingest.cycle import Cycle
from tidegate.storage.layout import Layout
from tidegate.storage.options import LogOptions
from tidegate.storage.state import StateStore
from tidegate.types.records import PredictionRecord
from tidegate.views.log import export
from tidegate.views.log_filter import Filter
from tidegate.views.predictions import find

SECOND = 1_000_000_000


def answered(id: str, second: int, yes: float, **fields: object) -> PredictionRecord:
    """One row that answers yes with this probability, and that class."""
    outputs = [
        tensor("predict", "INT64", [1], [int(yes > 0.5)]),
        tensor("predict_proba", "FP64", [1, 2], [1 - yes, yes]),
    ]
    at = {"time": START + second * SECOND, **fields}
    return prediction([tensor("x", "FP64", [1, 3], [second, 0.0, 0.0])], outputs, id=id, **at)


@pytest.fixture
def log(layout: Layout) -> Layout:
    """Eight answers with a shadow beside them; half is in the table, half in the journal."""
    route(layout, {("m", "1"): MATRIX, ("m", "2"): MATRIX})
    rows = [answered(f"r{n}", n, 0.9 if n % 2 else 0.2) for n in range(8)]
    otherwise = {1: 0.4, 2: 0.2000001, 6: 0.3}  # r1 another class, r2 within the tolerance, r6 another score
    copies = [
        answered(f"c{n}", n, otherwise.get(n, 0.9 if n % 2 else 0.2), mirror_of=f"r{n}", role="shadow", version="2")
        for n in range(8)
    ]
    failed = answered("c8", 8, 0.9, mirror_of="r7", role="shadow", version="2", status=500)
    labels = [
        label("r1", 1.0),
        label("r3", 0.0),
        label("r4", 0.0),
        label("r6", 1.0),
        label("r7", "no"),
        label("gone", 0.0),
    ]
    write(layout, [*rows[:4], *copies[:4], *labels[:3]])
    Cycle(layout, LogOptions()).run()
    write(layout, [*rows[4:], *copies[4:], failed, *labels[3:]], segment=1)
    return layout


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"wrong": True}, ["r7", "r6", "r3"]),
        ({"wrong": True, "end": (START + 5 * SECOND) / 1e9}, ["r3"]),
        ({"wrong": True, "version": "2"}, []),
        ({"differing": True}, ["r6", "r1"]),
        ({"differing": True, "wrong": True}, ["r6"]),
        ({"differing": True, "labelled": False}, []),
        ({"labelled": False, "role": "stable"}, ["r5", "r2", "r0"]),
        ({"where": "label = 0", "role": "stable"}, ["r4", "r3"]),
    ],
)
def test_what_people_and_shadows_say(log: Layout, wanted: dict[str, object], expected: list[str]) -> None:
    assert [one.id for one in find(log, "loan", Filter(**wanted)).rows] == expected  # type: ignore[arg-type]


def test_a_page_of_what_is_found_so_goes_on(log: Layout) -> None:
    first = find(log, "loan", Filter(wrong=True), limit=2)
    rest = find(log, "loan", Filter(wrong=True, after=first.next), limit=2)
    assert [[one.id for one in page.rows] for page in (first, rest)] == [["r7", "r6"], ["r3"]]
    assert [one.label for one in first.rows] == ["no", 1.0]


def test_a_number_is_not_wrong_but_far_off(layout: Layout) -> None:
    route(layout, {("m", "1"): TABLE})
    write(layout, [table([(1.0, "Rome", 1)], id="a"), label("a", 3.0)])
    with pytest.raises(InvalidRequest, match=r"wrong: .*regression.*abs"):
        find(layout, "loan", Filter(wrong=True))
    assert [one.id for one in find(layout, "loan", Filter(where="abs(predict - label) > 1")).rows] == ["a"]


def test_without_shadows_nothing_differs(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    write(layout, [matrix([[1, 2, 3]])])
    assert find(layout, "loan", Filter(differing=True)).rows == []
    assert find(layout, "loan", Filter(wrong=True)).rows == []


def test_the_newest_are_written_with_their_labels(log: Layout, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    assert export(log, "loan", file, Filter(role="stable"), most=3) == 3
    got = pl.read_csv(file).sort("time")
    assert got["prediction_id"].to_list() == ["r5", "r6", "r7"]
    assert got["label"].to_list() == [None, 1.0, None] and got["label_text"].to_list() == [None, None, "no"]
    assert export(log, "loan", file, Filter(role="stable"), most=3, labels=False) == 3
    assert "label" not in pl.read_csv(file).columns


@pytest.fixture
def client(log: Layout) -> TestClient:
    StateStore(log).close()
    return TestClient(build(log, host="127.0.0.1"), base_url="http://localhost", raise_server_exceptions=False)


@pytest.mark.parametrize("format", ["csv", "ndjson", "parquet"])
def test_what_is_found_is_taken_away_over_http(
    client: TestClient, format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(routes.tempfile, "tempdir", str(place))
    asked = {"wrong": "true", "start": START / 1e9, "format": format}
    answer = client.get("/api/log/loan/export", params=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["tidegate-rows"] == "3"
    assert answer.headers["content-disposition"] == f'attachment; filename="loan.{format}"'
    assert list(place.iterdir()) == []
    file = tmp_path / f"got.{format}"
    file.write_bytes(answer.content)
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "ndjson": pl.read_ndjson}[format]
    assert sorted(read(file)["prediction_id"]) == ["r3", "r6", "r7"]
    found = client.get("/api/log/loan/predictions", params=asked | {"limit": 2}).json()
    assert [one["id"] for one in found["rows"]] == ["r7", "r6"] and found["next"]


def test_an_export_that_cannot_be_made_is_said_and_leaves_nothing(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(routes.tempfile, "tempdir", str(place))
    for asked, status, said in (
        ({"where": "nowhere = 3"}, 400, "nowhere"),
        ({"format": "xlsx"}, 422, "format"),
        ({"limit": 10**9}, 422, "limit"),
        ({"outcome": "soso"}, 422, "outcome"),
    ):
        answer = client.get("/api/log/loan/export", params={"start": START / 1e9, **asked})
        assert answer.status_code == status and said in answer.json()["error"], answer.text
    assert client.get("/api/log/nobody/export").status_code == 404
    assert list(place.iterdir()) == []
    with routes._EXPORTS, routes._EXPORTS:
        answer = client.get("/api/log/loan/export")
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
    assert client.get("/api/log/loan/export").status_code == 200


def test_a_day_is_written_where_no_time_is_said(client: TestClient) -> None:
    answer = client.get("/api/log/loan/export")  # START is long ago
    assert answer.headers["tidegate-rows"] == "0" and time.time() - 86400 > START / 1e9
