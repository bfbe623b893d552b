"""More than can be served, and callers that are slow on purpose: refused at once in words, and nobody else waits."""

from __future__ import annotations

import contextlib
import copy
import gzip
import re
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from tests.support.load import assert_exactly_once, logged
from tests.support.system import PROJECT, Response, System, wait_until

pytestmark = pytest.mark.xdist_group("faults_overload")

SLOW = [6667.0, 0.0, 0.0]
LIMIT = 4
HEAD = b"POST /v2/models/row/infer HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """`row` takes four requests at a time, one row a call."""
    project = copy.deepcopy(PROJECT)
    project["models"]["row"]["versions"]["1"]["maxBatchSize"] = 1
    project["endpoints"]["row"].update({"maxQueue": LIMIT, "timeout": "30s"})
    running = System(tmp_path_factory.mktemp("overload"), project)
    try:
        yield running.start()
    finally:
        running.stop()


def test_past_the_limit_requests_are_refused_at_once(system: System) -> None:
    answers: list[tuple[Response, float]] = []

    def call() -> None:
        began = time.monotonic()
        answer = system.row(SLOW)
        answers.append((answer, time.monotonic() - began))

    callers = [threading.Thread(target=call) for _ in range(12)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    good = [answer for answer, _ in answers if answer.status == 200]
    refused = [(answer, seconds) for answer, seconds in answers if answer.status == 429]
    assert len(good) + len(refused) == 12
    assert len(good) >= LIMIT and len(refused) >= 4, [a.status for a, _ in answers]
    for answer, _ in refused:
        assert int(answer.headers["retry-after"]) >= 1
        assert f"{LIMIT} requests are in flight, the limit of this endpoint (maxQueue)" in answer.json()["error"]
    assert min(seconds for _, seconds in refused) < 0.3, "the first refusals don't wait for the slow model"
    ids = [answer.headers["tidegate-prediction-id"] for answer, _ in answers]
    counts = logged(system.layout)
    assert all(counts[id] == 1 for id in ids), "refusals are records too"
    assert_exactly_once(system, [answer.headers["tidegate-prediction-id"] for answer in good])
    assert system.row([1, 2, 3]).status == 200, "and all is well again"


@contextlib.contextmanager
def idle(system: System, count: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Connections that send this and then nothing."""
    parts = urlsplit(system.http)
    with contextlib.ExitStack() as stack:
        socks = []
        for _ in range(count):
            sock = stack.enter_context(socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30))
            sock.sendall(sent)
            socks.append(sock)
        yield socks


@pytest.mark.parametrize("sent", [b"", b"POST /v2/models/row/infer HT", HEAD, HEAD + b'{"inputs": ['])
def test_many_slow_callers_block_nobody(system: System, sent: bytes) -> None:
    with idle(system, 150, sent):
        time.sleep(0.2)
        began = time.monotonic()
        for _ in range(5):
            assert system.row([1, 2, 3]).status == 200
        assert time.monotonic() - began < 5


def test_a_caller_that_is_late_with_its_body_is_served_all_the_same(system: System) -> None:
    body = b'{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP64","data":[1,2,3]}]}'
    head = HEAD.replace(b"100", b"%d" % len(body))
    with idle(system, 1, head) as (sock,):
        for at in range(0, len(body), 10):
            sock.sendall(body[at : at + 10])
            time.sleep(0.02)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_caller_that_hangs_up_leaves_nothing_behind(system: System) -> None:
    body = b'{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP64","data":[6667,2,3]}]}'
    with idle(system, LIMIT, HEAD.replace(b"100", b"%d" % len(body)) + body):
        time.sleep(0.1)
    wait_until(lambda: system.row([1, 2, 3]).status == 200, 20, "the queue is free again")


def test_large_and_deep_bodies(system: System) -> None:
    for packed in (False, True):  # told by its length, or found out while it unpacks
        body = b'{"inputs":' + b" " * 100_000_000 + b"}"
        status, identity = post_large(system, gzip.compress(body, 1) if packed else body, packed)
        assert status == 413
        assert [r["status"] for r in system.journal("row") if r["id"] == identity] == [413]
    for deep in (b'{"inputs":' + b"[" * 200_000 + b"]" * 200_000 + b"}", b'{"a":' * 5000 + b"1" + b"}" * 5000):
        answer = system.post("/v2/models/row/infer", deep)
        assert answer.status == 400 and "not valid JSON" in answer.json()["error"], answer.body[:200]
    nested = b'{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP64","data":' + b"[" * 500 + b"1" + b"]" * 500 + b"}]}"
    answer = system.post("/v2/models/row/infer", nested)
    assert answer.status == 400, answer.body[:200]
    assert system.row([1, 2, 3]).status == 200


def post_large(system: System, body: bytes, packed: bool) -> tuple[int, str]:
    """Status and prediction id, though the answer comes (and the connection ends) before the body is sent."""
    parts = urlsplit(system.http)
    coding = b"content-encoding: gzip\r\n" if packed else b""
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30) as sock:
        head = HEAD.replace(b"content-length: 100\r\n", coding + b"content-length: %d\r\n" % len(body))
        with contextlib.suppress(ConnectionError):
            sock.sendall(head)
            time.sleep(0.3)
            sock.sendall(body)
        answer = sock.recv(65536).decode()
    found = re.search(r"tidegate-prediction-id: (\S+)", answer)
    return int(answer.split(" ")[1]), found[1] if found else ""
