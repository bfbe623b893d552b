"""The HTTP door: bytes of a request in, a Call out; an Answer in, bytes of a response out. Open Inference v2, KServe v1, MLflow.

    POST /v2/models/M[/versions/V]/infer     POST /v1/models/M:predict     POST /invocations, /serving-endpoints/M/invocations
    GET /v2/decisions/ID: what people decided (pages.py)
    everything else: pages.py (metadata, health, repository) and feedback.py

What happens to a body here: its length is checked, it is unpacked if it came packed, and it is passed on. Nothing is parsed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final
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
from tidegate.gateway.data_plane import PREVIEW, Answer, Call, DataPlane
from tidegate.gateway.packing import accepted, pack, unpack
from tidegate.gateway.pages import Pages, Reply
from tidegate.gateway.server import Exchange
from tidegate.wire.frames import CODECS, HAS_HEADER_LENGTH, RAW_INPUT

if TYPE_CHECKING:
    from tidegate.storage.review import Decision

SMALL: Final = 65536
PACK_FROM: Final = 8192
MAX_BODY: Final = 64 * 1024 * 1024
MAX_BUDGET: Final = 86400.0
MAX_HOLD: Final = 3600.0

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
    """Stands behind the server: what a request asks for, and the form of its answer."""

    def __init__(self, plane: DataPlane, pages: Pages) -> None:
        self._plane = plane
        self._pages = pages
        self._targets: dict[bytes, tuple[str, str, int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.draining = False

    # -- requests

    def limit(self, exchange: Exchange) -> int:
        """maxBody of the endpoint it asks for."""
        target = self._target(exchange.url)
        if target is None:
            return self._pages.max_body
        route = self._plane.table.routes.get(target[0])
        return route.endpoint.max_body if route is not None else MAX_BODY

    def take(self, exchange: Exchange) -> None:
        """One whole request. Predictions are handled in this call; everything else in a task."""
        try:
            target = self._targets.get(exchange.url) or self._target(exchange.url)
            if target is None or exchange.method != b"POST":
                self._start(exchange, self._other(exchange))
                return
            headers = exchange.headers
            packed = headers.get(b"content-encoding")
            if packed is not None and packed != b"identity" and len(exchange.body) >= SMALL:
                self._start(exchange, self._unpack_and_predict(exchange, target))
                return
            self._predict(exchange, target)
        except Exception as exc:
            self._failed(exchange, exc)

    def refuse(self, exchange: Exchange, status: int, message: str) -> None:
        """A request that the server won't read to its end."""
        target = self._target(exchange.url)
        if target is None:
            self._error(exchange, status, message)
        else:
            call = Call(target[0], b"", target[2], target[1])
            self._plane.submit_refusal(call, status, message, partial(self._answer, exchange, target[2]))

    def _predict(self, exchange: Exchange, target: tuple[str, str, int]) -> None:
        endpoint, version, codec = target
        plane = self._plane
        table = plane.table
        get = exchange.headers.get
        call = Call(endpoint, exchange.body, codec, version)
        if endpoint.endswith(PREVIEW):
            endpoint = endpoint.removesuffix(PREVIEW)
        if table.source.require_keys:
            plane.authenticate(_secret(exchange), "predict")
        route = table.routes.get(endpoint)
        try:
            packed = get(b"content-encoding")
            if packed is not None and packed != b"identity":
                limit = route.endpoint.max_body if route is not None else MAX_BODY
                call.body = unpack(call.body, packed.decode("latin-1"), limit)
            content = get(b"content-type")
            if content != b"application/json" and content is not None:
                call.codec = codec = _codec_for(codec, content.decode("latin-1"))
            length = get(b"inference-header-content-length")
            if length is not None and codec == _V2:
                call.json_length, call.flags = _header_length(length.decode("latin-1"), len(call.body))
            budget = get(b"x-request-timeout-ms")
            if budget is not None:
                call.budget = _budget(budget.decode("latin-1"))
            if not endpoint:
                raise NotFound(self._which())
        except TidegateError as exc:
            plane.submit_refusal(call, status_of(exc), str(exc), partial(self._answer, exchange, codec))
            return
        trace = get(b"traceparent")
        if trace is not None:
            call.trace = trace[:55].decode("latin-1")
            state = get(b"tracestate")
            if state is not None:
                call.trace_state = state.decode("latin-1")
        if route is not None:
            unit = get(route.unit_header or b"tidegate-unit")
            if unit is not None:
                call.unit = unit[:200].decode("utf-8", "replace")
            if route.subject_header:
                call.subject = get(route.subject_header.encode(), b"")[:200].decode("utf-8", "replace")
            if route.override_header and not version:
                asked = get(route.override_header)
                if asked:
                    call.version = asked[:100].decode("utf-8", "replace")
            if call.version:
                copied = get(b"tidegate-mirror-of")
                if copied is not None:
                    call.mirror_of = copied[:100].decode("utf-8", "replace")
        plane.submit(call, partial(self._answer, exchange, codec))

    async def _unpack_and_predict(self, exchange: Exchange, target: tuple[str, str, int]) -> None:
        """A large packed body is unpacked beside the loop."""
        limit = self.limit(exchange)
        encoding = exchange.headers.pop(b"content-encoding").decode("latin-1")
        try:
            exchange.body = await asyncio.get_running_loop().run_in_executor(
                None, unpack, exchange.body, encoding, limit
            )
        except TidegateError as exc:
            call = Call(target[0], b"", target[2], target[1])
            self._plane.submit_refusal(call, status_of(exc), str(exc), partial(self._answer, exchange, target[2]))
        else:
            self._predict(exchange, target)

    def _start(self, exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guard(exchange, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as exc:
            self._failed(exchange, exc)

    def _failed(self, exchange: Exchange, exc: Exception) -> None:
        if isinstance(exc, TidegateError):
            self._error(exchange, status_of(exc), str(exc), getattr(exc, "retry_after", 0.0))
        else:  # a fault of ours: said to the caller without its insides
            self._error(exchange, 500, f"internal error: {type(exc).__name__}")
            self._pages.fault(exc)

    def _which(self) -> str:
        known = ", ".join(sorted(self._plane.table.routes)) or "none"
        return f"/invocations needs one endpoint; there are: {known}. Use /serving-endpoints/NAME/invocations"

    def _target(self, url: bytes) -> tuple[str, str, int] | None:
        """(endpoint, version, codec) of a target that asks for a prediction, else None. Kept for endpoints that exist."""
        path = url.partition(b"?")[0].decode("latin-1")
        if path.startswith(("http://", "https://")):  # absolute form, as proxies send it
            path = "/" + path.split("/", 3)[3] if path.count("/") >= 3 else "/"
        found = parse(path)
        if found is None:
            return None
        name, version, codec = found
        if not name and len(self._plane.table.routes) == 1:
            name = next(iter(self._plane.table.routes))
        elif name in self._plane.table.routes and len(self._targets) < 10_000:
            self._targets[url] = (name, version, codec)
        return name, version, codec

    async def _other(self, exchange: Exchange) -> None:
        body = exchange.body
        packed = exchange.get(b"content-encoding")
        if packed is not None and packed != "identity":
            body = await asyncio.get_running_loop().run_in_executor(None, unpack, body, packed, self._pages.max_body)
        path = unquote(exchange.url.partition(b"?")[0].decode("latin-1"))
        method = exchange.method.decode("latin-1")
        reply: Reply = await self._pages.handle(method, path, body, _secret(exchange), self.draining)
        headers = b"".join(
            b"%b: %b\r\n" % (name.encode(), value.encode("latin-1", "replace"))
            for name, value in (("content-type", reply.content_type), *reply.headers)
        )
        payload = reply.body
        if len(payload) >= PACK_FROM:
            headers, payload = self._pack(exchange, headers, payload)
        exchange.respond(reply.status, headers, payload)

    # -- responses

    def _answer(self, exchange: Exchange, codec: int, answer: Answer) -> None:
        if answer.status == 202:
            self._people_decide(exchange, codec, answer)
            return
        if answer.status != 200:
            self._error(exchange, answer.status, answer.message, answer.retry_after, answer.prediction_id, codec)
            return
        target = answer.target
        assert target is not None
        id = answer.prediction_id.encode()
        body, kind = answer.json, b"application/json"
        if codec == _V2:
            body = b'%b%b,"parameters":{"prediction_id":"%b","role":"%b"},"outputs":%b}' % (
                target.prefix, answer.request_id or b'"%b"' % id, id, target.role.encode(), answer.json,
            )  # fmt: skip
        headers = b""
        if answer.raw:
            kind = b"application/octet-stream"
            headers = b"inference-header-content-length: %d\r\n" % len(body)
            body += answer.raw
        if answer.fallback:
            headers += b"tidegate-fallback: %b\r\n" % answer.fallback.encode()
        headers = b"content-type: %b\r\ntidegate-prediction-id: %b\r\n%b%b" % (kind, id, target.headers, headers)
        if len(body) >= PACK_FROM:
            headers, body = self._pack(exchange, headers, body)
        exchange.respond(200, headers, body)

    def _people_decide(self, exchange: Exchange, codec: int, answer: Answer) -> None:
        """Held as long as the caller likes to wait (`Prefer: wait=SECONDS`, RFC 7240), then told where to ask."""
        wait = preferred_wait(exchange.get(b"prefer") or "")
        decided = partial(self._decided, exchange, codec, answer)
        if not wait or not self._pages.decisions.hold(answer.prediction_id, wait, decided):
            decided(None)

    def _decided(self, exchange: Exchange, codec: int, answer: Answer, found: Decision | None) -> None:
        id = answer.prediction_id
        route = self._plane.table.routes.get(found.endpoint) if found is not None and found.decided else None
        if found is None or route is None:
            self._pages.decisions.told(id)
            body = orjson.dumps(self._pages.pending(id))
            headers = b"location: /v2/decisions/%b\r\nretry-after: 2\r\n" % id.encode()
            status = 202
        else:
            body, status, headers = self._pages.decided(id, found, codec, answer.request_id), 200, b""
        headers += b"content-type: application/json\r\ntidegate-prediction-id: %b\r\n" % id.encode()
        exchange.respond(status, headers, body)

    def _pack(self, exchange: Exchange, headers: bytes, body: bytes) -> tuple[bytes, bytes]:
        encoding = accepted(exchange.get(b"accept-encoding"))
        if not encoding:
            return headers, body
        return headers + b"content-encoding: %b\r\nvary: accept-encoding\r\n" % encoding.encode(), pack(body, encoding)

    def _error(
        self,
        exchange: Exchange,
        status: int,
        message: str,
        retry_after: float = 0.0,
        prediction_id: str = "",
        codec: int = _V2,
    ) -> None:
        if codec in (_MLFLOW, _CSV) or b"invocations" in exchange.url:
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
        headers = b"content-type: application/json\r\n"
        if prediction_id:
            headers += b"tidegate-prediction-id: %b\r\n" % prediction_id.encode()
        if status in (429, 503):
            headers += b"retry-after: %d\r\n" % max(1, round(retry_after))
        if status == 401:
            headers += b"www-authenticate: Bearer\r\n"
        exchange.respond(status, headers, body)


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


def preferred_wait(header: str) -> float:
    """Seconds that a caller likes to wait for, at most an hour; 0 where it doesn't say.

    >>> preferred_wait("wait=30"), preferred_wait("respond-async, wait=5"), preferred_wait("wait=soon")
    (30.0, 5.0, 0.0)
    """
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "wait" and value.strip('" ').isdecimal():
            return min(float(value.strip('" ')), MAX_HOLD)
    return 0.0


def _secret(exchange: Exchange) -> str:
    scheme, _, value = (exchange.get(b"authorization") or "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else (exchange.get(b"x-api-key") or "").strip()


__all__ = ["HttpDoor", "parse", "status_of"]
