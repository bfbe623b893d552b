"""Fifty people at one queue while every process but the supervisor is killed: no item is lost, doubled or given to two by mistake."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
import urllib.error
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.integration.test_automation import MODEL, automated
from tests.support.system import WITH_CONTROL, System, wait_until

from tidegate.storage.review import ReviewStore
from tidegate.views.log import query

pytestmark = pytest.mark.slow

RATERS, REQUESTS, ROWS = 50, 150, 4
KILLED = ("web", "ingest", "monitor", "gateway", "controller", "runner")


def call(system: System, path: str, body: dict[str, Any]) -> Any:
    """Over HTTP, until the web process is there; None for a conflict (somebody was faster)."""
    end = time.monotonic() + 60
    while True:
        try:
            answer = system.request("POST", f"{system.control}/api/review/{path}", body)
        except (OSError, urllib.error.URLError):
            assert time.monotonic() < end, "the web process did not come back"
            time.sleep(0.2)
            continue
        if answer.status == 409:
            return None
        assert answer.status == 200, answer.body
        return answer.json()


def test_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    rule = automated("assist", review={"queue": "inspectors", "overlap": "20%", "choices": ["clean", "scratched"]})
    models = {"inspector": {"versions": {"1": {"path": "inspector:Inspector"}}}}
    system = System(tmp_path, {**WITH_CONTROL, "models": models, "endpoints": {"inspect": rule}})
    (system.folder / "inspector.py").write_text(MODEL)
    accepted: list[str] = []
    given: list[tuple[str, int]] = []
    over = threading.Event()
    wrong: list[BaseException] = []

    def send() -> None:
        rng = random.Random(1)
        while len(accepted) < REQUESTS:
            data = [rng.uniform(-1, 1) for _ in range(ROWS)]
            body = {"inputs": [{"name": "x", "shape": [ROWS], "datatype": "FP64", "data": data}]}
            try:
                answer = system.post("/v2/models/inspect/infer", body)
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)
                continue
            if answer.status == 202:
                accepted.append(answer.json()["id"])
            time.sleep(0.05)

    def rate(name: str) -> None:
        rng = random.Random(name)
        try:
            while not over.is_set():
                found = call(system, "inspectors/claim", {"rater": name, "disputed": rng.random() < 0.2})
                if not found:
                    over.wait(0.3)
                    continue
                task = found[0]["task"]["id"]
                if rng.random() < 0.05:
                    call(system, f"tasks/{task}/skip", {"rater": name})
                    continue
                value = "clean" if rng.random() < 0.8 else "scratched"
                if call(system, f"tasks/{task}/answer", {"rater": name, "value": value}) is not None:
                    given.append((name, task))
                over.wait(rng.uniform(0.05, 0.3))
        except BaseException as exc:
            wrong.append(exc)

    threads = [threading.Thread(target=send)] + [
        threading.Thread(target=rate, args=(f"rater {n}",)) for n in range(RATERS)
    ]
    try:
        system.start()
        for one in threads:
            one.start()
        for kind in KILLED * 2:
            time.sleep(1.5)
            os.kill(system.pid(kind), signal.SIGKILL)
        threads[0].join(120)
        with closing(ReviewStore(system.layout)) as store:

            def all_decided() -> bool:
                found = store.decisions(accepted)
                return len(found) == len(accepted) and all(one.decided for one in found.values())

            wait_until(all_decided, 180, "every accepted request to be decided")
        over.set()
        for one in threads:
            one.join(60)
        assert not wrong, wrong[0]
        with closing(ReviewStore(system.layout)) as store:
            decided = store.listed("inspectors", state="decided", limit=10_000)
            assert len({(one.prediction_id, one.row) for one in decided}) == len(decided)
            assert {one.prediction_id for one in decided} >= set(accepted)
            for one in decided:
                said = store.answers(one.id)
                assert len({answer.rater for answer in said}) == len(said), "nobody answers a thing twice"
                assert len(said) in (one.wanted, one.wanted + 1 if one.wanted > 1 else 1)
        assert all(count == 1 for count in Counter(given).values())
        wait_until(lambda: not _untold(system), 60, "every label")
        labels = query(
            system.layout,
            "SELECT prediction_id, row, count(*) FROM inspect_feedback WHERE type = 'label' GROUP BY ALL",
        )
        assert labels.height == len(decided)
        assert labels[:, 2].max() == 1, "each label once"
    finally:
        over.set()
        system.stop()


def _untold(system: System) -> bool:
    with closing(ReviewStore(system.layout)) as store:
        return bool(store.untold())
