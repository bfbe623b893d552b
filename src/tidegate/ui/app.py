"""The control API and the dashboard in one application.

Headers -> Doors (security.py) -> the API's guard -> /api, /metrics         the routes of api/
                                                  -> /signin, /assets       plain answers
                                                  -> everything else        NiceGUI: pages, their parts, their sockets (sockets.py)
"""

from __future__ import annotations

from fastapi import FastAPI, Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from tidegate.api.app import build as build_api
from tidegate.api.state import Control
from tidegate.storage.layout import Layout
from tidegate.ui import security

FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
"""Their addresses hold a digest."""
RECONNECT = 30.0
"""Seconds that the server keeps a page whose browser is away."""


class Rest(BaseRoute):
    """What NiceGUI answers: all but the API, where an unknown path or method is to be an error in JSON."""

    def __init__(self, mount: BaseRoute) -> None:
        self._mount = mount

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Not for an address of the API."""
        return (Match.NONE, {}) if scope["path"].startswith(security.API) else self._mount.matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As NiceGUI does."""
        await self._mount.handle(scope, receive, send)


def build(layout: Layout, *, host: str = "127.0.0.1", require_keys: bool = False) -> FastAPI:
    """Once a process: NiceGUI keeps one application."""
    from nicegui import app as nicegui
    from nicegui import client, ui

    from tidegate.ui import pages, project, sockets, theme
    from tidegate.ui.pages import signin
    from tidegate.ui.pages.lost import lost

    app = build_api(layout, host=host, require_keys=require_keys)
    control: Control = app.state.control
    project.use(control)
    pages.register()
    app.include_router(signin.router)

    @app.get("/assets/{digest}.css", include_in_schema=False)
    def style(digest: str) -> Response:
        return Response(theme.stylesheet(), media_type="text/css", headers=FOREVER)

    @app.get("/assets/{digest}/{name}", include_in_schema=False)
    def asset(digest: str, name: str) -> Response:
        content = theme.asset(name)
        return Response(content, 200 if content else 404, media_type="text/javascript", headers=FOREVER)

    ui.run_with(
        app,
        root=lost,
        title="Tidegate",
        favicon=theme.favicon(),
        language="en-US",
        tailwind=False,
        show_welcome_message=False,
        binding_refresh_interval=None,
        reconnect_timeout=RECONNECT,
    )
    app.router.routes.append(Rest(app.router.routes.pop()))
    security.nonces(client.templates.env)
    sockets.bind(control)
    if require_keys:
        nicegui.on_startup(lambda: sockets.watch(control))
    app.add_middleware(security.Doors, control=control)
    app.add_middleware(security.Headers)
    return app
