"""Alarms, monitors and drift in a real browser: an incident is judged, a threshold is dragged over the past, saved and undone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support import incident_maker
from tests.support.browser import Chromium, browser, go
from tests.support.monitored import Endpoint
from tests.support.web import Web

from tidegate.monitoring.changes import fresh
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import MonitoringStore
from tidegate.types.monitoring import Rule

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

HOUR = 3600.0
MISSING = "loan/input.missing.age"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    layout = Layout(tmp_path_factory.mktemp("alarms") / "state")
    now = time.time() // HOUR * HOUR
    endpoint = Endpoint(layout)
    for back in range(48, 0, -1):
        endpoint.serve(
            100,
            now - back * HOUR,
            missing=0.6 if back in (9, 10) else 0.1 if back == 30 else 0.0,
            moved=20.0 if back < 6 else 0.0,
        )
    endpoint.store.roll_up(now)
    endpoint.serve(500, time.time() - 120, moved=20.0)
    endpoint.close()
    with closing(MonitoringStore(layout)) as store:
        store.put_monitor(fresh("loan", "input.missing.age", Rule(max=0.3, over=HOUR), reason="the feed"), "ada")
    incident_maker.keep(layout)
    with Web(layout) as web:
        yield web


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Chromium]:
    with browser(tmp_path) as chromium:
        yield chromium


def monitor(web: Web) -> Rule:
    with closing(MonitoringStore(web.layout)) as store:
        found = store.monitor(MISSING)
    assert found is not None and found.rule is not None
    return found.rule


def answer(page: Page, reason: str = "") -> None:
    """Fill in the dialog's reason and say yes."""
    dialog = page.locator("dialog[open]")
    if reason:
        dialog.locator("textarea").fill(reason)
    dialog.locator("button[type=submit]").click()
    dialog.wait_for(state="hidden")


def test_a_threshold_is_dragged_over_the_past_saved_and_undone(web: Web, chromium: Chromium) -> None:
    page = chromium.page(f"{web.url}/monitors/edit?id={MISSING}&window=2d")
    words = page.locator(".tg-lead")
    words.get_by_text("would have told once").wait_for()
    grip = page.locator(".tg-grip")
    place = grip.bounding_box()
    assert place is not None
    x, y = place["x"] + 9, place["y"] + 9
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 40, steps=5)
    page.mouse.move(x, y + 95, steps=5)
    words.get_by_text("would have told twice").wait_for()  # while it is held
    assert monitor(web).max == 0.3
    page.mouse.up()
    page.locator(".tg-toast").wait_for(state="detached")
    grip.focus()
    page.keyboard.press("ArrowUp")
    page.get_by_role("textbox", name="Alarm above").fill("5%")
    words.get_by_text("above 5%").wait_for()
    page.get_by_role("button", name="Save…").click()
    answer(page, "it should tell of more")
    page.get_by_role("cell", name=re.compile("above 5%.*it should tell of more")).wait_for()
    assert monitor(web).max == 0.05
    page.get_by_role("button", name="Undo…").click()
    answer(page)
    words.get_by_text("above 30%").wait_for()
    assert monitor(web).max == 0.3
    page.get_by_role("textbox", name="Alarm above").fill("many")
    page.get_by_text("'many' is not a number").wait_for()


def test_an_incident_is_taken_on_and_called_real(web: Web, chromium: Chromium) -> None:
    page = chromium.page(f"{web.url}/alarms")
    page.get_by_text("2 input columns moved").click()
    page.get_by_role("button", name="Take on…").click()
    answer(page, "looking at the feed")
    page.locator(".tg-pill", has_text="acknowledged").first.wait_for()
    page.get_by_role("button", name="Real…").click()
    page.locator("dialog[open] button[type=submit]").click()
    page.get_by_text("Reason: say a word, please").wait_for()
    answer(page, "the feed sent Celsius")
    page.locator(".tg-timeline").get_by_text("ui:local called it real").wait_for()
    page.locator(".tg-timeline").get_by_text("the feed sent Celsius").wait_for()
    go(page, f"{web.url}/alarms")
    page.get_by_text("Nothing is wrong").wait_for()
    page.get_by_role("button", name="Silence…").click()
    page.get_by_label("Monitors or endpoint").fill("loan/*")
    answer(page, "a backfill")
    page.get_by_text("loan/*", exact=True).click()
    answer(page)
    page.get_by_text("Nothing is silenced").wait_for()


def test_the_only_endpoint_is_shown_and_a_column_by_its_address(web: Web, chromium: Chromium) -> None:
    page = chromium.page(f"{web.url}/drift", phone=True)
    page.wait_for_url("**/drift/loan")
    go(page, f"{web.url}/drift/loan?window=24h&column=colour")
    page.get_by_role("heading", name="colour").wait_for()
    page.get_by_text("How fast it changes").wait_for()
    go(page, f"{web.url}/drift/loan?window=24h&column=nothing")
    page.get_by_text("loan has no column 'nothing'").wait_for()
