"""The sockets of pages: each belongs to the page it was opened for, and that page to the session that asked for it.

    connect, handshake -- the cookie's session is the page's, and still good? --> NiceGUI
    event, answer, ack, log -- is this socket in the page's room? ------------> NiceGUI
    every 0.25 s -- pages whose session has ended --> sent to the sign-in, then closed

NiceGUI itself takes an event for any page from any socket that knows the page's number.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from socketio.exceptions import ConnectionRefusedError

from tidegate.api.state import Control
from tidegate.ui.security import cookies_of

TICK = 0.25
FAREWELL = 1.0
"""Seconds that a page has to go to the sign-in before it is closed."""


def bind(control: Control) -> None:
    """Once, after NiceGUI has set up its own handlers."""
    from nicegui import core
    from nicegui.client import Client

    socket = core.sio
    inner: dict[str, Callable[..., Any]] = dict(socket.handlers["/"])

    def good(environ: dict[str, Any], number: str) -> bool:
        page = Client.instances.get(number)
        if page is None or not control.require_keys:
            return True  # an unknown page is told so by NiceGUI, and loads itself again
        session = control.sessions.read(cookies_of(environ["asgi.scope"]))
        same = session == control.sessions.read(page.request.cookies)
        return same and control.sessions.entry(session) is not None

    async def connect(sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        query = environ.get("QUERY_STRING", "")
        if not good(environ, parse_qs(query).get("client_id", [""])[0]):
            raise ConnectionRefusedError("Implicit handshake failed")  # NiceGUI's word for: load the page again
        await inner["connect"](sid, environ, auth)

    async def handshake(sid: str, data: dict[str, Any]) -> bool:
        if not good(socket.get_environ(sid), str(data.get("client_id"))):
            return False
        return bool(await inner["handshake"](sid, data))

    def from_its_own(name: str) -> Callable[[str, Any], None]:
        def handler(sid: str, message: Any) -> None:
            number = message.get("client_id") if isinstance(message, dict) else None
            page = Client.instances.get(number) if isinstance(number, str) else None
            if page is None or number not in socket.rooms(sid):
                return
            if control.require_keys and control.sessions.of(page.request.cookies) is None:
                return
            inner[name](sid, message)

        return handler

    socket.on("connect", connect)
    socket.on("handshake", handshake)
    for name in ("event", "javascript_response", "ack", "log"):
        socket.on(name, from_its_own(name))


async def watch(control: Control) -> None:
    """Until cancelled: closes the pages whose session has ended."""
    from nicegui.client import Client

    leaving: dict[str, float] = {}
    while True:
        await asyncio.sleep(TICK)
        now = time.monotonic()
        leaving = {number: since for number, since in leaving.items() if number in Client.instances}
        for number, page in list(Client.instances.items()):
            if number in leaving:
                if now - leaving[number] > FAREWELL:
                    page.delete()
            elif control.sessions.of(page.request.cookies) is None:
                leaving[number] = now
                page.open("/signin")
