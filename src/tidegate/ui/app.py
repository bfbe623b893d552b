"""The control API and the dashboard in one application."""

from __future__ import annotations

from fastapi import FastAPI, Response

from tidegate.api.app import build as build_api
from tidegate.storage.layout import Layout

FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
"""Their addresses hold a digest."""


def build(layout: Layout, *, host: str = "127.0.0.1", require_keys: bool = False) -> FastAPI:
    """Once a process: NiceGUI keeps one application."""
    from nicegui import ui

    from tidegate.ui import pages, project, theme

    app = build_api(layout, host=host, require_keys=require_keys)
    project.use(app.state.control)
    pages.register()

    @app.get("/assets/{digest}.css", include_in_schema=False)
    def style(digest: str) -> Response:
        return Response(theme.stylesheet(), media_type="text/css", headers=FOREVER)

    @app.get("/assets/{digest}/{name}", include_in_schema=False)
    def asset(digest: str, name: str) -> Response:
        return Response(theme.asset(name), media_type="text/javascript", headers=FOREVER)

    ui.run_with(
        app,
        title="Tidegate",
        tailwind=False,
        show_welcome_message=False,
        binding_refresh_interval=None,
        reconnect_timeout=30.0,
    )
    return app
