"""A picture or a recording of a prediction is given back as what it is, and nothing that a caller sent becomes a page."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from journal_maker import START, prediction, route, tensor, write
from tests.support.media_maker import SENT, keep

from tidegate.api.app import build
from tidegate.ingest.cycle import Cycle
from tidegate.storage.layout import Layout
from tidegate.storage.options import LogOptions
from tidegate.storage.state import StateStore
from tidegate.types.inference import Signature, TensorSpec
from tidegate.views.payloads import payload
from tidegate.views.predictions import open_one


@pytest.fixture
def log(layout: Layout) -> Layout:
    keep(layout, START)
    return layout


def test_one_prediction_says_what_can_be_seen_and_heard(log: Layout) -> None:
    found = {(one.row, one.column): one.type for one in open_one(log, "loan", "two").media}
    assert found == {
        (0, "photo"): "image/png",
        (0, "clip"): "audio/wav",
        (1, "photo"): "image/png",
        (1, "clip"): "audio/wav",
    }
    (gone,) = open_one(log, "loan", "lost").media
    assert (gone.column, gone.type) == ("photo", "") and gone.size > len(SENT["gone"])


@pytest.mark.parametrize(
    ("row", "column", "name"), [(0, "photo", "small"), (1, "photo", "large"), (0, "clip", "sound"), (0, "note", "evil")]
)
def test_the_bytes_are_those_that_were_sent(log: Layout, row: int, column: str, name: str) -> None:
    found = payload(log, "loan", "two", column, row)
    assert found.data == SENT[name]
    assert found.type == {"small": "image/png", "large": "image/png", "sound": "audio/wav", "evil": ""}[name]


def test_bytes_that_arrived_as_bytes(layout: Layout, tmp_path: Path) -> None:
    route(layout, {("m", "1"): Signature([TensorSpec("photo", "BYTES", [-1])], [TensorSpec("y", "INT64", [-1])])})
    body = b"".join(len(SENT[name]).to_bytes(4, "little") + SENT[name] for name in ("small", "large"))
    head = {"name": "photo", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": len(body)}}
    record = prediction(
        [head], [tensor("y", "INT64", [2], [1, 0])], id="raw", time=START, binary=base64.b64encode(body).decode()
    )
    write(layout, [record])
    Cycle(layout, LogOptions.model_validate({"blobSize": 2000})).run()
    assert [one.type for one in open_one(layout, "loan", "raw").media] == ["image/png"] * 2
    assert [payload(layout, "loan", "raw", "photo", row).data for row in (0, 1)] == [SENT["small"], SENT["large"]]


def test_over_http(log: Layout) -> None:
    StateStore(log).close()
    client = TestClient(build(log, host="127.0.0.1"), base_url="http://localhost")
    address = "/api/log/loan/predictions/two/payload"
    seen = client.get(address, params={"column": "photo", "row": 1})
    assert (seen.status_code, seen.headers["content-type"], seen.content) == (200, "image/png", SENT["large"])
    text = client.get(address, params={"column": "note"})
    assert (
        text.headers["content-type"] == "application/octet-stream"
        and text.headers["content-disposition"] == "attachment"
    )
    for where, asked in (
        (address, {"column": "photo", "row": 2}), (address, {"column": "status"}), (address, {"column": "y"}),
        (address, {"column": "../state.db"}), (address.replace("two", "three"), {"column": "photo"}),
        (address.replace("two", "lost"), {"column": "photo"}),
    ):  # fmt: skip
        answer = client.get(where, params=asked)
        assert answer.status_code == 404 and answer.json()["error"], (asked, answer.text)
