"""The review page at the keys: pictures, recordings and texts are decided with one key each; what is wrong is taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support import review_maker as maker
from tests.support.browser import Chromium, browser
from tests.support.system import System, wait_until

from tidegate.storage.review import ReviewStore, Task

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("review page")]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    running = System(tmp_path_factory.mktemp("review"), maker.project())
    (running.folder / "asked.py").write_text(maker.MODELS)
    try:
        running.start()
        for seed in range(4):
            assert running.post("/v2/models/pictures/infer", maker.body("image", maker.picture(seed))).status == 202
        running.post("/v2/models/sounds/infer", maker.body("audio", maker.sound()))
        running.post("/v2/models/texts/infer", maker.body("text", "<img src=x onerror=alert(1)> where is it?"))
        running.post("/v2/models/rows/infer", maker.rows(1))
        wait_until(lambda: sum(depth.open for depth in _store(running).depths()) == 7, 15, "seven tasks")
        wait_until(lambda: _up(running), 30, "the web process")
        yield running
    finally:
        running.stop()


def _up(system: System) -> bool:
    try:
        return system.request("GET", f"{system.control}/api/health").status == 200
    except OSError:
        return False


def _store(system: System) -> ReviewStore:
    return ReviewStore(system.layout)


def decided(system: System, queue: str, count: int) -> list[Task]:
    with closing(_store(system)) as store:
        return wait_until(
            lambda: f if len(f := store.listed(queue, state="decided")) == count else None, 10, f"{count} of {queue}"
        )


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Chromium]:
    with browser(tmp_path) as chromium:
        yield chromium


def test_pictures_at_the_keys(system: System, chromium: Chromium) -> None:
    page = chromium.page(f"{system.control}/review/pictures-people")
    page.wait_for_function("document.querySelector('.tg-desk-picture img')?.naturalWidth === 192")
    assert page.get_by_text("The model says scratched").is_visible()
    assert page.locator(".tg-desk-heat rect").count() == 144
    page.keyboard.press("h")
    assert page.locator(".tg-desk-heat").count() == 0
    first = page.locator(".tg-desk-picture img").get_attribute("src")
    page.keyboard.press("2")
    page.wait_for_function(
        "(was) => document.querySelector('.tg-desk-picture img')?.getAttribute('src') !== was", arg=first
    )
    (task,) = decided(system, "pictures-people", 1)
    assert (task.value, task.decided_by) == ("scratched", "ui:local")
    page.keyboard.press("u")
    page.wait_for_function(
        "(was) => document.querySelector('.tg-desk-picture img')?.getAttribute('src') === was", arg=first
    )
    with closing(_store(system)) as store:
        assert store.listed("pictures-people", state="decided") == []
    page.keyboard.press("1")
    assert decided(system, "pictures-people", 1)[0].value == "clean"
    page.get_by_text("1 answered by you").wait_for()
    page.keyboard.press("g")
    page.keyboard.press("l")
    page.wait_for_url("**/log")


def test_recordings_are_heard_and_the_model_says_nothing_there(system: System, chromium: Chromium) -> None:
    page = chromium.page(f"{system.control}/review/sounds-people")
    page.wait_for_function("document.querySelector('audio')?.duration > 1.9")
    drawn = "const c = document.querySelector('canvas'); return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(x => x)"
    page.wait_for_function(f"(() => {{ {drawn} }})()")
    assert page.get_by_text("The model says").count() == 0
    page.keyboard.press("1")
    page.get_by_text("Nothing waits here for you").wait_for()
    assert decided(system, "sounds-people", 1)[0].value == "speech"


def test_texts_are_typed_and_stay_texts(system: System, chromium: Chromium) -> None:
    page = chromium.page(f"{system.control}/review/texts-people", phone=True)
    assert page.get_by_text("<img src=x onerror=alert(1)> where is it?").is_visible()
    page.keyboard.press("/")
    page.keyboard.type("asks where it is")
    page.keyboard.press("Enter")
    assert decided(system, "texts-people", 1)[0].value == "asks where it is"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_new_item_appears_by_itself_and_a_stolen_one_says_so(system: System, chromium: Chromium) -> None:
    page = chromium.page(f"{system.control}/review/rows-people")
    assert page.get_by_text("grant").count() == 1, "two are wanted, so the model's word isn't shown"
    with closing(_store(system)) as store:
        (task,) = store.listed("rows-people")
        for rater in ("ann", "bob"):
            store.claim("rows-people", rater)
        store.answer(task.id, "ann", "grant")
    page.keyboard.press("1")
    page.get_by_text("Nothing waits here for you").wait_for()
    system.post("/v2/models/rows/infer", maker.rows(1))
    page.get_by_role("button", name="grant").and_(page.locator(":enabled")).wait_for(timeout=15_000)


def test_the_queues_on_one_page(system: System, chromium: Chromium) -> None:
    page = chromium.page(f"{system.control}/review")
    for name in ("pictures-people", "sounds-people", "texts-people", "rows-people"):
        page.get_by_role("heading", name=name).wait_for()
    page.get_by_role("link", name="Answer").first.click()
    page.wait_for_url("**/review/pictures-people")
