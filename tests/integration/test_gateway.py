"""The HTTP gateway as callers meet it: real processes, real sockets."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import urllib.parse
import zlib
from typing import Any

import numpy as np
import pytest
from tests.support.system import System, wait_until

from tidegate.wire.trace import span_id

BODY = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}]}


def test_answer_names_prediction_version_and_role(system: System) -> None:
    answer = system.row([1, 2, 3], id="caller-7")
    body = answer.json()
    assert answer.status == 200
    assert body["model_name"] == "row" and body["model_version"] == "1" and body["id"] == "caller-7"
    assert body["outputs"] == [{"name": "y", "shape": [1], "datatype": "FP64", "data": [6.0]}]
    assert body["parameters"]["prediction_id"] == answer.headers["tidegate-prediction-id"]
    assert (answer.headers["tidegate-model-version"], answer.headers["tidegate-role"]) == ("1", "stable")
    assert body["parameters"]["role"] == "stable"


def test_what_was_answered_is_in_the_journal(system: System) -> None:
    answer = system.row([4, 5, 6], [1, 1, 1], headers={"x-user-id": "u-1", "traceparent": "00-abc"})
    record = next(r for r in system.journal("row") if r["id"] == answer.json()["parameters"]["prediction_id"])
    assert (
        record["status"] == 200 and record["rows"] == 2 and record["subject"] == "u-1" and record["trace"] == "00-abc"
    )
    assert record["request"]["inputs"][0]["data"] == [4, 5, 6, 1, 1, 1]
    assert record["outputs"][0]["data"] == [15.0, 3.0]


def test_the_callers_trace_reaches_the_model_which_is_the_child_of_our_span(system: System) -> None:
    sent = f"00-{'ab' * 16}-{'cd' * 8}-01"
    answer = system.row([6669, 0, 0], headers={"traceparent": sent}).json()
    expected = int(span_id(answer["parameters"]["prediction_id"], "infer")[:12], 16)
    assert answer["outputs"][0]["data"] == [float(expected)]
    for none in ({}, {"traceparent": "00-abc"}):
        assert system.row([6669, 0, 0], headers=none).json()["outputs"][0]["data"] == [-1.0]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b'{"inputs": [', 400, "not valid JSON"),
        (b"", 400, "not valid JSON"),
        (b"[]", 400, "object"),
        (b"{}", 400, "inputs must be a list"),
        (b'{"inputs": [{"name":"x","shape":[1,3],"datatype":"FP64","data":[1,NaN,3]}]}', 400, "not valid JSON"),
        (b"[" * 100_000, 400, "not valid JSON"),
        (
            {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [1, 2, 3, 4]}]},
            400,
            "doesn't fit [-1, 3]",
        ),
        (
            {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1, 2]}]},
            400,
            "needs 3 elements, the data has 2",
        ),
        (
            {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": ["a", "b", "c"]}]},
            400,
            "string in FP64",
        ),
        (
            {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FLOAT", "data": [1, 2, 3]}]},
            400,
            "unknown datatype 'FLOAT'",
        ),
        ({"inputs": [{"name": "y", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}]}, 400, "missing input 'x'"),
        (
            {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "BYTES", "data": ["1", "2", "3"]}]},
            400,
            "the model takes FP64",
        ),
        ({"inputs": [{"name": "x", "shape": [-1, 3], "datatype": "FP64", "data": []}]}, 400, "0 or more"),
        ({"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64"}]}, 400, "no data"),
        ({**BODY, "outputs": [{"name": "nope"}]}, 400, "unknown output 'nope'"),
        ({**BODY, "id": 7}, 400, "id must be a string"),
    ],
)
def test_bad_bodies_are_refused_in_words_and_recorded(system: System, body: Any, status: int, says: str) -> None:
    answer = system.post("/v2/models/row/infer", body)
    assert answer.status == status, answer.body
    assert says in answer.json()["error"]
    identity = answer.headers["tidegate-prediction-id"]
    record = next(r for r in system.journal("row") if r["id"] == identity)
    assert record["status"] == status and says in record["error"]


def test_unknown_names_are_404_with_what_there_is(system: System) -> None:
    answer = system.post("/v2/models/rwo/infer", BODY)
    assert answer.status == 404 and 'Did you mean "row"?' in answer.json()["error"]
    identity = answer.headers["tidegate-prediction-id"]
    assert [r["status"] for r in system.journal("_unknown") if r["id"] == identity] == [404]
    answer = system.post("/v2/models/row/versions/9/infer", BODY)
    assert answer.status == 404 and "it has: 1, 2" in answer.json()["error"]
    assert system.get("/nowhere").status == 404
    assert system.get("/v2/models/nope").status == 404


def test_a_version_can_be_asked_for(system: System) -> None:
    assert system.post("/v2/models/row/versions/2/infer", BODY).json()["outputs"][0]["data"] == [12.0]


def test_content_types(system: System) -> None:
    for kind in ("text/plain", "application/xml", "multipart/form-data; boundary=x"):
        answer = system.post("/v2/models/row/infer", BODY, headers={"content-type": kind})
        assert answer.status == 415 and "application/json" in answer.json()["error"]
    assert (
        system.post("/v2/models/row/infer", BODY, headers={"content-type": "application/json; charset=utf-8"}).status
        == 200
    )


def binary_body(values: list[float], size: int | None = None) -> tuple[bytes, dict[str, str]]:
    raw = np.array(values, "<f8").tobytes()
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": "x",
                    "shape": [1, 3],
                    "datatype": "FP64",
                    "parameters": {"binary_data_size": len(raw) if size is None else size},
                }
            ],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    return head + raw, {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}


def test_binary_both_ways(system: System) -> None:
    body, headers = binary_body([1, 2, 3])
    answer = system.post("/v2/models/row/infer", body, headers=headers)
    assert answer.status == 200
    length = int(answer.headers["inference-header-content-length"])
    head = json.loads(answer.body[:length])
    assert head["outputs"][0]["parameters"]["binary_data_size"] == 8
    assert struct.unpack("<d", answer.body[length:]) == (6.0,)


def test_wrong_binary_lengths(system: System) -> None:
    body, headers = binary_body([1, 2, 3])
    assert system.post("/v2/models/row/infer", body + b"x", headers=headers).status == 400
    assert system.post("/v2/models/row/infer", body[:-1], headers=headers).status == 400
    assert (
        system.post(
            "/v2/models/row/infer", body, headers={**headers, "inference-header-content-length": "99999"}
        ).status
        == 400
    )
    assert (
        system.post("/v2/models/row/infer", body, headers={**headers, "inference-header-content-length": "-1"}).status
        == 400
    )
    short, headers = binary_body([1, 2, 3], size=16)
    assert system.post("/v2/models/row/infer", short, headers=headers).status == 400


def test_packed_bodies(system: System) -> None:
    text = json.dumps(BODY).encode()
    for name, packed in (
        ("gzip", gzip.compress(text)),
        ("deflate", zlib.compress(text)),
        ("deflate", zlib.compress(text)[2:-4]),
    ):
        answer = system.post("/v2/models/row/infer", packed, headers={"content-encoding": name})
        assert answer.status == 200, (name, answer.body)
    assert system.post("/v2/models/row/infer", b"nonsense", headers={"content-encoding": "gzip"}).status == 400
    assert system.post("/v2/models/row/infer", text, headers={"content-encoding": "br"}).status == 415
    bomb = gzip.compress(b" " * 80_000_000)
    assert system.post("/v2/models/row/infer", bomb, headers={"content-encoding": "gzip"}).status == 413


def test_large_answers_are_packed_when_the_caller_takes_it(system: System) -> None:
    body = {"inputs": [{"name": "x", "shape": [4000, 3], "datatype": "FP64", "data": [1.0] * 12000}]}
    answer = system.post("/v2/models/row/infer", body, headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(answer.body))["outputs"][0]["data"]) == 4000
    assert "content-encoding" not in system.post("/v2/models/row/infer", body).headers


def test_a_body_over_the_limit_is_refused_before_it_is_read(system: System) -> None:
    host = urllib.parse.urlsplit(system.http)
    with socket.create_connection((host.hostname, host.port), timeout=10) as sock:
        sock.sendall(b"POST /v2/models/row/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n")
        head = sock.recv(4096)
    assert head.startswith(b"HTTP/1.1 413 ")


def test_chunked_bodies(system: System) -> None:
    host = urllib.parse.urlsplit(system.http)
    text = json.dumps(BODY).encode()
    with socket.create_connection((host.hostname, host.port), timeout=10) as sock:
        sock.sendall(
            b"POST /v2/models/row/infer HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for at in range(0, len(text), 20):
            part = text[at : at + 20]
            sock.sendall(b"%x\r\n%b\r\n" % (len(part), part))
        sock.sendall(b"0\r\n\r\n")
        answer = b""
        while data := sock.recv(65536):
            answer += data
    assert answer.startswith(b"HTTP/1.1 200") and b'"data":[6.0]' in answer


def test_a_line_break_in_a_body_does_not_break_the_journal(system: System) -> None:
    text = json.dumps(BODY, indent=2).replace("\n", "\r\n").encode()
    identity = system.post("/v2/models/row/infer", text).headers["tidegate-prediction-id"]
    assert [r["request"]["inputs"][0]["data"] for r in system.journal("row") if r["id"] == identity] == [[1, 2, 3]]


def test_time_outs(system: System) -> None:
    answer = system.row([6667, 0, 0], headers={"x-request-timeout-ms": "50"})
    assert answer.status == 504 and "within" in answer.json()["error"]
    assert system.row([1, 2, 3], headers={"x-request-timeout-ms": "soon"}).status == 400
    wait_until(lambda: system.row([1, 2, 3]).status == 200)


def test_a_model_that_raises_or_breaks_its_signature(system: System) -> None:
    for first, says in ((6663, "does not like 6663"), (6664, "for 1 rows"), (6668, "returned no 'y'")):
        answer = system.row([first, 0, 0])
        assert answer.status == 500 and says in answer.json()["error"]
    answer = system.row([6665, 0, 0])
    assert answer.status == 200 and answer.json()["outputs"][0]["data"] == [None]


def test_metadata_and_health(system: System) -> None:
    assert system.get("/v2/health/live").json() == {"live": True}
    assert system.get("/v2/health/ready").json() == {"ready": True}
    assert "binary_tensor_data" in system.get("/v2").json()["extensions"]
    meta = system.get("/v2/models/row").json()
    assert meta["versions"] == ["1", "2"] and meta["inputs"] == [{"name": "x", "datatype": "FP64", "shape": [-1, 3]}]
    assert system.get("/v2/models/row/versions/2/ready").json() == {"name": "row", "ready": True}
    assert system.get("/v1/models").json() == {"models": ["row", "simple", "words"]}
    assert system.get("/v1/models/row").json() == {"name": "row", "ready": True}
    index = system.post("/v2/repository/index").json()
    assert {"name": "row", "version": "2", "state": "READY", "reason": ""} in index
    assert system.get("/ping").status == system.get("/health").status == 200
    assert system.get("/v2/models/row/config").json()["input"][0]["data_type"] == "TYPE_FP64"
    assert any(s["name"] == "row" for s in system.get("/v2/models/stats").json()["model_stats"])


def test_kserve_v1_and_mlflow(system: System) -> None:
    assert system.post("/v1/models/row:predict", {"instances": [[1, 2, 3], [4, 5, 6]]}).json()["predictions"] == [
        6.0,
        15.0,
    ]
    answer = system.post("/serving-endpoints/row/invocations", {"inputs": [[1, 2, 3]]})
    assert answer.status == 200 and answer.json()["predictions"] == [6.0]
    answer = system.post("/invocations", {"inputs": [[1, 2, 3]]})
    assert answer.status == 404 and answer.json()["error_code"]
    assert system.post("/serving-endpoints/row/invocations", b"x", headers={"content-type": "image/png"}).status == 415


def test_feedback_is_journaled(system: System) -> None:
    identity = system.row([1, 2, 3]).headers["tidegate-prediction-id"]
    sent = {"prediction_id": identity, "kind": "label", "value": 1, "key": "k1", "time": "2026-01-02T03:04:05Z"}
    assert system.post("/v2/models/row/feedback", sent).json() == {"accepted": 1}
    assert system.post(
        "/v2/models/row/feedback", {"feedback": [sent, {**sent, "kind": "event", "name": "click", "key": "k2"}]}
    ).json() == {"accepted": 2}
    found = [r for r in system.journal("row") if r["kind"] == "feedback" and r["prediction_id"] == identity]
    assert len(found) == 3 and found[0]["value"] == 1 and found[0]["time"] == 1767323045000000000
    for bad, says in (
        ({}, "kind"),
        ({**sent, "kind": "opinion"}, "label, event, rating"),
        ({**sent, "extra": 1}, "unknown field extra"),
        ({**sent, "row": -1}, "row"),
        ({**sent, "time": "yesterday"}, "2026-01-31"),
        ({"kind": "label", "value": 1}, "prediction_id is missing"),
    ):
        answer = system.post("/v2/models/row/feedback", bad)
        assert answer.status == 400 and says in answer.json()["error"]
    assert system.post("/v2/models/nope/feedback", sent).status == 404


def test_text_in_text_out(system: System) -> None:
    body = {"inputs": [{"name": "text", "shape": [2], "datatype": "BYTES", "data": ["grün", "\n\u2028"]}]}
    assert system.post("/v2/models/words/infer", body).json()["outputs"][0]["data"] == ["GRÜN", "\n\u2028"]
