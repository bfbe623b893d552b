"""Monitoring on real processes: clean traffic raises nothing; income that triples is one incident, one message, and a pause."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support.system import System, wait_until

from tidegate.rollout import commands
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.profiles import ProfileStore
from tidegate.storage.rollouts import RolloutStore

pytestmark = pytest.mark.xdist_group("monitoring_live")

ROWS = 200


class Inbox(ThreadingHTTPServer):
    """Keeps what a webhook was sent."""

    def __init__(self) -> None:
        self.notices: list[dict[str, Any]] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                inbox.notices.append(json.loads(body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


class Town:
    """People who ask, by the hundred, in one request."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._draw = np.random.default_rng(7)

    def people(self, count: int, factor: float = 1.0) -> dict[str, Any]:
        return {
            "age": self._draw.normal(40, 10, count).tolist(),
            "income": (self._draw.lognormal(10, 0.5, count) * factor).tolist(),
            "name": self._draw.choice(["Ada", "Ben", "Cleo"], count).tolist(),
        }

    def ask(self, requests: int, factor: float = 1.0) -> None:
        for _ in range(requests):
            columns = self.people(ROWS, factor)
            inputs = [
                {"name": name, "shape": [ROWS], "datatype": "BYTES" if name == "name" else "FP64", "data": values}
                for name, values in columns.items()
            ]
            assert self.system.post("/v2/models/people/infer", {"inputs": inputs}).status == 200


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    server = Inbox()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, inbox: Inbox) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("town")
    version = {"path": "test_models:People", "reference": "train.parquet"}
    made = System(
        folder,
        {
            "project": "town",
            "server": {"http": 0, "grpc": 0, "control": 0, "workers": 1, "drainTimeout": 5},
            "log": {"flushEvery": "500ms"},
            "monitoring": {
                "budget": {"falseAlarms": 2, "per": "month"},
                "thresholds": {"people/input.mean.age": {"max": 60, "over": "1m", "minRows": 100}},
                "notify": [{"to": f"webhook+http://127.0.0.1:{inbox.server_address[1]}/hook", "for": "all"}],
            },
            "models": {"people": {"versions": {"1": version, "2": version}}},
            "endpoints": {
                "people": {
                    "model": "people", "split": {"1": 100},
                    "strategy": {"canary": {"steps": [{"setWeight": 50}, {"pause": {"duration": "1h"}}], "noData": "1h"}},
                }
            },
        },
    )  # fmt: skip
    pl.DataFrame(Town(made).people(4000)).write_parquet(folder / "train.parquet")
    try:
        yield made.start()
    finally:
        made.stop()


def tidegate(system: System, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tidegate", "-C", str(system.file), *arguments, "--json"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_from_a_change_to_one_message_and_back(system: System, inbox: Inbox) -> None:
    town = Town(system)
    with (
        closing(ProfileStore(system.layout)) as profiles,
        closing(MonitoringStore(system.layout)) as store,
        closing(RolloutStore(system.layout)) as rollouts,
    ):
        town.ask(20)
        wait_until(lambda: [v for v in profiles.streams("people") if v.rows >= 20 * ROWS], what="streams")
        assert {v.column for v in profiles.streams("people")} >= {"age", "income", "name"}
        assert store.incidents(open_only=True) == [] and inbox.notices == [], "nothing has changed yet"

        commands.start(system.layout, "people", "2", actor="test")
        wait_until(lambda: rollouts.current("people").weight == 50)  # type: ignore[union-attr]
        os.kill(system.pid("monitor"), signal.SIGKILL)  # what it was about to say must still be said, once

        town.ask(20, factor=3.0)
        (incident,) = wait_until(lambda: store.incidents(open_only=True), what="an incident")
        assert "income" in incident.cause and "age" not in incident.cause
        assert incident.findings[0].column == "income"
        wait_until(lambda: store.incident(incident.id).examples, what="examples")  # type: ignore[union-attr]
        wait_until(lambda: rollouts.current("people").reason == "drift", what="the pause")  # type: ignore[union-attr]
        wait_until(lambda: inbox.notices, what="the message")

        shown = tidegate(system, "alarms", "list")
        assert "income" in json.dumps(shown)
        tidegate(system, "alarms", "ack", str(incident.id))
        wait_until(lambda: rollouts.current("people").reason != "drift", what="going on")  # type: ignore[union-attr]
        tidegate(system, "alarms", "resolve", str(incident.id), "--real")
        assert store.incidents(open_only=True) == []
        firing = [notice for notice in inbox.notices if notice["kind"] == "firing"]
        assert len(firing) == 1, "one cause, one message"
        commands.abort(system.layout, "people", actor="test")
