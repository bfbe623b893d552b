"""The speech system as people and programs meet it: the real models, a real Chromium whose microphone is a recording, recordings of
every kind over HTTP, and the log behind them."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import numpy as np
import polars as pl
import psutil
import pytest
import soundfile
from playwright.sync_api import expect
from rich.console import Console
from tests.support.browser import browser

from tidegate.client import Client
from tidegate.client.batch import predict_file
from tidegate.demo.page import PageServer
from tidegate.demo.speech import clips as source
from tidegate.demo.speech.cli import prepare
from tidegate.demo.speech.project import ENDPOINT
from tidegate.demo.speech.server import ACTOR, Desk, serve
from tidegate.demo.speech.sound import RATE, Samples, wav
from tidegate.demo.system import System
from tidegate.storage.layout import Layout
from tidegate.types.processes import Processes
from tidegate.views.log import query

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("speech-page")]

SAID = "we were all going direct the other way"


class Served(NamedTuple):
    """`models`: the folder of models and recordings."""

    page: PageServer
    client: Client
    http: str
    layout: Layout
    models: Path

    @property
    def spoken(self) -> Samples:
        """Somebody who says SAID."""
        return next(one.samples for one in source.clips(self.models) if one.words == SAID and one.condition == "clear")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The newer models behind the page."""
    folder = tmp_path_factory.mktemp("speech")
    with System(prepare(folder, Console(quiet=True), newer=True)) as system:
        system.wait_ready(ENDPOINT)
        with Client(system.http, timeout=60.0) as client, serve(Desk(client, ENDPOINT)) as page:
            yield Served(page, client, system.http, system.layout, folder / "speech")


def rows(layout: Layout, sql: str, count: int) -> list[dict[str, Any]]:
    """What a query finds, once it finds so many."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = query(layout, sql).to_dicts()
        if len(found) >= count:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{sql} finds {found}")


def test_what_is_said_appears_and_what_the_person_does_with_it_is_in_the_log(served: Served, tmp_path: Path) -> None:
    layout, silence = served.layout, np.zeros(RATE // 2, np.float32)
    (tmp_path / "clip.wav").write_bytes(wav(np.concatenate([silence, served.spoken, silence])))
    microphone = [
        "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={tmp_path / 'clip.wav'}",
    ]  # fmt: skip
    with browser(tmp_path, microphone) as chromium:
        page = chromium.page()
        page.goto(served.page.url)
        page.get_by_label("In a car").check()
        page.get_by_role("button", name="Record").click()
        expect(page.get_by_role("status")).to_have_text("Listening…")
        page.wait_for_timeout(4000)  # the microphone plays the recording over and over, in its own time
        page.get_by_role("button", name="Stop").click()
        expect(page.locator(".text")).to_contain_text("the other way", timeout=30_000)
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
    assert all(2.5 < row["audio_duration"] < 6 and "other way" in row["text"] for row in sent)
    events = rows(layout, f"select prediction_id, type, name, actor from {ENDPOINT}_feedback order by received", 3)
    assert [(one["prediction_id"], one["type"], one["name"] or "") for one in events] == [
        (sent[0]["prediction_id"], "event", "redo"),
        (sent[1]["prediction_id"], "event", "typed"),
        (sent[1]["prediction_id"], "label", ""),
    ]
    assert {one["actor"] for one in events} == {ACTOR}


def test_the_page_is_for_this_machine_and_says_what_is_wrong(served: Served) -> None:
    url = f"{served.page.url}/api/transcribe"
    for audio, said in (
        ("bm8gYXVkaW8=", "audio: this is no recording that can be read"),
        ("", "audio: the recording is empty"),
    ):
        answer = httpx.post(url, json={"audio": audio})
        assert answer.status_code == 400 and said in answer.json()["error"]
    assert httpx.post(url, content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    assert httpx.get(served.page.url, headers={"host": "elsewhere.example"}).status_code == 403
    wrong = httpx.post(f"{served.page.url}/api/event", json={"prediction": "x", "name": "shout"})
    assert wrong.status_code == 400 and "known: redo, typed" in wrong.json()["error"]


def file(samples: Samples, rate: int = RATE, **how: str) -> bytes:
    """A sound file; a 16-bit WAV unless told otherwise."""
    out = io.BytesIO()
    soundfile.write(out, samples, rate, **{"format": "WAV", "subtype": "PCM_16", **how})
    return out.getvalue()


def posted(served: Served, audio: bytes, path: str = f"/v2/models/{ENDPOINT}/infer", **more: int) -> httpx.Response:
    """As any client of the protocol would; BYTES travel as base64 in JSON."""
    inputs: list[dict[str, Any]] = [
        {
            "name": "audio",
            "datatype": "BYTES",
            "shape": [1],
            "data": ["data:;base64," + base64.b64encode(audio).decode()],
        },
        *({"name": name, "datatype": "INT64", "shape": [1], "data": [value]} for name, value in more.items()),
    ]
    return httpx.post(served.http + path, json={"inputs": inputs}, timeout=60)


def runners(layout: Layout) -> dict[int, int]:
    """Process id -> bytes in memory."""
    found = msgspec.json.decode(layout.processes.read_bytes(), type=Processes).processes
    return {one.pid: psutil.Process(one.pid).memory_info().rss for one in found if one.kind == "runner" and one.pid}


def test_recordings_of_every_kind_are_understood(served: Served) -> None:
    spoken = served.spoken
    fast = np.repeat(spoken, 3)  # 48 kHz
    kinds = {
        "16 kHz": file(spoken),
        "8 bits": file(spoken, subtype="PCM_U8"),
        "3 channels": file(np.stack([spoken] * 3, axis=1)),
        "48 kHz stereo": file(np.stack([fast, fast], axis=1), 48_000),
        "FLAC": file(spoken, format="FLAC"),
        "quiet": file(spoken * np.float32(0.01), subtype="FLOAT"),
    }
    for kind, audio in kinds.items():
        answer = posted(served, audio)
        assert answer.status_code == 200, (kind, answer.text)
        outputs = {one["name"]: one["data"][0] for one in answer.json()["outputs"]}
        assert "going direct the other way" in outputs["text"], kind
    raw = posted(served, file(spoken)[44:], rate=RATE)
    assert raw.status_code == 200 and "going direct the other way" in raw.text


def test_bad_recordings_are_refused_in_words_and_cost_no_memory(served: Served) -> None:
    before = runners(served.layout)
    hours = np.zeros(2 * 3600 * 8000, np.int16)
    bad = {
        "the recording is empty": b"",
        "this is no recording that can be read": b"not audio, but words",
        "120 minutes; send at most 10, in parts": file(hours, 8000, format="FLAC"),
        "the recording has samples that are no numbers": file(np.full(RATE, np.nan, np.float32), subtype="FLOAT"),
        "100 samples a second": file(np.zeros(100, np.float32), 100),
    }
    for said, audio in bad.items():
        answer = posted(served, audio)
        assert answer.status_code == 400 and list(answer.json()) == ["error"], said
        assert "stage 'vad'" in answer.json()["error"] and said in answer.json()["error"]
    odd = posted(served, bytes(33), rate=RATE)
    assert odd.status_code == 400 and "two for each sample" in odd.json()["error"]
    large = posted(served, bytes(64 << 20))
    assert large.status_code == 413 and "error" in large.json()
    rows = {"instances": [{"audio": {"b64": base64.b64encode(b"words").decode()}}]}
    other = httpx.post(f"{served.http}/v1/models/{ENDPOINT}:predict", json=rows)
    assert other.status_code == 400 and list(other.json()) == ["error"]
    silent = posted(served, file(np.zeros(RATE, np.float32)))
    assert silent.status_code == 200, "silence is a recording; nothing is said in it"
    assert next(one["data"] for one in silent.json()["outputs"] if one["name"] == "text") == [""]
    after = runners(served.layout)
    assert after.keys() == before.keys(), "no runner died of it"
    assert all(after[pid] - size < 200 << 20 for pid, size in before.items()), "two hours were not decoded"


def test_a_file_of_recordings_is_heard_as_each_request_is(served: Served, tmp_path: Path) -> None:
    sent = [file(served.spoken * np.float32(gain), subtype="FLOAT") for gain in (0.02, 0.5)]
    pl.DataFrame({"audio": sent, "condition": ["batch"] * 2}).write_parquet(tmp_path / "in.parquet")
    assert predict_file(served.client, ENDPOINT, tmp_path / "in.parquet", tmp_path / "out.parquet", batch_rows=1) == 2
    for audio in sent:
        assert posted(served, audio).status_code == 200
    asked = (
        f'select t.condition, a.segment from {ENDPOINT} t join "{ENDPOINT}.asr" a on a.part_of = t.prediction_id '
        "order by t.time desc limit 4"
    )
    heard = rows(served.layout, asked, 4)
    assert {row["condition"] for row in heard} == {"batch", None}
    live, batch = ({row["segment"] for row in heard if row["condition"] == where} for where in (None, "batch"))
    assert live == batch, "to the last sample"
