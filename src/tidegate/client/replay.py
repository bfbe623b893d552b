"""Logged requests once more, through the gateway, to a version that has no traffic yet (`tidegate replay`).

    requests --a bounded number in flight--> gateway (named version, tidegate-mirror-of) -> candidate -> shadow records

Live traffic comes first: whenever `pressure` says that it suffers, or the gateway refuses, half as many are in flight; else one
more each second. Nobody waits for these answers, so nothing is lost by being slow.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol
from urllib.parse import quote

import httpx
import msgspec

from tidegate.errors import InvalidRequest

TRIES = 20
"""How often one request is sent while the gateway refuses it for lack of room."""


class Logged(Protocol):
    """A request to send again: see views/replay.py."""

    @property
    def prediction_id(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def json_length(self) -> int: ...


class ReplayOutcome(msgspec.Struct):
    """How it went. `errors` are answers of 500 and more, `refused` those that never found room or were malformed."""

    sent: int = 0
    answered: int = 0
    errors: int = 0
    refused: int = 0
    seconds: float = 0.0
    yielded: int = 0
    """How often it made way for live traffic."""
    error: str = ""
    """The first error's text."""


def replay(
    url: str,
    endpoint: str,
    version: str,
    requests: Iterable[Logged],
    *,
    key: str | None = None,
    rate: float = 0.0,
    in_flight: int = 8,
    timeout: float = 30.0,
    pressure: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda done: None,
    answered: Callable[[str, str], None] = lambda request, answer: None,
) -> ReplayOutcome:
    """Send each request to `version` as a copy of the one it was; `rate` bounds requests a second (0: no bound). `answered` is told
    the prediction id of each request and that of its copy's answer.

    Errors: InvalidRequest where the gateway says that the call itself is wrong (401, 403, 404).
    """
    if in_flight < 1:
        raise InvalidRequest("in_flight must be at least 1")
    sending = _Replay(endpoint, version, rate, in_flight, pressure, progress, answered)
    return asyncio.run(sending.run(url, key, timeout, requests))


class _Replay:
    def __init__(
        self,
        endpoint: str,
        version: str,
        rate: float,
        in_flight: int,
        pressure: Callable[[], bool],
        progress: Callable[[int], None],
        answered: Callable[[str, str], None],
    ) -> None:
        self._path = f"/v2/models/{quote(endpoint, safe='')}/versions/{quote(version, safe='')}/infer"
        self._most = in_flight
        self._allowed = in_flight
        self._rate = rate
        self._pressure = pressure
        self._progress = progress
        self._answered = answered
        self._flying = 0
        self._next = 0.0
        self._turn = asyncio.Condition()
        self.outcome = ReplayOutcome()

    async def run(self, url: str, key: str | None, timeout: float, requests: Iterable[Logged]) -> ReplayOutcome:
        began = time.monotonic()
        self._next = began
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        limits = httpx.Limits(max_connections=self._most, max_keepalive_connections=self._most)
        async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=timeout) as client:
            watching = asyncio.create_task(self._watch())
            source = iter(requests)
            workers = [asyncio.create_task(self._work(client, source)) for _ in range(self._most)]
            try:
                await asyncio.gather(*workers)
            finally:
                for task in (watching, *workers):
                    task.cancel()
                await asyncio.gather(watching, *workers, return_exceptions=True)
        self.outcome.seconds = time.monotonic() - began
        return self.outcome

    async def _work(self, client: httpx.AsyncClient, source: Iterator[Logged]) -> None:
        """One of as many workers as may be in flight at most; each sends one request at a time."""
        for request in source:
            async with self._turn:
                await self._turn.wait_for(lambda: self._flying < self._allowed)
                self._flying += 1
            try:
                await self._paced()
                await self._send(client, request)
            finally:
                async with self._turn:
                    self._flying -= 1
                    self._turn.notify()
            self._progress(self.outcome.answered + self.outcome.errors + self.outcome.refused)

    async def _paced(self) -> None:
        if self._rate > 0:
            self._next = max(self._next + 1 / self._rate, time.monotonic())
            await asyncio.sleep(max(0.0, self._next - time.monotonic()))

    async def _send(self, client: httpx.AsyncClient, request: Logged) -> None:
        outcome = self.outcome
        headers = {"tidegate-mirror-of": request.prediction_id}
        if request.json_length:
            headers["inference-header-content-length"] = str(request.json_length)
        outcome.sent += 1
        try:
            body = request.body
        except OSError as exc:
            self._failed(f"a logged payload is gone: {exc}")
            return
        for _ in range(TRIES):
            try:
                answer = await client.post(self._path, content=body, headers=headers)
            except httpx.HTTPError as exc:
                self._failed(f"{type(exc).__name__}: {exc}")
                return
            if answer.status_code not in (429, 503):
                break
            self._give_way()
            await asyncio.sleep(min(5.0, float(answer.headers.get("retry-after", "1"))))
        if answer.status_code in (401, 403, 404):
            raise InvalidRequest(f"the gateway refuses the replay: {_message(answer)}")
        if answer.status_code == 200:
            outcome.answered += 1
            self._answered(request.prediction_id, answer.headers["tidegate-prediction-id"])
        elif answer.status_code >= 500:
            self._failed(_message(answer))
        else:
            outcome.refused += 1
            outcome.error = outcome.error or _message(answer)

    def _failed(self, message: str) -> None:
        self.outcome.errors += 1
        self.outcome.error = self.outcome.error or message

    def _give_way(self) -> None:
        self._allowed = max(1, self._allowed // 2)
        self.outcome.yielded += 1

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            if await asyncio.to_thread(self._pressure):
                self._give_way()
            elif self._allowed < self._most:
                async with self._turn:
                    self._allowed += 1
                    self._turn.notify()


def _message(answer: httpx.Response) -> str:
    try:
        found = answer.json()
        return str(found.get("error") or found)[:300]
    except ValueError:
        return f"status {answer.status_code}"
