"""A prediction's picture is seen and its recording can be played; what looks like a page stays words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.browser import Chromium, browser
from tests.support.media_maker import keep
from tests.support.web import Web

from tidegate.storage.layout import Layout
from tidegate.storage.state import StateStore

pytestmark = pytest.mark.slow


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    layout = Layout(tmp_path / "state")
    StateStore(layout).close()
    keep(layout, int((time.time() - 60) * 1e9))
    with Web(layout) as web:
        yield web


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Chromium]:
    with browser(tmp_path) as chromium:
        yield chromium


@pytest.mark.parametrize("phone", [False, True])
def test_pictures_are_seen_and_recordings_play(web: Web, chromium: Chromium, phone: bool) -> None:
    page = chromium.page(f"{web.url}/log/loan/two", phone=phone)
    page.wait_for_function("[...document.images].filter(one => one.complete && one.naturalWidth > 0).length === 2")
    assert sorted(page.evaluate("[...document.images].map(one => one.naturalWidth)")) == [8, 80]
    page.evaluate("document.querySelector('audio').load()")
    page.wait_for_function("document.querySelector('audio').duration > 0")
    assert page.evaluate("document.querySelector('audio').duration") == pytest.approx(0.5)
    assert page.get_by_text("onload='alert(1)'").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_is_not_kept_is_said(web: Web, chromium: Chromium) -> None:
    page = chromium.page(f"{web.url}/log/loan/lost")
    assert page.get_by_text("The payload is not kept").is_visible()
    assert page.locator("img, audio").count() == 0


def test_what_is_found_is_saved_as_a_file(web: Web, chromium: Chromium) -> None:
    page = chromium.page(f"{web.url}/log/loan?where=y%20%3D%200")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="csv").click()
    download = waiting.value
    assert download.suggested_filename == "loan.csv"
    lines = Path(download.path()).read_text().splitlines()
    assert len(lines) == 2 and ",two," in f",{lines[1]}"
