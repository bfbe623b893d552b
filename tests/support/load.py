"""Callers under load who write down what was acknowledged: threads with keep-alive connections that reconnect when they must.

Load(url).start() ... .stop() -> acknowledged ids, statuses, dropped (sent whole, never answered), refused (nobody listened)
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.support.system import System
from tidegate.storage.layout import Layout
from tidegate.storage.log.tables import predictions
from tidegate.views.log import query


class Answered(NamedTuple):
    """One answer: when (CLOCK_MONOTONIC), its status, its prediction id, the version that gave it."""

    at: float
    status: int
    id: str
    version: str
    seconds: float


def row_body(*row: float) -> bytes:
    """A v2 body for the `row` model."""
    data = list(row or (1.0, 2.0, 3.0))
    return json.dumps({"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": data}]}).encode()


class Load:
    """`callers` threads, each one request after another on one connection. `pause` seconds between an answer and the next request."""

    def __init__(
        self,
        url: str,
        path: str = "/v2/models/row/infer",
        *,
        callers: int = 4,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        pause: float = 0.002,
    ) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 0)
        self._path = path
        self._body = body or row_body()
        self._headers = {"content-type": "application/json", **(headers or {})}
        self._pause = pause
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(callers)]
        self.answers: list[Answered] = []
        self.dropped: list[tuple[float, str]] = []
        self.refused = 0

    def start(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def end(self) -> None:
        """No further requests; what is in flight is waited for by `stop`."""
        self._end.set()

    def stop(self) -> Load:
        self.end()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a caller waits for an answer that never comes"
        return self

    def __enter__(self) -> Load:
        return self.start()

    def __exit__(self, *_: Any) -> None:
        self.stop()

    @property
    def acknowledged(self) -> list[str]:
        """Ids of the predictions that were answered with 200."""
        return [answer.id for answer in list(self.answers) if answer.status == 200]

    @property
    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer in list(self.answers))

    def failures(self) -> list[Answered]:
        """Answers other than 200."""
        return [answer for answer in list(self.answers) if answer.status != 200]

    def _call(self) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=40)
        while not self._end.is_set():
            try:
                if connection.sock is None:
                    connection.connect()
            except OSError:
                self.refused += 1
                connection.close()
                time.sleep(0.02)
                continue
            began = time.monotonic()
            try:
                connection.request("POST", self._path, self._body, self._headers)
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as exc:
                self.dropped.append((time.monotonic(), f"{type(exc).__name__}: {exc}"))
                connection.close()
                continue
            now = time.monotonic()
            self.answers.append(
                Answered(
                    now,
                    response.status,
                    response.getheader("tidegate-prediction-id") or "",
                    response.getheader("tidegate-model-version") or "",
                    now - began,
                )
            )
            if self._pause:
                time.sleep(self._pause)
        connection.close()


def logged(layout: Layout, endpoint: str = "row") -> Counter[str]:
    """How often each prediction id is in the prediction log, as `tidegate log query` would say."""
    frame = query(layout, f'select prediction_id, count(*) as n from "{endpoint}" group by prediction_id')
    return Counter(dict(zip(frame["prediction_id"].to_list(), frame["n"].to_list(), strict=True)))


def in_table(layout: Layout, endpoint: str = "row") -> Counter[str]:
    """How often each prediction id is in the Delta table alone, without what is still in the journal."""
    table = predictions(layout, endpoint)
    table.open()
    rows = table.scan()
    return Counter(rows.select("prediction_id").collect()["prediction_id"].to_list() if rows is not None else [])


def assert_exactly_once(system: System, acknowledged: list[str], endpoint: str = "row", *, table: bool = False) -> None:
    """Every acknowledged id is in the log once, and nothing is there twice. `table`: in the Delta table itself."""
    assert acknowledged, "nothing was acknowledged: this proves nothing"
    assert len(set(acknowledged)) == len(acknowledged)
    counts = (in_table if table else logged)(system.layout, endpoint)
    missing = [id for id in acknowledged if counts[id] == 0]
    twice = [id for id, count in counts.items() if count > 1]
    assert not missing and not twice, (
        f"{len(missing)} of {len(acknowledged)} acknowledged are missing {missing[:5]}, {len(twice)} are there twice {twice[:5]}"
    )
