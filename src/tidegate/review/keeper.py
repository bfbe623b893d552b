"""What the queue needs while nobody looks: late tasks, labels, webhooks, thresholds, steps down.

    each half second:  late tasks     --> first in the queue, or decided as onTimeout says
                       new decisions  --> labels: lines in the journal's slot `review`, each with a key that makes it one
                       whole requests --> the endpoint's webhook, again until it is taken or a day is over
    when decisions came: evidence     --> the threshold from which the model decides
    each two seconds:  named alarms, audited errors --> a step down

It holds nothing that a restart would miss: what was not noted as done is done again, and a label or a delivery that comes twice
counts once.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec

from tidegate.errors import TidegateError
from tidegate.notify.base import NotifyError
from tidegate.notify.urls import fill
from tidegate.notify.webhook import Webhook
from tidegate.review import degrees
from tidegate.review.options import Automated
from tidegate.storage.automation import AutomationStore, Move
from tidegate.storage.journal import JournalWriter
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.review import ReviewStore, Task
from tidegate.types.records import FeedbackRecord

SLOT = "review"
"""Of the journal: it has one writer, the monitor process."""
PERIOD = 0.5
LOOK_EVERY = 2.0
RETRY = (1.0, 300.0)
"""Seconds after which a webhook is tried again: first, and at most."""
GIVE_UP = 86400.0


class Decided(msgspec.Struct, frozen=True):
    """What a webhook is told: a request's decision. `values` a row; `by`: person, model or rule."""

    endpoint: str
    prediction_id: str
    values: list[bool | int | float | str | None]
    by: list[str]
    time: float
    kind: str = "decision"


class Keeper:
    """One per project. `automated` gives the endpoints that have people beside their models, now."""

    def __init__(self, layout: Layout, automated: Callable[[], Mapping[str, Automated]]) -> None:
        self._layout = layout
        self._automated = automated
        self._review: ReviewStore | None = None
        self._degrees: AutomationStore | None = None
        self._alarms: MonitoringStore | None = None
        self._writer: JournalWriter | None = None
        self._posts = ThreadPoolExecutor(2, thread_name_prefix="decisions")
        self._calling: dict[str, Future[None]] = {}
        self._again: dict[str, tuple[float, float]] = {}
        """By prediction id: when a webhook is tried next (steady), and after how long the time after that."""
        self._seen: dict[str, float] = {}
        self._looked = -1e18

    def run(self, stopped: Callable[[], bool]) -> None:
        """Loop until `stopped()`, in a thread of its own."""
        asyncio.run(self._loop(stopped))

    async def _loop(self, stopped: Callable[[], bool]) -> None:
        while not stopped():
            try:
                await self.step(time.time())
            except (TidegateError, OSError) as exc:  # a locked database, a full disk: the next turn tries again
                sys.stderr.write(f"review: {exc}\n")
            await asyncio.sleep(PERIOD)
        self._posts.shutdown(wait=False, cancel_futures=True)
        if self._writer is not None:
            await self._writer.close()

    async def step(self, now: float) -> None:
        """One turn. Errors: TidegateError, OSError."""
        found = self._automated()
        if self._review is None or self._degrees is None or self._alarms is None:
            self._review, self._degrees = ReviewStore(self._layout), AutomationStore(self._layout)
            self._alarms = MonitoringStore(self._layout)
        for endpoint, one in found.items():
            self._review.expire(endpoint, one.options.review.on_timeout, now)
        await self._label(self._review)
        for endpoint, one in found.items():
            if one.options.review.webhook:
                self._call(self._review, endpoint, one.options.review.webhook, now)
        if time.monotonic() - self._looked >= LOOK_EVERY:
            self._looked = time.monotonic()
            firing = [
                (alarm.endpoint, alarm.metric)
                for alarm in self._alarms.alarms(open_only=True, limit=10_000)
                if alarm.state == "firing"
            ]
            for endpoint, one in found.items():
                self._weigh(endpoint, one, [metric for where, metric in firing if where == endpoint], now)

    # -- labels

    async def _label(self, review: ReviewStore) -> None:
        """Decisions of people become labels. Written, then noted: killed in between it writes them again, and their keys make them one."""
        tasks = review.untold()
        if not tasks:
            return
        if self._writer is None:
            writer = JournalWriter(self._layout.journal, SLOT, fsync=True)
            writer.start()
            self._writer = writer
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._writer.submit([label(task) for task in tasks], lambda ok: None if done.done() else done.set_result(ok))
        if await done:
            review.told(tasks)

    # -- webhooks

    def _call(self, review: ReviewStore, endpoint: str, url: str, now: float) -> None:
        steady = time.monotonic()
        for id in review.uncalled(endpoint):
            running = self._calling.get(id)
            if running is not None:
                if running.done():
                    del self._calling[id]
                    self._called(review, endpoint, id, running.exception(), steady, now)
                continue
            if self._again.get(id, (0.0, 0.0))[0] <= steady:
                body = msgspec.json.encode(decided(review, id))
                self._calling[id] = self._posts.submit(_post, url, body, hashlib.sha256(body).hexdigest()[:32])

    def _called(
        self, review: ReviewStore, endpoint: str, id: str, error: BaseException | None, steady: float, now: float
    ) -> None:
        wait = self._again.get(id, (0.0, RETRY[0]))[1]
        old = now - review.newest_of(id) > GIVE_UP
        if error is None or old or (isinstance(error, NotifyError) and error.permanent):
            self._again.pop(id, None)
            review.called(endpoint, id, 1 if error is None else -1)
        else:
            self._again[id] = (steady + wait, min(2 * wait, RETRY[1]))
        if error is not None:
            sys.stderr.write(f"review: the webhook of {endpoint} was not told of {id}: {error}\n")

    # -- degrees

    def _weigh(self, endpoint: str, one: Automated, firing: Sequence[str], now: float) -> None:
        """The threshold by the newest evidence, and a step down where it must be."""
        assert self._review is not None and self._degrees is not None
        newest = self._review.newest(endpoint)
        if self._seen.get(endpoint) == newest and not firing:
            return
        found = degrees.standing(self._layout, endpoint, one.options, one.version, now)
        self._seen[endpoint] = newest
        if one.options.act.fixed is None:
            chosen = found.evidence.threshold
            why = {"n": chosen.n, "wrong": chosen.wrong, "high": chosen.high, "version": one.version}
            self._degrees.set_threshold(endpoint, found.said, chosen.threshold, why, degrees.SELF)
        reason = degrees.step_down(found, one.options, firing)
        if reason:
            made = Move(
                now,
                degrees.SELF,
                found.level,
                one.options.step_down.to,
                reason,
                False,
                msgspec.to_builtins(found.evidence),
            )
            self._degrees.move(endpoint, found.said, made)
            sys.stderr.write(f"review: {endpoint} steps down from {found.level} to {made.after}: {reason}\n")


def label(task: Task) -> bytes:
    """A decision as a line of the journal."""
    moment = int(task.decided * 1e9)
    record = FeedbackRecord(
        task.prediction_id, moment, task.endpoint, "label", task.value, time.time_ns(), task.row,
        actor=task.decided_by, key=f"review-{task.id}-{moment}",
    )  # fmt: skip
    return b'{"kind":"feedback",' + msgspec.json.encode(record)[1:] + b"\n"


def decided(review: ReviewStore, id: str) -> Decided:
    """A request's decision as its webhook is told. Errors: KeyError for an id without tasks."""
    found = review.decisions([id])[id]
    by = [one if one in ("model", "rule") else "person" for one in found.by]
    return Decided(found.endpoint, id, found.values, by, review.newest_of(id))


def _post(url: str, body: bytes, delivery: str) -> None:
    Webhook(fill(url, field="review.webhook")).send_body(body, delivery)
