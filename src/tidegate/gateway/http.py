"""The HTTP door: bytes of a request in, a Call out; an Answer in, bytes of a response out. Open Inference v2, KServe v1, MLflow.

    POST /v2/models/M[/versions/V]/infer     POST /v1/models/M:predict     POST /invocations, /serving-endpoints/M/invocations
    everything else: pages.py (metadata, health, repository) and feedback.py

What happens to a body here: its length is checked, it is unpacked if it came packed, and it is passed on. Nothing is parsed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

import orjson

from tidegate.errors import (
    Forbidden,
    InvalidRequest,
    NotFound,
    TidegateError,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedContent,
)
from tidegate.gateway.data_plane import Answer, Call, DataPlane
from tidegate.gateway.packing import accepted, pack, unpack
from tidegate.gateway.pages import Pages, Reply
from tidegate.wire.frames import CODECS, HAS_HEADER_LENGTH, RAW_INPUT

JSON: Final = ("content-type", "application/json")
SMALL: Final = 65536
PACK_FROM: Final = 8192
READ_TIMEOUT: Final = 30.0
MAX_BODY: Final = 64 * 1024 * 1024
MAX_BUDGET: Final = 86400.0

_V2, _V1, _MLFLOW, _CSV = CODECS["v2"], CODECS["v1"], CODECS["mlflow"], CODECS["csv"]

STATUS: Final[dict[type[TidegateError], int]] = {
    InvalidRequest: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    TooLarge: 413,
    UnsupportedContent: 415,
    Unavailable: 503,
}


def status_of(exc: TidegateError) -> int:
    """The HTTP status of an error: its own or that of its nearest parent in the tree; 500 for the rest."""
    for kind in type(exc).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500


class HttpDoor:
    """An RSGI application."""

    def __init__(self, plane: DataPlane, pages: Pages) -> None:
        self._plane = plane
        self._pages = pages
        self._targets: dict[str, tuple[str, str, int]] = {}
        self._reading: dict[int, tuple[float, Callable[[], Any]]] = {}
        self._reads = 0
        self.draining = False

    # -- requests

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        if scope.proto != "http":
            proto.close(404)
            return
        try:
            target = self._targets.get(scope.path) or self._target(scope.path)
            if target is None or scope.method != "POST":
                await self._other(scope, proto)
                return
            # From here to `infer` everything is in this one coroutine: each nested one would cost its creation and two more steps
            get = scope.headers.get
            plane = self._plane
            endpoint, version, codec = target
            table = plane.table
            route = table.routes.get(endpoint)
            call = Call(endpoint, b"", codec, version)
            if table.source.require_keys:
                plane.authenticate(_secret(get), "predict")
            try:
                length = get("content-length")
                limit = route.endpoint.max_body if route is not None else MAX_BODY
                if length is not None and length.isdecimal() and int(length) <= limit:
                    future = proto()
                    call.body = future.result() if future.done() else await self._read(future)
                else:
                    call.body = await self._long_body(proto, length, limit)
                packed = get("content-encoding")
                if packed is not None:
                    call.body = await self._unpacked(call.body, packed, limit)
                content = get("content-type")
                if content != "application/json" and content is not None:
                    call.codec = codec = _codec_for(codec, content)
                header_length = get("inference-header-content-length")
                if header_length is not None and codec == _V2:
                    call.json_length, call.flags = _header_length(header_length, len(call.body))
                budget = get("x-request-timeout-ms")
                if budget is not None:
                    call.budget = _budget(budget)
                if not endpoint:
                    raise NotFound(self._which())
            except TidegateError as exc:
                self._answer(scope, proto, codec, await plane.refuse(call, status_of(exc), str(exc)))
                return
            trace = get("traceparent")
            if trace is not None:
                call.trace = trace[:55]
            if route is not None and route.subject_header:
                call.subject = (get(route.subject_header) or "")[:200]
            self._answer(scope, proto, codec, await plane.infer(call))
        except TidegateError as exc:
            self._error(scope, proto, status_of(exc), str(exc), getattr(exc, "retry_after", 0.0))
        except asyncio.CancelledError:
            raise
        except Exception as exc:  # a fault of ours: said to the caller without its insides
            self._error(scope, proto, 500, f"internal error: {type(exc).__name__}")
            self._pages.fault(exc)

    def _which(self) -> str:
        known = ", ".join(sorted(self._plane.table.routes)) or "none"
        return f"/invocations needs one endpoint; there are: {known}. Use /serving-endpoints/NAME/invocations"

    def _target(self, path: str) -> tuple[str, str, int] | None:
        """(endpoint, version, codec) of a path that asks for a prediction, else None. Kept for endpoints that exist."""
        found = parse(path)
        if found is None:
            return None
        name, version, codec = found
        if not name and len(self._plane.table.routes) == 1:
            name = next(iter(self._plane.table.routes))
        if name in self._plane.table.routes and len(self._targets) < 10_000 and not path.startswith("/invocations"):
            self._targets[path] = (name, version, codec)
        return name, version, codec

    async def _long_body(self, proto: Any, length: str | None, limit: int) -> bytes:
        """A body of unknown or too great length. Errors: TooLarge, before it is read where its length is told."""
        if length is not None and length.isdecimal():
            raise TooLarge(f"the body has {int(length)} bytes, the limit is {limit} (maxBody)")
        parts: list[bytes] = []
        size = 0
        async for part in proto:
            size += len(part)
            if size > limit:
                raise TooLarge(f"the body has more than {limit} bytes (maxBody)")
            parts.append(bytes(part))
        return b"".join(parts)

    async def _unpacked(self, body: bytes, encoding: str, limit: int) -> bytes:
        if encoding == "identity":
            return body
        if len(body) < SMALL:
            return unpack(body, encoding, limit)
        return await asyncio.get_running_loop().run_in_executor(None, unpack, body, encoding, limit)

    async def _read(self, future: Any) -> bytes:
        """Wait for a body, but not for ever: what a slow client holds open is let go after READ_TIMEOUT by `sweep`."""
        self._reads += 1
        key = self._reads
        self._reading[key] = (time.monotonic() + READ_TIMEOUT, future.cancel)
        try:
            body: bytes = await future
        except asyncio.CancelledError:
            raise InvalidRequest(f"the body did not arrive within {READ_TIMEOUT:g} s") from None
        finally:
            del self._reading[key]
        return body

    def sweep(self) -> None:
        """Let go of bodies that don't arrive. Called once a second."""
        now = time.monotonic()
        for until, cancel in list(self._reading.values()):
            if now < until:
                break
            cancel()

    # -- responses

    def _answer(self, scope: Any, proto: Any, codec: int, answer: Answer) -> None:
        if answer.status != 200:
            self._error(scope, proto, answer.status, answer.message, answer.retry_after, answer.prediction_id, codec)
            return
        target = answer.target
        assert target is not None
        headers = [JSON, ("tidegate-prediction-id", answer.prediction_id), *target.headers]
        if codec == _V2:
            id = answer.prediction_id.encode()
            body = b'%b%b,"parameters":{"prediction_id":"%b","role":"%b"},"outputs":%b}' % (
                target.prefix, answer.request_id or b'"%b"' % id, id, target.role.encode(), answer.json,
            )  # fmt: skip
            if answer.raw:
                headers[0] = ("content-type", "application/octet-stream")
                headers.append(("inference-header-content-length", str(len(body))))
                body += answer.raw
        else:
            body = answer.json
        if len(body) >= PACK_FROM:
            body = self._pack(scope, headers, body)
        if self.draining:
            headers.append(("connection", "close"))
        proto.response_bytes(200, headers, body)

    def _pack(self, scope: Any, headers: list[tuple[str, str]], body: bytes) -> bytes:
        encoding = accepted(scope.headers.get("accept-encoding"))
        if not encoding:
            return body
        headers.append(("content-encoding", encoding))
        headers.append(("vary", "accept-encoding"))
        return pack(body, encoding)

    def _error(
        self,
        scope: Any,
        proto: Any,
        status: int,
        message: str,
        retry_after: float = 0.0,
        prediction_id: str = "",
        codec: int = _V2,
    ) -> None:
        path = scope.path
        if codec in (_MLFLOW, _CSV) or "invocations" in path:
            code = (
                "INVALID_PARAMETER_VALUE"
                if status < 500
                else "TEMPORARILY_UNAVAILABLE"
                if status in (503, 504)
                else "INTERNAL_ERROR"
            )
            body = orjson.dumps({"error_code": code, "message": message})
        else:
            body = orjson.dumps({"error": message})
        headers = [JSON]
        if prediction_id:
            headers.append(("tidegate-prediction-id", prediction_id))
        if status in (429, 503):
            headers.append(("retry-after", str(max(1, round(retry_after)))))
        if status == 401:
            headers.append(("www-authenticate", "Bearer"))
        if self.draining or status == 413:
            headers.append(("connection", "close"))
        proto.response_bytes(status, headers, body)

    async def _other(self, scope: Any, proto: Any) -> None:
        if scope.method in ("POST", "PUT", "PATCH"):
            get = scope.headers.get
            length, limit = get("content-length"), self._pages.max_body
            if length is not None and length.isdecimal() and int(length) <= limit:
                body = await self._read(proto())
            else:
                body = await self._long_body(proto, length, limit)
            body = await self._unpacked(body, get("content-encoding") or "identity", limit)
        else:
            body = b""
        reply: Reply = await self._pages.handle(
            scope.method, unquote(scope.path), body, _secret(scope.headers.get), self.draining
        )
        headers = [("content-type", reply.content_type), *reply.headers]
        if self.draining:
            headers.append(("connection", "close"))
        payload = b"" if scope.method == "HEAD" else reply.body
        if len(payload) >= PACK_FROM:
            payload = self._pack(scope, headers, payload)
        proto.response_bytes(reply.status, headers, payload)


def parse(path: str) -> tuple[str, str, int] | None:
    """(endpoint, version, codec) of a path that asks for a prediction; None for any other.

    >>> parse("/v2/models/m/infer"), parse("/v2/models/m/versions/2/infer"), parse("/v1/models/m:predict"), parse("/v2")
    (('m', '', 1), ('m', '2', 1), ('m', '', 2), None)
    """
    parts = path.split("/")
    count = len(parts)
    if count >= 5 and parts[1] == "v2" and parts[2] == "models" and parts[-1] == "infer":
        if count == 5:
            return unquote(parts[3]), "", _V2
        if count == 7 and parts[4] == "versions":
            return unquote(parts[3]), unquote(parts[5]), _V2
    elif count == 4 and parts[1] == "v1" and parts[2] == "models" and parts[3].endswith(":predict"):
        return unquote(parts[3][: -len(":predict")]), "", _V1
    elif (
        count == 6
        and parts[1] == "v1"
        and parts[2] == "models"
        and parts[4] == "versions"
        and parts[5].endswith(":predict")
    ):
        return unquote(parts[3]), unquote(parts[5][: -len(":predict")]), _V1
    elif path == "/invocations":
        return "", "", _MLFLOW
    elif count == 4 and parts[1] == "serving-endpoints" and parts[3] == "invocations":
        return unquote(parts[2]), "", _MLFLOW
    return None


def _codec_for(codec: int, content: str) -> int:
    """The codec for a content type. Errors: UnsupportedContent, naming what this address reads."""
    kind = content.partition(";")[0].strip().lower()
    if codec == _MLFLOW:
        if kind == "text/csv":
            return _CSV
        if kind == "application/json":
            return codec
        raise UnsupportedContent(f"content type {kind[:100]!r}: /invocations reads application/json and text/csv")
    if kind in (
        "application/json",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "",
    ) or kind.endswith("+json"):
        return codec  # curl -d says x-www-form-urlencoded of whatever it sends
    raise UnsupportedContent(
        f"content type {kind[:100]!r}: send application/json, or application/octet-stream for raw tensors"
    )


def _header_length(text: str, size: int) -> tuple[int, int]:
    """(json_length, flags) of Inference-Header-Content-Length. Errors: InvalidRequest."""
    if not text.isdecimal() or int(text) > size:
        raise InvalidRequest(
            f"Inference-Header-Content-Length is {text[:40]!r}; it must be a whole number of at most the body's {size} bytes"
        )
    length = int(text)
    return length, HAS_HEADER_LENGTH if length else RAW_INPUT


def _budget(text: str) -> float:
    """Seconds of an X-Request-Timeout-Ms header. Errors: InvalidRequest."""
    try:
        value = float(text) / 1000
    except ValueError:
        value = 0.0
    if not 0 < value <= MAX_BUDGET:
        raise InvalidRequest(
            f"X-Request-Timeout-Ms is {text[:40]!r}; it must be a number of milliseconds above 0 and up to a day"
        )
    return value


def _secret(get: Callable[[str], str | None]) -> str:
    scheme, _, value = (get("authorization") or "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else (get("x-api-key") or "").strip()


__all__ = ["HttpDoor", "parse", "status_of"]
