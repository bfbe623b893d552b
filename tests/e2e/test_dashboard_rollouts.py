"""Rollouts and models in a real browser: a rollout is read, paused and taken back; a version's page starts the next one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.browser import Chromium, browser, go
from tests.support.rollout_maker import HARM, judgement, keep, state
from tests.support.web import Web

from tidegate import app
from tidegate.auth import keys
from tidegate.storage.layout import Layout
from tidegate.storage.rollouts import Change, RolloutStore
from tidegate.storage.state import StateStore
from tidegate.types.rollouts import Example, RolloutState

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

SCRIPT = "<img src=x onerror=\"document.title='run'\">"
PROJECT = """
project: p
models:
  severity: {versions: {"1": {path: "a:b"}, "2": {path: "a:c"}, "3": {path: "a:d"}}}
endpoints:
  severity: {model: severity, split: {"1": 100}}
  other: {model: severity, split: {"1": 100}}
"""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp("rollouts")
    layout = Layout(folder / "state")
    app.apply(layout, PROJECT, base=folder, actor="ana")
    with Web(layout) as web:
        yield web


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Chromium]:
    with browser(tmp_path) as chromium:
        yield chromium


def act(page: Page, opens: str, verb: str, reason: str = "") -> None:
    """Open a dialog, give a reason, say yes."""
    page.get_by_role("button", name=opens, exact=True).click()
    dialog = page.locator("dialog[open]")
    if reason:
        dialog.locator("textarea").fill(reason)
    dialog.get_by_role("button", name=verb, exact=True).click()
    dialog.wait_for(state="hidden")


def said(page: Page, words: str) -> None:
    """Until the sentence on top says it."""
    page.locator(".tg-lead").get_by_text(words).wait_for()


def newest(web: Web, endpoint: str) -> RolloutState:
    with closing(RolloutStore(web.layout)) as store:
        found = store.current(endpoint)
    assert found is not None
    return found


def test_a_rollout_is_read_paused_and_taken_back(web: Web, chromium: Chromium) -> None:
    made = keep(web.layout, state(), examples=2)
    with closing(RolloutStore(web.layout)) as store:
        bad = Example("a-9", "error", "2", "canary", 500, SCRIPT, made.created + 3999)
        store.write(Change(made, examples=[bad]))
    page = chromium.page(f"{web.url}/endpoints/severity/rollout")
    said(page, "Version 2 gets 5% of the traffic of severity")
    assert page.locator(".tg-step[aria-current=step]").inner_text().startswith("pause 10m, 100 units")
    page.locator(".tg-metric canvas").nth(4).wait_for()
    error = page.locator(".tg-metric", has=page.get_by_role("heading", name="error", exact=True))
    assert "4 of 1,240 units" in error.inner_text()
    page.get_by_text(SCRIPT).wait_for()  # as words
    act(page, "Pause…", "Pause", "the release of the app")
    said(page, "A person paused it: version 2 stays at 5%.")
    assert (newest(web, "severity").phase, newest(web, "severity").reason) == ("Paused", "person")
    act(page, "Abort…", "Abort", "odd answers")
    said(page, "A person gave all traffic of severity back to version 1.")
    ended = newest(web, "severity")
    assert (ended.phase, ended.weight) == ("Degraded", 0.0) and "odd answers" in ended.message
    page.get_by_role("button", name="Retry…", exact=True).wait_for()
    assert page.title().startswith("Rollout")


def test_a_decision_has_an_address_of_its_own(web: Web, chromium: Chromium) -> None:
    ended = state(endpoint="other", phase="Degraded", reason="alarm", message="error: 31 of 1,240 were bad", weight=0.0)
    made = keep(web.layout, ended, judgement(error=HARM + 2))
    page = chromium.page(f"{web.url}/rollouts/{made.id}#decision-2", phone=True)
    target = page.locator("#decision-2:target")
    target.wait_for()
    target.get_by_text("31 of 1,240 were bad").wait_for()
    page.get_by_text("past the line at 300").wait_for()
    page.locator(".tg-step-failed").get_by_text("ended here").wait_for()
    assert page.get_by_role("button", name="Retry…").is_hidden()  # the evidence stands
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    go(page, f"{web.url}/rollouts")
    page.get_by_text("error: 31 of 1,240 were bad").wait_for()


def test_a_version_s_page_starts_a_rollout_after_its_plan(web: Web, chromium: Chromium) -> None:
    page = chromium.page(f"{web.url}/models")
    page.get_by_role("cell", name="3", exact=True).click()
    page.wait_for_url("**/models/severity/3")
    page.locator(".tg-timeline").get_by_text("Added to the project").wait_for()
    act(page, "Unload…", "Unload")
    page.get_by_role("button", name="Load…", exact=True).wait_for()
    with closing(StateStore(web.layout)) as store:
        assert store.desired().unloaded == ["severity:3"]
    before = newest_ids(web)
    page.get_by_role("button", name="Start a rollout…").click()
    dialog = page.locator("dialog[open]")
    dialog.locator("select").select_option("other")
    dialog.get_by_role("button", name="See the plan").click()
    plan = page.locator("dialog[open]", has_text="other: version 1 → 3?")
    assert "no traffic in the last day" in plan.inner_text()
    assert newest_ids(web) == before
    plan.locator("textarea").fill("a better one")
    plan.get_by_role("button", name="Start the rollout").click()
    page.wait_for_url("**/endpoints/other/rollout")
    said(page, "Version 3 is to take over other; it hasn't begun.")
    begun = newest(web, "other")
    assert (begun.canary, begun.actor) == ("3", "ui:local")
    with closing(StateStore(web.layout)) as store:
        assert store.desired().unloaded == []


def newest_ids(web: Web) -> list[int]:
    with closing(RolloutStore(web.layout)) as store:
        return [one.id for one in store.history(None)]


def test_a_freeze_is_made_and_ended(web: Web, chromium: Chromium) -> None:
    page = chromium.page(f"{web.url}/rollouts")
    act(page, "Freeze…", "Freeze", "the quarter's end")
    page.get_by_role("cell", name="everything").click()
    page.locator("dialog[open]").get_by_role("button", name="End it").click()
    page.get_by_text("The freeze has ended.").wait_for()
    with closing(RolloutStore(web.layout)) as store:
        assert store.freezes(time.time()) == []


def test_names_that_would_run_are_words(web: Web, chromium: Chromium) -> None:
    made = keep(web.layout, state(endpoint="named", canary=SCRIPT, message=SCRIPT))
    page = chromium.page(f"{web.url}/rollouts/{made.id}", theme="dark")
    said(page, f"Version {SCRIPT} gets 5%")
    assert "run" not in page.title()


def test_who_may_only_look_sees_no_act(tmp_path: Path, chromium: Chromium) -> None:
    layout = Layout(tmp_path / "state")
    app.apply(layout, PROJECT, base=tmp_path, actor="ana")
    made = keep(layout, state())
    secret, entry = keys.create("view")
    with closing(StateStore(layout)) as store:
        store.add_key(entry, actor="test")
    with Web(layout, keys="required") as web:
        page = chromium.page()
        page.goto(f"{web.url}/rollouts/{made.id}")
        page.locator("input[name=key]").fill(secret)
        page.keyboard.press("Enter")
        said(page, "Version 2 gets 5%")
        page.locator(".tg-metric canvas").first.wait_for()
        for name in ("Abort…", "Pause…", "Promote…", "Freeze…"):
            assert page.get_by_role("button", name=name).count() == 0
        page.get_by_role("button", name="Print").wait_for()
        go(page, f"{web.url}/models/severity/3")
        page.get_by_text("Added to the project").wait_for()
        assert page.get_by_role("button", name="Start a rollout…").count() == 0
        chromium.close()
