"""Questions that pages ask again and again, asked once for all browsers.

    page -- live(question, draw, key) --> Feed(key): one thread asks, every 2 s, while somebody looks
                                            |  only a changed answer
                                            v
                                  draw(answer) in each browser's context

An answer is kept for a while after the last page that asked is gone, so that going back and forth shows it at once.
A question that fails says so on the page, and is asked again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import msgspec
from nicegui import background_tasks, context
from nicegui.client import Client
from nicegui.slot import Slot

from tidegate.errors import TidegateError

T = TypeVar("T")
KEPT = 60.0
"""Seconds that an answer outlives its last reader."""

_log = logging.getLogger("tidegate.ui")
_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="question")
_feeds: dict[Hashable, Feed[Any]] = {}


class Reader(Generic[T]):
    """One browser's interest in an answer. `stop()` ends it; leaving the page does too."""

    def __init__(self, feed: Feed[T], draw: Callable[[T], Any], client: Client, slot: Slot) -> None:
        self._feed = feed
        self._draw = draw
        self._client = client
        self._slot = slot
        self._drawn = -1
        self._met = False

    @property
    def gone(self) -> bool:
        """Whether the page it was on is closed."""
        return self._client.is_deleted or self._slot.parent.is_deleted

    @property
    def away(self) -> bool:
        """Whether its browser was here and isn't now: it may come back, and until then nothing is asked or drawn for it."""
        self._met = self._met or self._client.has_socket_connection
        return self._met and not self._client.has_socket_connection

    def show(self) -> None:
        """Draw what is newest, unless it is drawn."""
        if self._drawn == self._feed.number or self.gone or self.away:
            return
        self._drawn = self._feed.number
        with self._slot:
            problem = self._client_problem()
            if self._feed.error:
                problem(self._feed.key, self._feed.error)
                return
            problem(self._feed.key, "")
            if not self._feed.known:
                return
            try:
                self._draw(self._feed.value)  # type: ignore[arg-type]
            except Exception:
                _log.exception("drawing %s failed", self._feed.key)
                problem(self._feed.key, "This can't be drawn: the log of the web process has more.")

    def stop(self) -> None:
        """Ask no more on behalf of this reader."""
        self._feed.readers.discard(self)

    def again(self) -> None:
        """Ask at once, as after an act."""
        self._feed.hurry()

    def _client_problem(self) -> Callable[[Hashable, str], None]:
        return getattr(self._client, "tidegate_problem", lambda key, words: None)


class Feed(Generic[T]):
    """One question, its newest answer, and who reads it."""

    def __init__(self, key: Hashable, question: Callable[[], T], every: float) -> None:
        self.key = key
        self.question = question
        self.every = every
        self.readers: set[Reader[T]] = set()
        self.value: T | None = None
        self.known = False
        self.error = ""
        self.number = 0
        self._encoded = b""
        self._due = asyncio.Event()
        background_tasks.create(self._run(), name=f"feed {key}")

    def hurry(self) -> None:
        """Don't wait for the next turn."""
        self._due.set()

    async def _run(self) -> None:
        alone = 0.0
        while alone < KEPT:
            alone = 0.0 if self.readers else alone + self.every
            if any(not reader.away for reader in self.readers):
                await self._ask()
            self._due.clear()
            try:
                await asyncio.wait_for(self._due.wait(), self.every)
            except TimeoutError:
                pass
            self.readers = {reader for reader in self.readers if not reader.gone}
        _feeds.pop(self.key, None)

    async def _ask(self) -> None:
        began = time.perf_counter()
        error = ""
        try:
            value = await asyncio.get_running_loop().run_in_executor(_threads, self.question)
        except TidegateError as exc:
            error = str(exc) or type(exc).__name__
        except Exception:
            _log.exception("asking %s failed", self.key)
            error = "This can't be read now: the log of the web process has more. It is asked again."
        if error:
            changed = error != self.error
        else:
            encoded = _encode(value)
            changed = bool(self.error) or not self.known or encoded != self._encoded
            self._encoded, self.value, self.known = encoded, value, True
        self.error = error
        if changed:
            self.number += 1
        for reader in list(self.readers):
            reader.show()
        took = time.perf_counter() - began
        if took > self.every:  # a slow question isn't to keep a thread busy all the time
            await asyncio.sleep(min(took, 30.0))


def live(question: Callable[[], T], draw: Callable[[T], Any], *, key: Hashable, every: float = 2.0) -> Reader[T]:
    """Draw the answer now, if it is known, and whenever it changes.

    `key` names the question together with all that it depends on: browsers with the same key share one answer, whose question
    is the first asker's. `question` runs in a thread and may take its time; `draw` runs in the page, and is to change elements,
    not make them anew.
    """
    feed: Feed[T] | None = _feeds.get(key)
    if feed is None:
        feed = _feeds[key] = Feed(key, question, every)
    reader = Reader(feed, draw, context.client, context.slot)
    feed.readers.add(reader)
    if feed.number:
        reader.show()
    feed.hurry()
    return reader


def forget() -> None:
    """Ask everything that somebody looks at again, at once: after an act of a person."""
    for feed in _feeds.values():
        feed.hurry()


def _encode(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError):
        return repr(value).encode()
