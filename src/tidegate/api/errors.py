"""Our errors as HTTP: always {"error": "..."}."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from tidegate.api.bodies import ErrorBody
from tidegate.errors import (
    ConfigError,
    DeadlineExceeded,
    Forbidden,
    InvalidRequest,
    ModelError,
    NotFound,
    RequestError,
    StateError,
    TidegateError,
    Unauthenticated,
    Unavailable,
)

STATUS: tuple[tuple[type[TidegateError], int], ...] = (
    (NotFound, 404), (Unauthenticated, 401), (Forbidden, 403), (InvalidRequest, 400), (ConfigError, 400),
    (ModelError, 400), (RequestError, 400), (StateError, 409), (Unavailable, 503), (DeadlineExceeded, 504),
)  # fmt: skip

RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorBody, "description": text}
    for code, text in (
        (400, "The request can't be served as it is"), (401, "No key, or an unknown one"), (403, "Not allowed"),
        (404, "Not known"), (409, "The state doesn't allow it"), (422, "Malformed"), (503, "Not now"),
    )
}  # fmt: skip


def translate(exc: TidegateError) -> int:
    """The status of one of our errors."""
    return next((status for kind, status in STATUS if isinstance(exc, kind)), 500)


def install(app: FastAPI) -> None:
    """Make every error an ErrorBody."""

    @app.exception_handler(TidegateError)
    async def ours(_: Request, exc: TidegateError) -> JSONResponse:
        headers = {}
        if isinstance(exc, Unauthenticated):
            headers["www-authenticate"] = "Bearer"
        if isinstance(exc, Unavailable):
            headers["retry-after"] = str(max(1, round(exc.retry_after)))
        return JSONResponse({"error": str(exc)}, translate(exc), headers)

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, exc: RequestValidationError) -> JSONResponse:
        problems = [f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}" for error in exc.errors()]
        return JSONResponse({"error": "; ".join(problems)}, 422)

    @app.exception_handler(HTTPException)
    async def framework(_: Request, exc: HTTPException) -> JSONResponse:
        return JSONResponse({"error": str(exc.detail)}, exc.status_code, dict(exc.headers or {}))
