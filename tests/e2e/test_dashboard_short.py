"""What a person does on a bad day, in a real browser, on real processes: a rollout that stops at an alarm, its story, back, the incident,
a prediction behind it, and what the right answer would have been."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect
from tests.support.browser import Chromium, browser, go
from tests.support.system import System, wait_until
from tests.support.town import HARMFUL, NAMES, ROWS, Town, system

from tidegate.rollout import commands
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.profiles import ProfileStore
from tidegate.storage.rollouts import RolloutStore

pytestmark = pytest.mark.xdist_group("dashboard")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with browser(tmp_path_factory.mktemp("screenshots")) as found:
        yield found


@pytest.fixture(autouse=True)
def clean(chromium: Chromium) -> Iterator[None]:
    """Every test answers for its own pages."""
    yield
    chromium.close()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> Iterator[System]:
    """Incomes have tripled during a rollout, and some people have names that a careless page would run."""
    running = system(tmp_path_factory.mktemp("town"))
    try:
        running.start()
        Town(running).ask(20)
        with closing(ProfileStore(running.layout)) as profiles, closing(RolloutStore(running.layout)) as rollouts:
            wait_until(
                lambda: [v for v in profiles.streams("people") if v.rows >= 20 * ROWS], timeout=60, what="streams"
            )
            commands.start(running.layout, "people", "2", actor="test")
            wait_until(lambda: rollouts.current("people").weight == 50)  # type: ignore[union-attr]
            Town(running, NAMES + HARMFUL).ask(20, factor=3.0)
            wait_until(lambda: rollouts.current("people").reason == "drift", timeout=60, what="the pause")  # type: ignore[union-attr]
        yield running
    finally:
        running.stop()


def act(page: Page, opens: str, verb: str, **fields: str) -> None:
    """Open a dialog, fill it in, and say yes."""
    page.get_by_role("button", name=opens, exact=True).click()
    dialog = page.get_by_role("dialog")
    for label, value in fields.items():
        dialog.get_by_label(label).fill(value)
    dialog.get_by_role("button", name=verb, exact=True).click()
    expect(dialog).to_have_count(0)


def test_a_bad_day(town: System, chromium: Chromium) -> None:
    page = chromium.page(town.control)
    card = page.get_by_role("main")
    expect(card).to_contain_text("needs a person")
    expect(card).to_contain_text("income")

    go(page, f"{town.control}/endpoints/people/rollout")
    main = page.get_by_role("main")
    expect(main).to_contain_text("drift")
    act(page, "Abort…", "Abort", Reason="incomes have tripled")
    with closing(RolloutStore(town.layout)) as rollouts:
        ended = wait_until(lambda: rollouts.current("people").phase == "Degraded" and rollouts.current("people"))  # type: ignore[union-attr]
        assert ended.reason == "aborted"
        assert ended.weight == 0
    expect(main).to_contain_text("incomes have tripled")
    expect(main).to_contain_text("ui:local")

    page.get_by_role("link", name="Alarms").first.click()
    page.get_by_role("cell", name="income").first.click()
    expect(page).to_have_url(f"{town.control}/alarms/1")
    act(page, "Take on…", "Take it on", Note="looking at the source of incomes")
    with closing(MonitoringStore(town.layout)) as store:
        taken = wait_until(lambda: (found := store.incident(1)) and found.acknowledged and found, what="somebody")
    assert (taken.state, taken.actor) == ("acknowledged", "ui:local")
    expect(main).to_contain_text("looking at the source of incomes")

    page.get_by_role("link", name="Log", exact=True).click()
    expect(page).to_have_url(f"{town.control}/log/people")
    expect(page.get_by_role("row").nth(2)).to_be_visible()
    for key in ("j", "j", "k", "Enter"):  # as somebody whose hands stay on the keys
        page.keyboard.press(key)
    expect(main).to_contain_text("None has come yet.")
    act(page, "Label…", "Label", **{"The right answer": "0.25"})
    expect(main).to_contain_text("0.25")
    (line,) = [text for path in town.layout.journal.glob("web-*.ndjson") for text in path.read_text().splitlines()]
    assert '"actor":"ui:local"' in line and page.url.rpartition("/")[2] in line
