"""What people decided, for callers who wait: those held, and those who ask again.

    hold(id, seconds, done), find(id) --+-- five times a second one question for all of them --> state.db (in a thread)
                                        '--> done(decision), once decided or when its time is up

A task is made a moment after its request was answered, so an id that isn't known yet is looked for a while. The number of
those who wait is bounded; whoever comes on top asks again by themselves.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tidegate.errors import StateError
from tidegate.storage.layout import Layout

if TYPE_CHECKING:
    from tidegate.storage.review import Decision, ReviewStore

PERIOD: Final = 0.2
MOST: Final = 1024
NEW: Final = 5.0
"""Seconds for which an unknown id may yet become a task."""

MINTED: Final = re.compile(r"[0-9a-f]{16,24}-[0-9a-f]{1,16}")
"""A gateway's prediction ids. What isn't one never becomes a task, so nobody waits for it."""

REMEMBERED: Final = 65_536
"""Ids of callers who were told to ask again."""

Done = Callable[["Decision | None"], None]


class Decisions:
    """One per gateway process. All methods are for the event loop's thread."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._store: ReviewStore | None = None
        self._waiting: dict[int, tuple[str, float, bool, Done]] = {}
        self._count = 0
        self._told: dict[str, None] = {}
        self._task: asyncio.Task[None] | None = None

    def told(self, id: str) -> None:
        """A caller was told to ask for this one: it will become a task, however long ingest takes."""
        self._told[id] = None
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]

    def coming(self, id: str) -> bool:
        """Whether a caller of this process was told to ask for it."""
        return id in self._told

    def hold(self, id: str, seconds: float, done: Done, *, decided: bool = True) -> bool:
        """Call `done` with the decision: once it is there whole (or, without `decided`, known at all), else with what is known when the
        time is up. False where too many wait already; `done` isn't called then."""
        if len(self._waiting) >= MOST:
            return False
        self._count += 1
        self._waiting[self._count] = (id, time.monotonic() + seconds, decided, done)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._serve())
        return True

    async def find(self, id: str) -> Decision | None:
        """What is known of one now; of an id that is too new to be known and isn't `coming`, a moment later. Errors: asyncio.QueueFull,
        StateError."""
        if not MINTED.fullmatch(id):
            return None
        loop = asyncio.get_running_loop()
        known = await loop.run_in_executor(None, self._read, [id])
        if id in known or self.coming(id):
            return known.get(id)
        future: asyncio.Future[Decision | None] = loop.create_future()
        if not self.hold(id, NEW, lambda found: None if future.done() else future.set_result(found), decided=False):
            raise asyncio.QueueFull
        return await future

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            asked = list({id for id, *_ in self._waiting.values()})
            try:
                known = await loop.run_in_executor(None, self._read, asked)
            except StateError as exc:  # a locked database: the next question may do
                sys.stderr.write(f"gateway: decisions can't be read: {exc}\n")
                known = {}
            now = time.monotonic()
            for number, (id, until, decided, done) in list(self._waiting.items()):
                found = known.get(id)
                if (found is not None and (found.decided or not decided)) or now >= until:
                    del self._waiting[number]
                    done(found)
            await asyncio.sleep(PERIOD)

    def _read(self, ids: list[str]) -> dict[str, Decision]:
        if self._store is None:
            from tidegate.storage.review import ReviewStore  # the database's library, only where people decide

            self._store = ReviewStore(self._layout)
        return self._store.decisions(ids)
