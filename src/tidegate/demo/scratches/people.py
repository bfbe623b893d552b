"""Inspectors who answer the queue over the API, as people at the page do: wrong now and then, and each answer takes a moment."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from types import TracebackType

import httpx

ERRORS = 0.01
"""How often an inspector is wrong."""
PAUSE = 0.01
"""Seconds an answer takes; a person's would be three."""
AT_ONCE = 10


class Inspectors:
    """A context manager: so many people at one queue. `truth` says what an item is, by prediction id; it may grow meanwhile."""

    def __init__(
        self, control: str, queue: str, truth: Mapping[str, str], choices: tuple[str, str], count: int = 4
    ) -> None:
        self._url = f"{control}/api/review"
        self._queue = queue
        self._truth = truth
        self._choices = choices
        self._over = threading.Event()
        self._people = [
            threading.Thread(target=self._work, args=(f"inspector {number}",), daemon=True)
            for number in range(1, count + 1)
        ]
        self.error: BaseException | None = None

    def __enter__(self) -> Inspectors:
        for one in self._people:
            one.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for one in self._people:
            one.join(10.0)

    def _work(self, name: str) -> None:
        rng = random.Random(name)
        try:
            with httpx.Client(timeout=30.0) as http:
                while not self._over.is_set():
                    asked = {"rater": name, "count": AT_ONCE}
                    found = http.post(f"{self._url}/{self._queue}/claim", json=asked).raise_for_status().json()
                    for item in found:
                        self._answer(http, name, item["task"], rng)
                    self._over.wait(0.2 if not found else 0.0)
        except httpx.HTTPError as exc:
            if not self._over.is_set():
                self.error = exc

    def _answer(self, http: httpx.Client, name: str, task: dict[str, object], rng: random.Random) -> None:
        truth = self._truth.get(str(task["prediction_id"]))
        if truth is None or self._over.wait(PAUSE):
            return  # sent a moment ago: it is claimed again
        wrong = next(one for one in self._choices if one != truth)
        value = wrong if rng.random() < ERRORS else truth
        answer = http.post(f"{self._url}/tasks/{task['id']}/answer", json={"rater": name, "value": value})
        if answer.status_code != httpx.codes.CONFLICT:  # its five minutes were over
            answer.raise_for_status()
