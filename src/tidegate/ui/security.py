"""What stands between the network and the dashboard, as ASGI applications around it.

    request -> Headers -> Doors -> the API's guard (Host, Origin) -> routes, NiceGUI
               CSP,       a page without a session goes to the sign-in; a socket or a part of a page is refused
               nosniff ..

The content security policy lets scripts run that come from here or carry the number (nonce) of this very answer. NiceGUI's template
gets it where it writes `<script`, before any value is put in, so nothing that a model, a caller or a label says can carry it.
`unsafe-eval` stays: NiceGUI sends the handlers of events as text, and Vue compiles its templates in the browser; both come from our
code alone. Inline styles stay too: Vue and NiceGUI set `style` attributes. Neither lets a value become a script.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import cookie_parser

from tidegate.api.guard import SAFE, SOCKETS, App, Receive, Scope, Send, refuse
from tidegate.api.state import Control

API: Final = ("/api/", "/metrics")
"""These ask for keys themselves."""
PUBLIC: Final = ("/signin", "/signout", "/assets/", "/favicon.ico")

_HOST = re.compile(r"[A-Za-z0-9.\-_:\[\]]{1,255}")
_SHELL: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_INERT: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; sandbox"
"""For what isn't a page: opened as one (a kept image of somebody's), it can do nothing."""


class Headers:
    """Puts the headers on every answer, and a fresh nonce into the request's scope for the template."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        nonce = secrets.token_urlsafe(16)
        scope["tidegate.nonce"] = nonce
        # It would go into addresses of scripts; a dashboard below a path of another server isn't offered.
        scope["headers"] = [pair for pair in scope["headers"] if pair[0].lower() != b"x-forwarded-prefix"]

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message.get("headers", [])}
                values = dict(message.get("headers", []))
                page = values.get(b"content-type", b"").startswith(b"text/html")
                extra = {**_SHELL, "content-security-policy": policy(nonce, host_of(scope)) if page else _INERT}
                if page or not scope["path"].startswith(("/_nicegui/", "/assets/", "/favicon")):
                    extra["cache-control"] = "no-store"
                message["headers"] = [
                    *message.get("headers", []),
                    *((k.encode(), v.encode()) for k, v in extra.items() if k.encode() not in there),
                ]
            await send(message)

        return await self._app(scope, receive, with_headers)


def policy(nonce: str, host: str) -> str:
    """The content security policy of a page. The socket is named for browsers to whom 'self' means http alone."""
    socket = f" ws://{host} wss://{host}" if host else ""
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' data: blob:",
            "font-src 'self' data:",
            f"connect-src 'self'{socket}",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def host_of(scope: Scope) -> str:
    """The Host header, if it is a plain one: it becomes part of a policy."""
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"host"), "")
    return host if _HOST.fullmatch(host) else ""


class Doors:
    """Where keys are required: nothing of the dashboard but the sign-in is there for a browser without a session."""

    def __init__(self, app: App, control: Control) -> None:
        self._app = app
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if (
            scope["type"] not in ("http", "websocket")
            or not self._control.require_keys
            or path.startswith(API + PUBLIC)
        ):
            return await self._app(scope, receive, send)
        sessions = self._control.sessions
        session = sessions.read(cookies_of(scope))
        if path.startswith(SOCKETS):
            # A session that has ended since is turned away within (sockets.py), where the page can be told to go to the sign-in.
            if session is not None:
                return await self._app(scope, receive, send)
        elif sessions.entry(session) is not None:
            return await self._app(scope, receive, send)
        if scope["type"] == "http" and scope["method"] in SAFE and not path.startswith("/_nicegui"):
            query = scope.get("query_string", b"").decode("latin-1")
            wanted = quote(path + (f"?{query}" if query else ""), safe="/")
            where = f"/signin?next={wanted}" if wanted != "/" else "/signin"
            await send({"type": "http.response.start", "status": 303, "headers": [(b"location", where.encode())]})
            await send({"type": "http.response.body", "body": b""})
            return None
        return await refuse(scope, receive, send, 401, "sign in first: this dashboard asks for a key")


def cookies_of(scope: Scope) -> dict[str, str]:
    """By name."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name.lower() == b"cookie":
            found.update(cookie_parser(value.decode("latin-1")))
    return found


def nonces(environment: Any) -> None:
    """Have NiceGUI's template (a Jinja environment with a loader) write each of its own `<script` with the answer's nonce.

    On the template's text, not on the page: values are put in afterwards, and what they hold stays as it is.
    """
    from jinja2 import BaseLoader, Environment

    class WithNonces(BaseLoader):
        """The same templates."""

        def __init__(self, inner: BaseLoader) -> None:
            self._inner = inner

        def get_source(
            self, environment: Environment, template: str
        ) -> tuple[str, str | None, Callable[[], bool] | None]:
            source, file, fresh = self._inner.get_source(environment, template)
            return source.replace("<script", "<script nonce=\"{{ request.scope['tidegate.nonce'] }}\""), file, fresh

    if type(environment.loader).__name__ != WithNonces.__name__:
        environment.loader = WithNonces(environment.loader)
        if environment.cache is not None:
            environment.cache.clear()
