"""Two checks before anything else, against pages in the user's own browser.

Host: a page of evil.example whose name was re-pointed at 127.0.0.1 (DNS rebinding) sends its own name: refused on a
loopback address.
Where others reach the address keys are required; a browser doesn't send those by itself, so any name may be used.
Origin: a state-changing call that a page of another site sends carries that site's origin: refused. So is every socket that such a
page opens, and every call by which a socket is imitated: browsers let a page of any site open one, and let it read what comes.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from tidegate.auth.policy import is_loopback

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SAFE = {"GET", "HEAD", "OPTIONS"}
SOCKETS = "/_nicegui_ws"
"""Where the dashboard's sockets are."""


class Guard:
    """An ASGI application around another. `check_host` is whether the API is bound to a loopback address."""

    def __init__(self, app: App, check_host: bool) -> None:
        self._app = app
        self._check_host = check_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
            host = headers.get("host", "")
            if self._check_host and not is_loopback(_name(host)):
                message = f"the Host header is {host!r}; this API is called at 127.0.0.1, localhost or [::1]"
                return await refuse(scope, receive, send, 421, message)
            origin = headers.get("origin")
            if origin is not None and urlsplit(origin).netloc.lower() != host.lower() and not _only_reads(scope):
                message = f"a page of {origin!r} may not change anything here"
                return await refuse(scope, receive, send, 403, message)
        await self._app(scope, receive, send)
        return None


def _name(host: str) -> str:
    """The name in a Host header, without its port.

    >>> _name("localhost:8000"), _name("[::1]:8000"), _name("127.0.0.1")
    ('localhost', '::1', '127.0.0.1')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _only_reads(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] in SAFE and not scope["path"].startswith(SOCKETS)


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, message: str) -> None:
    """Answer with an error; a socket is never opened."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": message[:100]})
        return
    body = json.dumps({"error": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
