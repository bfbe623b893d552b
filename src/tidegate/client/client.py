"""Client and AsyncClient: the same calls, one blocking, one not. What a call does is in core.py; here it meets httpx.

    with Client("http://127.0.0.1:8080") as client:
        prediction = client.predict("loan", {"amount": [1200.0], "purpose": ["car"]})
        client.feedback("loan", prediction.id, label=1)

Both keep their connections open between calls; a Client may be shared by threads, an AsyncClient by tasks of one
event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import httpx

from tidegate.client import core
from tidegate.client.core import FeedbackValue, Program, Reply, Send, Wait
from tidegate.client.data import is_bare, library_of, to_inputs
from tidegate.client.prediction import Prediction
from tidegate.errors import InvalidRequest

T = TypeVar("T")

GRACE = 0.5
"""Seconds that the socket waits beyond the deadline told to the server, so that the server's own answer comes first."""


async def carry_out(program: Program[T], send: Callable[[Send], Awaitable[Reply]]) -> T:
    """Run a call's program over any transport. Errors: those of the program, and of `send`."""
    reply: Reply | None = None
    try:
        while True:
            step = program.send(reply)
            if isinstance(step, Wait):
                await asyncio.sleep(step.seconds)
                reply = None
            else:
                reply = await send(step)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


class _Shared:
    """What needs no socket: settings, and the programs that both clients run."""

    def __init__(self, url: str, key: str | None, timeout: float, connections: int) -> None:
        if not url.startswith(("http://", "https://")):
            raise InvalidRequest(f"url is {url!r}; it must begin with http:// or https://")
        self._timeout = timeout
        self._names: dict[tuple[str, str | None], str] = {}
        self._settings: dict[str, Any] = {
            "base_url": url.rstrip("/"),
            "headers": {"accept-encoding": "gzip"} | ({"authorization": f"Bearer {key}"} if key else {}),
            "limits": httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        }

    def _predict(
        self,
        endpoint: str,
        data: Any,
        version: str | None,
        outputs: Sequence[str] | None,
        subject: str | None,
        unit: str | None,
        timeout: float | None,
        request_id: str | None,
    ) -> Program[Prediction]:
        left = self._timeout if timeout is None else timeout
        name = "input"
        if is_bare(data):
            known = self._names.get((endpoint, version))
            if known is None:
                started = time.monotonic()
                known = core.input_name((yield from core.get_json(core.model_path(endpoint, version), left)))
                self._names[endpoint, version] = known
                left = max(left - (time.monotonic() - started), 0.001)
            name = known
        inputs = to_inputs(data, name)
        return (
            yield from core.predict(
                endpoint, inputs, version=version, outputs=outputs, subject=subject, unit=unit, timeout=left,
                library=library_of(data), request_id=request_id,
            )
        )  # fmt: skip

    def _limit(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else timeout


class Client(_Shared):
    """Blocking. `timeout` is in seconds, for a whole call with its retries; `key` an API key (`tidegate keys
    create`).
    """

    def __init__(self, url: str, key: str | None = None, timeout: float = 30.0, connections: int = 64) -> None:
        super().__init__(url, key, timeout, connections)
        self._http = httpx.Client(**self._settings)

    def predict(
        self,
        endpoint: str,
        data: Any,
        *,
        version: str | None = None,
        outputs: Sequence[str] | None = None,
        subject: str | None = None,
        unit: str | None = None,
        timeout: float | None = None,
        request_id: str | None = None,
    ) -> Prediction:
        """Ask an endpoint. `data`: a pandas or Polars DataFrame, an array [rows, ...], arrays by input name, or a
        list of records.

        `version` asks for one instead of the split's choice; `outputs` names those wanted; `subject` says who the
        rows are
        about (for erasure), `unit` what to keep together in a rollout. `request_id` is your own name of the request, kept in the
        log; with one, a request whose connection is lost isn't sent again. Errors: those of errors.py, InvalidRequest to
        DeadlineExceeded; DecisionPending where people decide: ask `decision` for it then.
        """
        return self._run(self._predict(endpoint, data, version, outputs, subject, unit, timeout, request_id))

    def decision(self, prediction_id: str, *, timeout: float | None = None) -> Prediction:
        """What people decided of a prediction, waited for until the time-out. Errors: NotFound, DecisionPending."""
        return self._run(core.decision(prediction_id, self._limit(timeout)))

    def feedback(
        self,
        endpoint: str,
        prediction_id: str,
        *,
        label: FeedbackValue = None,
        event: str | None = None,
        rating: float | None = None,
        value: FeedbackValue = None,
        row: int = 0,
        time: str | int | None = None,
        actor: str | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> int:
        """Say what became of a prediction: its true label, an event (a name, with an optional `value`), or a rating.

        `row` is the instance's index within its request; `time` RFC 3339 or nanoseconds, now where left out; `key`
        makes it count once however often it is sent. Returns how many were accepted: 1.
        """
        entry = core.feedback_entry(
            prediction_id,
            label=label,
            event=event,
            rating=rating,
            value=value,
            row=row,
            time=time,
            actor=actor,
            key=key,
        )
        return self._run(core.feedback(endpoint, [entry], self._limit(timeout)))

    def feedback_many(
        self, endpoint: str, entries: Sequence[Mapping[str, Any]], *, timeout: float | None = None
    ) -> int:
        """Many at once, each a mapping with prediction_id, kind, value, and row, name, time, actor, key where
        wanted.
        """
        return self._run(core.feedback(endpoint, entries, self._limit(timeout)))

    def metadata(self, endpoint: str, version: str | None = None, *, timeout: float | None = None) -> dict[str, Any]:
        """Name, versions, platform, inputs and outputs. Errors: NotFound."""
        return dict(self._run(core.get_json(core.model_path(endpoint, version), self._limit(timeout))))

    def ready(self, endpoint: str | None = None, version: str | None = None, *, timeout: float | None = None) -> bool:
        """Whether the server, or an endpoint, would answer now. Errors: NotFound."""
        return self._run(core.ready(endpoint, version, self._limit(timeout)))

    def models(self, *, timeout: float | None = None) -> list[dict[str, Any]]:
        """Every endpoint's versions: name, version, state, reason."""
        return self._run(core.models(self._limit(timeout)))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, program: Program[T]) -> T:
        reply: Reply | None = None
        try:
            while True:
                step = program.send(reply)
                if isinstance(step, Wait):
                    time.sleep(step.seconds)
                    reply = None
                else:
                    reply = self._send(step)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def _send(self, step: Send) -> Reply:
        try:
            response = self._http.request(
                step.method, step.path, content=step.content, headers=step.headers, timeout=step.timeout + GRACE
            )
        except httpx.HTTPError as exc:
            return _failed(exc)
        return _reply(response)


class AsyncClient(_Shared):
    """The same without blocking: every call is awaited. See Client for what the arguments mean."""

    def __init__(self, url: str, key: str | None = None, timeout: float = 30.0, connections: int = 64) -> None:
        super().__init__(url, key, timeout, connections)
        self._http = httpx.AsyncClient(**self._settings)

    async def predict(
        self,
        endpoint: str,
        data: Any,
        *,
        version: str | None = None,
        outputs: Sequence[str] | None = None,
        subject: str | None = None,
        unit: str | None = None,
        timeout: float | None = None,
        request_id: str | None = None,
    ) -> Prediction:
        """See Client.predict."""
        return await self._run(self._predict(endpoint, data, version, outputs, subject, unit, timeout, request_id))

    async def feedback(
        self,
        endpoint: str,
        prediction_id: str,
        *,
        label: FeedbackValue = None,
        event: str | None = None,
        rating: float | None = None,
        value: FeedbackValue = None,
        row: int = 0,
        time: str | int | None = None,
        actor: str | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> int:
        """See Client.feedback."""
        entry = core.feedback_entry(
            prediction_id,
            label=label,
            event=event,
            rating=rating,
            value=value,
            row=row,
            time=time,
            actor=actor,
            key=key,
        )
        return await self._run(core.feedback(endpoint, [entry], self._limit(timeout)))

    async def feedback_many(
        self, endpoint: str, entries: Sequence[Mapping[str, Any]], *, timeout: float | None = None
    ) -> int:
        """See Client.feedback_many."""
        return await self._run(core.feedback(endpoint, entries, self._limit(timeout)))

    async def decision(self, prediction_id: str, *, timeout: float | None = None) -> Prediction:
        """See Client.decision."""
        return await self._run(core.decision(prediction_id, self._limit(timeout)))

    async def metadata(
        self, endpoint: str, version: str | None = None, *, timeout: float | None = None
    ) -> dict[str, Any]:
        """See Client.metadata."""
        return dict(await self._run(core.get_json(core.model_path(endpoint, version), self._limit(timeout))))

    async def ready(
        self, endpoint: str | None = None, version: str | None = None, *, timeout: float | None = None
    ) -> bool:
        """See Client.ready."""
        return await self._run(core.ready(endpoint, version, self._limit(timeout)))

    async def models(self, *, timeout: float | None = None) -> list[dict[str, Any]]:
        """See Client.models."""
        return await self._run(core.models(self._limit(timeout)))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, program: Program[T]) -> T:
        return await carry_out(program, self._send)

    async def _send(self, step: Send) -> Reply:
        try:
            response = await self._http.request(
                step.method, step.path, content=step.content, headers=step.headers, timeout=step.timeout + GRACE
            )
        except httpx.HTTPError as exc:
            return _failed(exc)
        return _reply(response)


def _reply(response: httpx.Response) -> Reply:
    return Reply(response.status_code, response.headers, response.content)


def _failed(exc: httpx.HTTPError) -> Reply:
    reason = f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__
    if isinstance(exc, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)):
        return Reply(0, {}, b"", "connect", reason)
    return Reply(0, {}, b"", "timeout" if isinstance(exc, httpx.TimeoutException) else "lost", reason)
