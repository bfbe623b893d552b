"""The methods of inference.GRPCInferenceService: keys, deadlines, status codes. The answers are data_plane's and
pages'.

    metadata  authorization: Bearer KEY, or x-api-key: KEY; traceparent; the endpoint's subject header
    deadline  the caller's own, else the endpoint's time-out
    trailers  tidegate-prediction-id on every prediction; retry-after (seconds) on RESOURCE_EXHAUSTED and UNAVAILABLE

A stream answers as Triton's does: in the order asked, an error as error_message in its place, and the stream goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, NoReturn

import grpc
import grpc.aio
import orjson

from tidegate import __version__
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
from tidegate.gateway.grpc import translate
from tidegate.gateway.grpc.messages import SERVICE, ModelStreamInferResponse, message, methods
from tidegate.gateway.pages import EXTENSIONS, Pages
from tidegate.wire.frames import BINARY_OUTPUT, CODECS, HAS_HEADER_LENGTH

STREAM_WINDOW: Final = 64
"""Requests of one stream in flight; the rest wait in the connection."""

ANSWER_TIME: Final = 0.25
"""Seconds of a held call's deadline that are left for its answer's way back."""

_FLAGS: Final = HAS_HEADER_LENGTH | BINARY_OUTPUT
_V2: Final = CODECS["v2"]
_CODES: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_STATUS: Final[dict[type[TidegateError], int]] = {
    InvalidRequest: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    TooLarge: 413,
    UnsupportedContent: 415,
    Unavailable: 503,
}


class GrpcDoor:
    """The service on a port. `max_message` is in bytes; an endpoint's maxBody holds below it."""

    def __init__(self, plane: DataPlane, pages: Pages, max_message: int = 64 * 1024 * 1024) -> None:
        self._plane = plane
        self._pages = pages
        self.draining = False
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 1),
                ("grpc.max_receive_message_length", max_message),
                ("grpc.max_send_message_length", -1),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ]
        )
        handlers = {
            name: self._handler(name, request, response, streams) for name, request, response, streams in methods()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))

    def _handler(self, name: str, request: Any, response: Any, streams: bool) -> Any:
        method = getattr(self, name)
        if streams:
            return grpc.stream_stream_rpc_method_handler(method, request.FromString, response.SerializeToString)
        if name == "ModelInfer":
            return grpc.unary_unary_rpc_method_handler(method, request.FromString, response.SerializeToString)

        async def translated(message: Any, context: Any) -> Any:
            try:
                return await method(message, context)
            except TidegateError as exc:
                await _abort(context, _status(exc), str(exc), getattr(exc, "retry_after", 0.0))

        return grpc.unary_unary_rpc_method_handler(translated, request.FromString, response.SerializeToString)

    async def start(self, host: str, port: int) -> int:
        """Listen; the port in use (0 asks for a free one). Several processes may share a port. Errors: OSError."""
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound: int = self._server.add_insecure_port(address)
        except RuntimeError as exc:
            raise OSError(f"can't listen on {address} for gRPC: {exc}") from exc
        await self._server.start()
        return bound

    async def stop(self, grace: float) -> None:
        """Take no new calls, and let those in flight finish for `grace` seconds."""
        self.draining = True
        await self._server.stop(grace)

    # -- predictions

    async def ModelInfer(self, request: Any, context: Any) -> Any:
        metadata = _metadata(context)
        answer = await self._ask(request, metadata, _remaining(context))
        if answer.status != 200:
            await _abort(context, answer.status, answer.message, answer.retry_after, answer.prediction_id)
        context.set_trailing_metadata((("tidegate-prediction-id", answer.prediction_id),))
        return self._response(request, answer)

    async def ModelStreamInfer(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        metadata = _metadata(context)
        waiting: asyncio.Queue[tuple[Any, asyncio.Task[Answer]] | None] = asyncio.Queue(STREAM_WINDOW)

        async def read() -> None:
            try:
                async for request in requests:
                    task = asyncio.ensure_future(self._ask(request, metadata, _remaining(context)))
                    await waiting.put((request, task))
            finally:
                await waiting.put(None)

        reader = asyncio.ensure_future(read())
        try:
            while (item := await waiting.get()) is not None:
                request, task = item
                answer = await task
                out = ModelStreamInferResponse()
                if answer.status == 200:
                    out.infer_response.CopyFrom(self._response(request, answer))
                else:
                    out.error_message = answer.message
                    out.infer_response.model_name = request.model_name
                    out.infer_response.id = request.id
                    out.infer_response.parameters["prediction_id"].string_param = answer.prediction_id
                out.infer_response.parameters["triton_final_response"].bool_param = True
                yield out
        finally:
            reader.cancel()
            while not waiting.empty():
                left = waiting.get_nowait()
                if left is not None:
                    left[1].cancel()

    async def _ask(self, request: Any, metadata: dict[str, str], budget: float | None) -> Answer:
        """One prediction. Refusals come back as answers; each is in the log, but for those of callers without a key."""
        plane = self._plane
        call = Call(request.model_name, b"", _V2, request.model_version, 0, _FLAGS, budget)
        call.trace, call.trace_state = metadata.get("traceparent", "")[:55], metadata.get("tracestate", "")
        route = plane.table.routes.get(request.model_name.removesuffix(PREVIEW))
        if route is not None:
            if route.subject_header:
                call.subject = metadata.get(route.subject_header, "")[:200]
            call.unit = metadata.get(route.unit_header.decode() or "tidegate-unit", "")[:200]
            if route.override_header and not call.version:
                call.version = metadata.get(route.override_header.decode(), "")[:100]
            if call.version:
                call.mirror_of = metadata.get("tidegate-mirror-of", "")[:100]
        try:
            plane.authenticate(_secret(metadata), "predict")
        except TidegateError as exc:
            return Answer(_status(exc), "", message=str(exc))
        try:
            call.body, call.json_length = translate.call_body(request)
            if route is not None and len(call.body) > route.endpoint.max_body:
                raise TooLarge(
                    f"the request has {len(call.body)} bytes, the limit is {route.endpoint.max_body} (maxBody)"
                )
        except TidegateError as exc:
            return await plane.refuse(call, _status(exc), str(exc))
        answer = await plane.infer(call)
        return await self._held(answer, call, budget) if answer.status == 202 else answer

    async def _held(self, answer: Answer, call: Call, budget: float | None) -> Answer:
        """People decide, and this protocol has no way to say that: the call is held for the time it has."""
        route = self._plane.table.routes.get(call.endpoint)
        seconds = budget if budget is not None else route.endpoint.timeout if route is not None else 0.0
        held: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        decisions = self._pages.decisions
        fits = decisions.hold(
            answer.prediction_id,
            max(0.0, seconds - ANSWER_TIME),
            lambda found: None if held.done() else held.set_result(found),
        )
        found = await held if fits else None
        if found is None or not found.decided:
            where = f"/v2/decisions/{answer.prediction_id}"
            answer.status, answer.message = 504, f"people decide this, and have not yet: ask GET {where} over HTTP"
        else:
            answer.status, answer.json, answer.raw = 200, self._pages.outputs_of(found, _V2), b""
        return answer

    def _response(self, request: Any, answer: Answer) -> Any:
        target = answer.target
        assert target is not None
        request_id = orjson.loads(answer.request_id) if answer.request_id else answer.prediction_id
        out = translate.response(
            request.model_name, target.version.version, request_id, answer.json, answer.raw, translate.is_typed(request)
        )
        out.parameters["prediction_id"].string_param = answer.prediction_id
        if answer.fallback:
            out.parameters["fallback"].string_param = answer.fallback
        out.parameters["role"].string_param = target.role
        return out

    # -- the rest

    async def ServerLive(self, request: Any, context: Any) -> Any:
        return message("ServerLiveResponse")(live=True)

    async def ServerReady(self, request: Any, context: Any) -> Any:
        plane = self._plane
        ready = plane.table.revision > 0 and not self.draining and all(plane.ready(name) for name in plane.table.routes)
        return message("ServerReadyResponse")(ready=ready)

    async def ModelReady(self, request: Any, context: Any) -> Any:
        return message("ModelReadyResponse")(ready=self._plane.ready(request.name, request.version))

    async def ServerMetadata(self, request: Any, context: Any) -> Any:
        return message("ServerMetadataResponse")(name="tidegate", version=__version__, extensions=EXTENSIONS)

    async def ModelMetadata(self, request: Any, context: Any) -> Any:
        self._plane.authenticate(_secret(_metadata(context)), "predict")
        return message("ModelMetadataResponse")(**self._pages.metadata(request.name, request.version))

    async def ModelStatistics(self, request: Any, context: Any) -> Any:
        self._plane.authenticate(_secret(_metadata(context)), "predict")
        if request.name:
            self._plane.version(request.name, request.version)
        out = message("ModelStatisticsResponse")()
        for entry in self._pages.model_stats(request.name, request.version):
            stats = entry["inference_stats"]
            added = out.model_stats.add(
                name=entry["name"], version=entry["version"], inference_count=entry["inference_count"]
            )
            added.inference_stats.success.count = stats["success"]["count"]
            added.inference_stats.fail.count = stats["fail"]["count"]
        return out

    async def RepositoryIndex(self, request: Any, context: Any) -> Any:
        self._plane.authenticate(_secret(_metadata(context)), "view")
        out = message("RepositoryIndexResponse")()
        for entry in self._pages.index():
            if not request.ready or entry["state"] == "READY":
                out.models.add(**entry)
        return out

    async def RepositoryModelLoad(self, request: Any, context: Any) -> Any:
        await self._load(request.model_name, "load", context)
        return message("RepositoryModelLoadResponse")()

    async def RepositoryModelUnload(self, request: Any, context: Any) -> Any:
        await self._load(request.model_name, "unload", context)
        return message("RepositoryModelUnloadResponse")()

    async def _load(self, name: str, action: str, context: Any) -> None:
        secret = _secret(_metadata(context))
        self._plane.authenticate(secret, "operate")
        remaining = _remaining(context)
        await self._pages.load(name, action, secret, 120.0 if remaining is None else min(120.0, remaining))


def _metadata(context: Any) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


def _secret(metadata: dict[str, str]) -> str:
    scheme, _, value = metadata.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else metadata.get("x-api-key", "").strip()


def _remaining(context: Any) -> float | None:
    """Seconds until the caller gives up; None where they gave no deadline. Never 0, which would mean no limit."""
    left = context.time_remaining()
    return None if left is None or left > 1e8 else max(float(left), 0.001)


def _status(exc: TidegateError) -> int:
    return next((_STATUS[kind] for kind in type(exc).__mro__ if kind in _STATUS), 500)


async def _abort(context: Any, status: int, text: str, retry_after: float = 0.0, prediction_id: str = "") -> NoReturn:
    trailers: list[tuple[str, str]] = []
    if prediction_id:
        trailers.append(("tidegate-prediction-id", prediction_id))
    if status in (429, 503):
        trailers.append(("retry-after", str(max(1, round(retry_after)))))
    await context.abort(_CODES.get(status, grpc.StatusCode.INTERNAL), text, tuple(trailers))
    raise AssertionError("abort raises")
