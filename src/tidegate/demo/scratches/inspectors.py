"""Made-up inspectors at the real queue: each is wrong at a rate of their own, and takes a moment.

    claim() --> tasks --> truth of each, or (by chance) its contrary --> answer()

They know the truth by the picture's prediction, as a person knows it by looking. `Desk` is all they need of a queue.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol

import httpx
import msgspec
import numpy as np

from tidegate.demo.scratches.pictures import LABELS


class Ticket(msgspec.Struct, frozen=True):
    """A task that was given to somebody."""

    id: int
    prediction_id: str


class Desk(Protocol):
    """A queue, as one who answers sees it."""

    def claim(self, rater: str) -> list[Ticket]:
        """What is to be answered next; empty: nothing waits."""

    def answer(self, ticket: Ticket, rater: str, value: str) -> None:
        """Errors: as the queue has them."""


class ApiDesk:
    """A queue over the control API, `count` tasks at a time."""

    def __init__(self, url: str, queue: str, count: int = 20) -> None:
        self._http = httpx.Client(base_url=url, timeout=30.0)
        self._queue, self._count = queue, count

    def claim(self, rater: str) -> list[Ticket]:
        asked = {"rater": rater, "count": self._count}
        found = self._http.post(f"/api/review/{self._queue}/claim", json=asked).raise_for_status().json()
        return [Ticket(one["task"]["id"], one["task"]["prediction_id"]) for one in found]

    def answer(self, ticket: Ticket, rater: str, value: str) -> None:
        body = {"rater": rater, "value": value}
        self._http.post(f"/api/review/tasks/{ticket.id}/answer", json=body).raise_for_status()


class Inspectors:
    """One thread for each of `raters` (name -> share of answers that are wrong) while the context lasts.

    `truth` gives a prediction's true label, None while it isn't known yet. `delay`: mean seconds that an answer takes, exponentially
    distributed. What went wrong in a thread is raised at the end.
    """

    def __init__(
        self,
        desk: Desk,
        raters: dict[str, float],
        truth: Callable[[str], str | None],
        delay: float = 0.0,
        seed: int = 0,
    ) -> None:
        self._desk, self._truth, self._delay = desk, truth, delay
        self._stop = threading.Event()
        self._failed: list[Exception] = []
        self.answered: dict[str, int] = dict.fromkeys(raters, 0)
        """Answers by rater."""
        streams = np.random.SeedSequence(seed).spawn(len(raters))
        self._threads = [
            threading.Thread(target=self._work, args=(name, rate, np.random.default_rng(stream)), daemon=True)
            for (name, rate), stream in zip(raters.items(), streams, strict=True)
        ]

    def __enter__(self) -> Inspectors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30.0)
        if exc is None:
            self.check()

    def check(self) -> None:
        """Errors: the first that a thread ended by."""
        if self._failed:
            raise self._failed[0]

    def _work(self, rater: str, rate: float, chance: np.random.Generator) -> None:
        try:
            while not self._stop.is_set():
                tickets = self._desk.claim(rater)
                self._all(tickets, rater, rate, chance)
                if not tickets:
                    self._stop.wait(0.1)
        except Exception as exc:
            self._failed.append(exc)

    def _all(self, tickets: Sequence[Ticket], rater: str, rate: float, chance: np.random.Generator) -> None:
        for ticket in tickets:
            truth = self._truth(ticket.prediction_id)
            while truth is None:  # its request is answered in this moment
                if self._stop.is_set():
                    return
                time.sleep(0.02)
                truth = self._truth(ticket.prediction_id)
            if self._stop.wait(chance.exponential(self._delay)):
                return
            self._desk.answer(ticket, rater, said(truth, chance.random() < rate))
            self.answered[rater] += 1


def said(truth: str, wrong: bool) -> str:
    """
    >>> said("clean", wrong=True)
    'scratched'
    """
    return LABELS[1 - LABELS.index(truth)] if wrong else truth
