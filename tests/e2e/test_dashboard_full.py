"""Every page of the dashboard in a real browser: both themes, a phone, somebody who can't see it, somebody who means harm, processes that
die; and who is let in."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.support import incident_maker
from tests.support.browser import AWAY, Chromium, browser, go, ready
from tests.support.system import System, wait_until
from tests.support.town import HARMFUL, NAMES, ROWS, Town, system
from tests.support.web import Web

from tidegate.auth import keys
from tidegate.rollout import commands
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.profiles import ProfileStore
from tidegate.storage.rollouts import RolloutStore
from tidegate.storage.state import StateStore

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dashboard")]

PAGES = (
    "/", "/endpoints/people", "/endpoints/people/rollout", "/rollouts", "/rollouts/1", "/alarms", "/alarms/1", "/monitors",
    "/monitors/edit?id=people/input.mean.age", "/drift", "/drift/people", "/log", "/log/people", "/models", "/models/people/1",
    "/evaluation/people", "/errors/people", "/retraining", "/project/people",
    *(f"/settings?tab={tab}" for tab in ("processes", "notify", "disk", "audit", "keys")),
)  # fmt: skip


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with browser(tmp_path_factory.mktemp("screenshots")) as found:
        yield found


@pytest.fixture(autouse=True)
def clean(chromium: Chromium) -> Iterator[None]:
    """Every test answers for its own pages."""
    yield
    chromium.close()
    try:
        chromium.check()
    finally:
        chromium.expected.clear()
        chromium.wrong.clear()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> Iterator[System]:
    """A rollout that waits for a person, an incident, labels; harmful words in names, labels, notes and reasons."""
    running = system(tmp_path_factory.mktemp("town"))
    try:
        running.start()
        Town(running).ask(20)
        with (
            closing(ProfileStore(running.layout)) as profiles,
            closing(RolloutStore(running.layout)) as rollouts,
            closing(MonitoringStore(running.layout)) as store,
        ):
            wait_until(
                lambda: [v for v in profiles.streams("people") if v.rows >= 20 * ROWS], timeout=60, what="streams"
            )
            commands.start(running.layout, "people", "2", actor="test", reason=HARMFUL[0])
            wait_until(lambda: rollouts.current("people").weight == 50)  # type: ignore[union-attr]
            Town(running, NAMES + HARMFUL).ask(20, factor=3.0)
            wait_until(lambda: store.incidents(open_only=True), timeout=60, what="an incident")
        for number, words in enumerate(HARMFUL):
            asked = running.post("/v2/models/people/infer", body(words))
            told = {"prediction_id": asked.json()["id"], "kind": "label", "value": words, "actor": words}
            assert running.post("/v2/models/people/feedback", told).status < 300
            said = {"match": f"people/input.{number}", "until": time.time() + 3600, "reason": words}
            assert running.post(f"{running.control}/api/silences", said).status == 201
        yield running
    finally:
        running.stop()


def body(name: str) -> dict[str, Any]:
    """One person's question."""
    values = {"name": ("BYTES", name), "age": ("FP64", 40.0), "income": ("FP64", 20_000.0)}
    return {"inputs": [{"name": k, "shape": [1], "datatype": t, "data": [v]} for k, (t, v) in values.items()]}


def settled(page: Page) -> None:
    """Until its questions are answered."""
    expect(page.locator(".tg-skeleton")).to_have_count(0)
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("path", PAGES)
def test_a_page(town: System, chromium: Chromium, path: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    for theme, phone in (("light", False), ("dark", False), ("light", True)):
        page = chromium.page(town.control + path, theme=theme, phone=phone)  # type: ignore[arg-type]
        settled(page)
        main = page.get_by_role("main")
        expect(main).not_to_contain_text("can't be shown")
        expect(main).not_to_contain_text("has more")  # a question or a drawing that failed
        expect(page).to_have_title(re.compile(r"\S · Tidegate$"))
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        assert page.locator("img[src=x], b[onmouseover]").count() == 0
        found = Axe().run(page).response["violations"]
        grave = [
            (v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found if v["impact"] in ("serious", "critical")
        ]
        assert not grave, (theme, phone, grave)
        chromium.close()


def test_harmful_words_are_words(town: System, chromium: Chromium) -> None:
    shown = 0
    page = chromium.page()
    for path in PAGES:
        go(page, town.control + path)
        settled(page)
        shown += sum(words in page.get_by_role("main").inner_text() for words in HARMFUL)
        assert page.title().endswith("· Tidegate"), "a script of somebody else's has run"
        assert page.locator("img[src=x]").count() == 0
    assert shown > 5, "the harmful words aren't shown at all, so nothing was tried"


def test_the_keyboard_reaches_the_content_and_the_pages(town: System, chromium: Chromium) -> None:
    page = chromium.page(town.control)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/alarms")


def another(town: System, kind: str, old: int) -> bool:
    """Whether the supervisor has started it again."""
    return any(p["kind"] == kind and p.get("pid", old) != old for p in town.processes().get("processes", []))


def test_pages_recover_when_processes_die(town: System, chromium: Chromium) -> None:
    chromium.expect(AWAY)
    page = chromium.page(f"{town.control}/rollouts/1")
    main = page.get_by_role("main")
    expect(main).to_contain_text("people")
    page.evaluate("window.unchanged = true")
    old = town.pid("controller")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: another(town, "controller", old), timeout=60, what="a new controller")
    commands.pause(town.layout, "people", actor="test", reason="said to the new one")
    expect(main).to_contain_text("said to the new one", timeout=30_000)
    assert page.evaluate("window.unchanged"), "the page needn't load again for that"

    old = town.pid("web")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: another(town, "web", old), timeout=60, what="a new web process")
    page.wait_for_function("window.unchanged === undefined", timeout=60_000)
    ready(page)
    expect(main).to_contain_text("said to the new one")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, dict[str, tuple[str, Any]]]]:
    """A web process that asks for keys, an open incident, and a key of each role."""
    layout = Layout(tmp_path_factory.mktemp("guarded") / ".tidegate")
    incident_maker.keep(layout)
    made = {name: keys.create(name.split()[0]) for name in ("view", "operate", "operate (lost)", "admin")}
    with closing(StateStore(layout)) as store:
        for _, entry in made.values():
            store.add_key(entry, actor="test")
    with Web(layout, keys="required") as web:
        yield web, made


def sign_in(page: Page, secret: str) -> None:
    """Through the form."""
    page.get_by_label("Key").fill(secret)
    page.get_by_role("button", name="Sign in").click()
    ready(page)


def test_signing_in_and_what_each_role_may(guarded: Any, chromium: Chromium) -> None:
    from axe_playwright_python.sync_playwright import Axe

    web, made = guarded
    chromium.expect(r"status of 401")
    page = chromium.page()
    page.goto(f"{web.url}/alarms/1")
    expect(page).to_have_url(f"{web.url}/signin?next=/alarms/1")
    assert [v["id"] for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")] == []
    narrow = chromium.page(phone=True)
    narrow.goto(f"{web.url}/signin")
    assert narrow.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"
    page.get_by_label("Key").fill("tg_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("isn't known here")
    sign_in(page, made["view"][0])
    expect(page).to_have_url(f"{web.url}/alarms/1")
    expect(page.get_by_role("main")).to_contain_text("age")
    for name in ("Take on…", "Real…", "False…", "Silence…"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    page.get_by_role("button", name=re.compile("Sign out")).click()
    page.wait_for_url("**/signin")
    page.goto(f"{web.url}/alarms")
    expect(page).to_have_url(f"{web.url}/signin?next=/alarms")

    sign_in(page, made["operate"][0])
    go(page, f"{web.url}/alarms/1")
    expect(page.get_by_role("button", name="Take on…")).to_be_visible()


def test_a_key_that_is_revoked_ends_its_open_pages(guarded: Any, chromium: Chromium) -> None:
    web, made = guarded
    chromium.expect(AWAY)
    chromium.expect(r"status of 40[13]")
    secret, entry = made["operate (lost)"]
    page = chromium.page()
    page.goto(f"{web.url}/signin?next=/alarms/1")
    sign_in(page, secret)
    page.get_by_role("button", name="Take on…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    with closing(StateStore(web.layout)) as store:
        store.revoke_key(entry.id, actor="test")
    page.wait_for_url("**/signin*", timeout=15_000)
    with closing(MonitoringStore(web.layout)) as incidents:
        (found,) = incidents.incidents(open_only=True)
    assert found.state == "firing"


def test_a_restart_of_the_web_process_keeps_people_signed_in(guarded: Any, chromium: Chromium) -> None:
    web, made = guarded
    chromium.expect(AWAY)
    page = chromium.page()
    page.goto(f"{web.url}/signin?next=/alarms")
    sign_in(page, made["admin"][0])
    page.evaluate("window.unchanged = true")
    web.restart()
    page.wait_for_function("window.unchanged === undefined", timeout=60_000)
    ready(page)
    expect(page).to_have_url(f"{web.url}/alarms")
    expect(page.get_by_role("button", name=re.compile("Sign out"))).to_be_visible()


def test_what_goes_wrong_in_a_browser_is_found(chromium: Chromium) -> None:
    page = chromium.page()
    page.set_content(
        "<img src='http://example.org/x.png'><script>console.error('heard'); throw Error('thrown')</script>"
    )
    wait_until(lambda: len(chromium.wrong) >= 3)
    with pytest.raises(AssertionError, match=r"(?s)(?=.*example\.org)(?=.*heard)(?=.*thrown)"):
        chromium.check()
    chromium.wrong.clear()
    page.wait_for_timeout(200)
    chromium.wrong.clear()
