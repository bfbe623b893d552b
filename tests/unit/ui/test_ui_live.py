"""One question for all browsers: asked once a turn, drawn only when its answer changed, and in words when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from nicegui import core

from tidegate.errors import NotFound
from tidegate.ui import live as module
from tidegate.ui.live import Feed, Reader


class Slot:
    """Stands for a place on a page: entered while something is drawn there."""

    def __init__(self) -> None:
        self.parent = self
        self.is_deleted = False

    def __enter__(self) -> Slot:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class Page:
    """Stands for one browser: whether it is open, and the words of its line of problems."""

    def __init__(self) -> None:
        self.is_deleted = False
        self.has_socket_connection = True
        self.problems: dict[object, str] = {}

    def tidegate_problem(self, key: object, words: str) -> None:
        self.problems[key] = words


@pytest.fixture(autouse=True)
def _loop_of_nicegui() -> Iterator[None]:
    before = core.loop
    yield
    core.loop = before
    module._feeds.clear()


def reader(feed: Feed[Any], drawn: list[Any], page: Page) -> Reader[Any]:
    found = Reader(feed, drawn.append, page, Slot())  # type: ignore[arg-type]
    feed.readers.add(found)
    return found


async def turns(feed: Feed[Any], count: int) -> None:
    for _ in range(count):
        feed.hurry()
        await asyncio.sleep(0.03)


def run(test: Any) -> None:
    async def main() -> None:
        core.loop = asyncio.get_running_loop()
        await test()

    asyncio.run(main())


def test_two_browsers_ask_once_and_an_unchanged_answer_is_not_drawn_again() -> None:
    async def test() -> None:
        asked: list[int] = []

        def question() -> int:
            asked.append(1)
            return len(asked) // 3

        feed = Feed("key", question, 60.0)
        first: list[int] = []
        second: list[int] = []
        reader(feed, first, Page())
        reader(feed, second, Page())
        await turns(feed, 4)
        assert first == second == [0, 1]
        assert 4 <= len(asked) <= 5

    run(test)


def test_a_question_that_fails_says_so_and_takes_it_back() -> None:
    async def test() -> None:
        answers: list[Any] = [NotFound("endpoint 'x' is unknown"), ZeroDivisionError(), 7]

        def question() -> int:
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, Exception):
                raise answer
            return int(answer)

        feed = Feed("key", question, 60.0)
        page, drawn = Page(), list[int]()
        reader(feed, drawn, page)
        await asyncio.sleep(0.03)
        assert page.problems == {"key": "endpoint 'x' is unknown"}
        await turns(feed, 1)
        assert "asked again" in page.problems["key"]
        await turns(feed, 1)
        assert page.problems == {"key": ""} and drawn == [7]

    run(test)


def test_a_closed_page_is_drawn_no_more_and_its_question_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        monkeypatch.setattr(module, "KEPT", 0.05)
        asked: list[int] = []
        feed = module._feeds["key"] = Feed("key", lambda: asked.append(1), 0.02)
        page = Page()
        reader(feed, [], page)
        await asyncio.sleep(0.05)
        page.is_deleted = True
        await asyncio.sleep(0.05)
        before = len(asked)
        await asyncio.sleep(0.15)
        assert len(asked) <= before + 1
        assert "key" not in module._feeds

    run(test)


def test_for_a_browser_that_went_away_nothing_is_asked_until_it_is_back() -> None:
    async def test() -> None:
        asked: list[int] = []
        drawn: list[int] = []
        page = Page()

        def question() -> int:
            asked.append(1)
            return len(asked)

        feed = Feed("key", question, 60.0)
        reader(feed, drawn, page)
        await turns(feed, 2)
        page.has_socket_connection = False
        seen = len(asked)
        await turns(feed, 3)
        assert seen and len(asked) == seen
        page.has_socket_connection = True
        await turns(feed, 1)
        assert len(asked) == seen + 1
        assert drawn[-1] == seen + 1

    run(test)


def test_a_page_that_is_still_on_its_way_to_its_browser_is_drawn() -> None:
    async def test() -> None:
        drawn: list[int] = []
        page = Page()
        page.has_socket_connection = False
        feed = Feed("key", lambda: 7, 60.0)
        reader(feed, drawn, page)
        await turns(feed, 1)
        assert drawn == [7]

    run(test)
