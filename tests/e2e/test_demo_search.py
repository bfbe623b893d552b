"""`tidegate demo search`: the page, the model behind it and the log, all real."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
from rich.console import Console

from tidegate.client import Client
from tidegate.demo import data
from tidegate.demo.search import figures
from tidegate.demo.search.cli import ENDPOINT, agrees, drive
from tidegate.demo.search.drive import Done
from tidegate.demo.search.server import Shop
from tidegate.errors import StateError
from tidegate.storage.layout import Layout
from tidegate.views.log_query import query

pytestmark = pytest.mark.xdist_group("demo_search")


class Running:
    """`tidegate demo search` as a process: where its page is, and the log behind it."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tidegate", "demo", "search", "--workdir", str(folder), "--port", "0"]
        env = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        assert self.process.stdout is not None
        said = ""
        while "Ctrl-C ends it" not in said:
            line = self.process.stdout.readline()
            assert line, said
            said += line
        self.url = next(word for line in said.splitlines() if "Ctrl-C ends it" in line for word in line.split())
        self.layout = Layout(folder / ".tidegate")
        processes = json.loads(self.layout.processes.read_text())
        self.supervisor, self.gateway = processes["supervisor"], processes["http"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    try:
        file = data.fetch(Path(__file__).parents[2] / ".demo")
    except StateError as exc:
        pytest.skip(f"NO DATA, SO THE SEARCH DEMO IS NOT TESTED: {exc}")
    folder = tmp_path_factory.mktemp("search")
    shutil.copy(file, folder)
    started = Running(folder)
    try:
        yield started
    finally:
        started.process.terminate()
        try:
            started.process.wait(60)
        finally:
            started.process.kill()


def test_the_log_says_what_the_searchers_did(running: Running, tmp_path: Path) -> None:
    console = Console(record=True, width=120, file=(tmp_path / "said").open("w"))
    report = tmp_path / "figures" / "report.json"
    with Client(f"http://{running.gateway.removeprefix('http://')}") as client:
        shop = Shop(client, ENDPOINT, [], lambda: figures.read(running.layout, ENDPOINT))
        assert drive(running.url, shop, 60, console, report) == 0
    said = console.export_text()
    assert "behaviour.click" in said and "each search and each event is in the log once" in said
    found = msgspec.json.decode(report.read_bytes(), type=figures.Figures)
    values = {figure.id: figure for figure in found.metrics}
    assert list(values) == list(figures.METRICS)
    clicks = values["behaviour.click"]
    assert clicks.value == pytest.approx(found.events["click"] / found.searches)
    assert clicks.low is not None and clicks.high is not None and clicks.low < clicks.value < clicks.high
    assert set(found.events) == {"click", "redo", "typed"} and found.empty > 0
    assert not agrees(found, Done(searches=found.searches + 1)), "a search that is missing would be told"


def test_a_search_its_click_and_the_click_again_count_once(running: Running) -> None:
    before = figures.read(running.layout, ENDPOINT)
    with httpx.Client(base_url=running.url) as http:
        found = http.post("/api/search", json={"query": "overturned truck", "session": "s"}).json()
        assert found["found"] > 100 and len(found["results"]) == 10
        assert "overturned" in found["results"][0]["text"].lower() and 1 <= found["results"][0]["severity"] <= 4
        click = {"prediction": found["prediction"], "name": "click", "rank": 3, "key": "twice"}
        assert [http.post("/api/event", json=click).json() for _ in range(2)] == [{"accepted": 1}] * 2
        after = http.get("/api/figures").json()
    assert after["searches"] == before.searches + 1
    assert after["events"]["click"] == before.events.get("click", 0) + 1


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/api/search", {"query": "  "}, 400, "query is empty"),
        ("/api/search", {"text": "a"}, 400, "unknown field"),
        ("/api/event", {"prediction": "p", "name": "shrug"}, 400, "click, redo, typed"),
        ("/api/event", {"prediction": "p", "name": "click"}, 400, "rank is missing"),
        ("/api/event", {"prediction": "", "name": "redo"}, 400, "prediction_id"),
        ("/api/other", {}, 404, "no such page"),
    ],
)
def test_what_is_wrong_is_said(running: Running, path: str, body: dict[str, Any], status: int, says: str) -> None:
    answer = httpx.post(running.url + path, json=body)
    assert answer.status_code == status and says in answer.json()["error"]


def test_the_page_may_do_nothing_but_its_own_work(running: Running) -> None:
    answer = httpx.get(running.url)
    rules = answer.headers["content-security-policy"]
    assert "default-src 'none'" in rules and rules.count("'sha256-") == 2 and "unsafe" not in rules
    for outside in ("http://", "https://", " style=", " onclick="):
        assert outside not in answer.text, "all it needs is in it"


def test_other_sites_are_refused(running: Running) -> None:
    form = httpx.post(running.url + "/api/search", data={"query": "a"})
    assert form.status_code == 415
    connection = http.client.HTTPConnection(urlsplit(running.url).netloc)
    connection.request("GET", "/", headers={"host": "evil.example:80"})
    assert connection.getresponse().status == 403
    connection.close()


def test_the_words_of_the_queries_are_described_in_the_log(running: Running) -> None:
    for words in (
        "lane blocked near the airport",
        "truck fire on the bridge to the city",
        "hit and run on main street",
    ):
        httpx.post(running.url + "/api/search", json={"query": words}).raise_for_status()
    rows = query(running.layout, f"select query_words from {ENDPOINT} where query = 'hit and run on main street'")
    assert rows["query_words"].to_list() == [6]


def test_an_interrupt_ends_all_that_was_started(running: Running) -> None:
    running.process.terminate()  # SIGTERM is taken as Ctrl-C is, so this tests both
    rest, _ = running.process.communicate(timeout=60)
    assert running.process.returncode == 130 and "has ended" in rest and "Traceback" not in rest
    with pytest.raises(ProcessLookupError):
        os.kill(running.supervisor, 0)
