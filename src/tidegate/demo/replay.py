"""2017 to 2021 as live traffic: one request a row, at an even rate, over many connections; labels follow as feedback.

    rows of a year, shuffled (seeded) --> one due each 1/speed s --> N workers --> POST infer --> acknowledged, noted
                                                                                     |
                                         labels, DELAY_DAYS later in replay time <---+---> POST feedback, many at a time

With `again`, the years come round until `stop()`: further traffic, marked as such in its rows' subjects.
The file says no more of time than the year, so a year takes rows/speed seconds; a label's delay is its share of that.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np
import polars as pl

from tidegate.demo.data import FEATURES, TARGET, YEAR
from tidegate.demo.progress import Progress
from tidegate.errors import TidegateError

SEED = 17
CONNECTIONS = 16
DELAY_DAYS = 30.0
LONGEST_DELAY = 2.0
"""Seconds, however slowly the years go: a rollout waits four for a label."""
FEEDBACK_BATCH = 500
FEEDBACK_TRIES = 5
ENDPOINT = "severity"
AGAIN = "again-"
"""Before the subject of a row that comes round again, so that no year's quality is counted twice."""


class Sender(Protocol):
    """What the replay needs of a client."""

    async def predict(self, row: dict[str, Any], subject: str) -> str:
        """One row in, and which accident it is; the prediction's id out. Errors: TidegateError."""
        ...

    async def labels(self, labels: list[tuple[str, int]]) -> None:
        """(prediction id, label) pairs. Errors: TidegateError."""
        ...


class Notebook:
    """What was acknowledged, written down outside Tidegate, to be held against its log at the end. A line: id, year."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ids: dict[str, int] = {}
        self._file: TextIO = path.open("w")

    def write(self, prediction_id: str, year: int) -> None:
        self.ids[prediction_id] = year
        self._file.write(f"{prediction_id} {year}\n")

    def flush(self) -> None:
        """What was written so far can be read."""
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class Replay:
    """One run. `progress` is kept up to date; `stop()` ends it early."""

    def __init__(
        self, frame: pl.DataFrame, sender: Sender, progress: Progress, notebook: Notebook, again: bool = False
    ) -> None:
        self._frame = frame
        self._sender = sender
        self._progress = progress
        self._notebook = notebook
        self._due: list[tuple[float, str, int]] = []  # a heap: when the label becomes known, prediction id, label
        self._traffic_done = asyncio.Event()
        self._again = again
        self._stopped = False

    def stop(self) -> None:
        """Send no further row; what is under way is answered, and labels that are owed are posted."""
        self._stopped = True

    async def run(self) -> None:
        """Send everything, then the labels still owed. Errors of requests are counted, not raised."""
        progress = self._progress
        progress.started = time.monotonic()
        queue: asyncio.Queue[tuple[int, int, dict[str, Any], int]] = asyncio.Queue(maxsize=CONNECTIONS * 4)
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(self._post_labels()), tasks.create_task(self._count())]
            workers = [tasks.create_task(self._work(queue)) for _ in range(CONNECTIONS)]
            await self._pace(queue)
            await queue.join()
            for worker in workers:
                worker.cancel()
            progress.ended = time.monotonic()
            self._traffic_done.set()
            await beside[0]
            beside[1].cancel()

    async def _pace(self, queue: asyncio.Queue[tuple[int, int, dict[str, Any], int]]) -> None:
        due = time.monotonic()
        for index, number, row, label in self._rows():
            if self._stopped:
                return
            await queue.put((index, number, row, label))
            due += 1.0 / self._progress.speed
            wait = due - time.monotonic()
            if wait > 0.002:  # shorter naps cost more than they space out
                await asyncio.sleep(wait)
            elif wait < -1.0:
                due = time.monotonic()  # it can't be kept up: go as fast as answers come, with no burst later

    def _rows(self) -> Iterator[tuple[int, int, dict[str, Any], int]]:
        while True:
            for index, year in enumerate(self._progress.years):
                for number, row, label in rows_of(self._frame, year.year, year.rows):
                    yield index, number, row, label
            if not self._again:
                return

    async def _work(self, queue: asyncio.Queue[tuple[int, int, dict[str, Any], int]]) -> None:
        progress = self._progress
        prefix = AGAIN if self._again else ""
        while True:
            index, number, row, label = await queue.get()
            year = progress.years[index]
            sent = time.monotonic()
            try:
                prediction_id = await self._sender.predict(row, f"{prefix}{year.year}-{number:05d}")
            except TidegateError as exc:
                progress.errors[type(exc).__name__] += 1
            else:
                now = time.monotonic()
                progress.answered((now - sent) * 1e3)
                self._notebook.write(prediction_id, year.year)
                delay = min(DELAY_DAYS / 365.0 * year.rows / progress.speed, LONGEST_DELAY)
                heapq.heappush(self._due, (now + delay, prediction_id, label))
            finally:
                progress.sent += 1
                year.sent += 1
                queue.task_done()

    async def _post_labels(self) -> None:
        failures = 0
        while self._due or not self._traffic_done.is_set():
            owed = (
                self._traffic_done.is_set()
            )  # replay time ends with the traffic: what is still owed is posted at once
            ripe = self._ripe(time.monotonic() if not owed else float("inf"))
            try:
                if ripe:
                    await self._sender.labels([(prediction_id, label) for _, prediction_id, label in ripe])
                    self._progress.labels_sent += len(ripe)
                failures = 0
            except TidegateError as exc:
                self._progress.errors[f"{type(exc).__name__} (feedback)"] += 1
                failures += 1
                if owed and failures >= FEEDBACK_TRIES:
                    return
                for item in ripe:  # a label is idempotent, so it can be posted again
                    heapq.heappush(self._due, item)
            if failures or (len(ripe) < FEEDBACK_BATCH and not owed):
                await asyncio.sleep(0.25)

    def _ripe(self, now: float) -> list[tuple[float, str, int]]:
        found: list[tuple[float, str, int]] = []
        while self._due and len(found) < FEEDBACK_BATCH and self._due[0][0] <= now:
            found.append(heapq.heappop(self._due))
        return found

    async def _count(self) -> None:
        before, last = 0, time.monotonic()
        while True:
            await asyncio.sleep(1.0)
            now, count = time.monotonic(), self._progress.acknowledged
            self._progress.history.append((count - before) / (now - last))
            before, last = count, now


def rows_of(frame: pl.DataFrame, year: int, count: int) -> Iterator[tuple[int, dict[str, Any], int]]:
    """`count` rows of a year, shuffled the same way every time: (number within the year, features, label)."""
    rows = frame.filter(pl.col(YEAR) == year)
    order = np.random.default_rng((SEED, year)).permutation(rows.height)[:count]
    chosen = rows[order]
    labels = chosen[TARGET].to_list()
    for number, row in enumerate(chosen.select(FEATURES).iter_rows(named=True)):
        yield number, row, labels[number]
