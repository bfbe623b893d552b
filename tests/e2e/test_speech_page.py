"""A person at the microphone page: a real Chromium whose microphone is a recording, the real models, the log behind them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import expect
from rich.console import Console
from tests.support.browser import browser

from tidegate.client import Client
from tidegate.demo.page import PageServer
from tidegate.demo.speech import clips as source
from tidegate.demo.speech.cli import prepare
from tidegate.demo.speech.project import ENDPOINT
from tidegate.demo.speech.server import ACTOR, Desk, serve
from tidegate.demo.speech.sound import RATE, wav
from tidegate.demo.system import System
from tidegate.storage.layout import Layout
from tidegate.views.log import query

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("speech-page")]

SAID = "we were all going direct the other way"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PageServer, Layout, Path]]:
    """The page, what is behind it, and the folder of models."""
    folder = tmp_path_factory.mktemp("speech")
    with System(prepare(folder, Console(quiet=True), newer=True)) as system:
        system.wait_ready(ENDPOINT)
        with Client(system.http, timeout=60.0) as client, serve(Desk(client, ENDPOINT)) as page:
            yield page, system.layout, folder / "speech"


def rows(layout: Layout, sql: str, count: int) -> list[dict[str, Any]]:
    """What a query finds, once it finds so many."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = query(layout, sql).to_dicts()
        if len(found) >= count:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{sql} finds {found}")


def test_what_is_said_appears_and_what_the_person_does_with_it_is_in_the_log(
    served: tuple[PageServer, Layout, Path], tmp_path: Path
) -> None:
    page_server, layout, models = served
    clip = next(one for one in source.clips(models) if one.words == SAID and one.condition == "clear")
    silence = np.zeros(RATE // 2, np.float32)
    (tmp_path / "clip.wav").write_bytes(wav(np.concatenate([silence, clip.samples, silence])))
    microphone = [
        "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={tmp_path / 'clip.wav'}",
    ]  # fmt: skip
    with browser(tmp_path, microphone) as chromium:
        page = chromium.page()
        page.goto(page_server.url)
        page.get_by_label("In a car").check()
        page.get_by_role("button", name="Record").click()
        expect(page.get_by_role("status")).to_have_text("Listening…")
        page.wait_for_timeout(4000)  # the microphone plays the recording over and over, in its own time
        page.get_by_role("button", name="Stop").click()
        expect(page.locator(".text")).to_contain_text("going direct", ignore_case=True, timeout=30_000)
        expect(page.locator("ol li").first).to_contain_text("sure")
        page.get_by_role("button", name="Say it again").click()
        page.wait_for_timeout(3500)
        page.get_by_role("button", name="Stop").click()
        expect(page.locator(".sent li", has_text="transcribe")).to_have_count(2, timeout=30_000)
        page.get_by_role("button", name="Type it instead").click()
        page.get_by_label("What you said").fill(SAID)
        page.get_by_role("button", name="Send").click()
        expect(page.locator(".sent li").first).to_contain_text(f"typed with the label “{SAID}”")
        expect(page.locator(".sent li", has_text="not accepted")).to_have_count(0)
    sent = rows(
        layout, f"select prediction_id, condition, audio_duration, text, label_text from {ENDPOINT} order by time", 2
    )
    assert [row["condition"] for row in sent] == ["car noise", "car noise"]
    assert [row["label_text"] for row in sent] == [None, SAID]
    assert all(2.5 < row["audio_duration"] < 6 and "direct" in row["text"] for row in sent)
    events = rows(layout, f"select prediction_id, type, name, actor from {ENDPOINT}_feedback order by received", 3)
    assert [(one["prediction_id"], one["type"], one["name"] or "") for one in events] == [
        (sent[0]["prediction_id"], "event", "redo"),
        (sent[1]["prediction_id"], "event", "typed"),
        (sent[1]["prediction_id"], "label", ""),
    ]
    assert {one["actor"] for one in events} == {ACTOR}


def test_the_page_is_for_this_machine_and_says_what_is_wrong(served: tuple[PageServer, Layout, Path]) -> None:
    page_server, _, _ = served
    url = f"{page_server.url}/api/transcribe"
    for audio, said in (("bm8gYXVkaW8=", "audio: this is no recording that can be read"), ("", "audio: the recording is empty")):
        answer = httpx.post(url, json={"audio": audio})
        assert answer.status_code == 400 and said in answer.json()["error"]
    assert httpx.post(url, content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    assert httpx.get(page_server.url, headers={"host": "elsewhere.example"}).status_code == 403
    wrong = httpx.post(f"{page_server.url}/api/event", json={"prediction": "x", "name": "shout"})
    assert wrong.status_code == 400 and "known: redo, typed" in wrong.json()["error"]
