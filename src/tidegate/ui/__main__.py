"""The web process, control API and dashboard: `python -m tidegate.ui STATE_DIR`. SIGTERM ends it after the calls in flight.

The port is TIDEGATE_CONTROL_PORT (the supervisor picks it), else server.control of the project that is in force.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import traceback

import msgspec
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from tidegate.auth.policy import keys_required
from tidegate.runner.death import die_with_parent
from tidegate.storage.layout import Layout
from tidegate.ui.app import build

ACTS_END_WITHIN = 5.0
"""Seconds."""


class _Server(msgspec.Struct):
    host: str = "127.0.0.1"
    control: int = 8000
    keys: str = "auto"


class _Project(msgspec.Struct):
    server: _Server = msgspec.field(default_factory=_Server)


def load_server(layout: Layout) -> _Server:
    """The `server:` section that is in force. A missing one means the defaults."""
    try:
        text = (layout.run / "project.json").read_bytes()
    except FileNotFoundError:
        from tidegate.storage.state import StateStore

        text = StateStore(layout).desired().project.encode() or b"{}"
    return msgspec.json.decode(text, type=_Project).server


async def serve(layout: Layout) -> None:
    """Until SIGTERM or SIGINT."""
    server = load_server(layout)
    port = int(os.environ.get("TIDEGATE_CONTROL_PORT") or server.control)
    app = build(layout, host=server.host, require_keys=keys_required(server.host, server.keys))
    granian = Server(
        app, address=server.host, port=port, interface=Interfaces.ASGI, websockets=True, log_level=LogLevels.error
    )
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, granian.stop)
    await granian.serve()


def main() -> None:
    """The entry.

    Calls are answered and acts that run in threads are done when this ends; tasks of open pages are not waited for. Some of them don't heed
    a cancel, and a process that hangs on to its sockets keeps browsers from finding the next one.
    """
    die_with_parent()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(serve(Layout(sys.argv[1])))
        with contextlib.suppress(TimeoutError):
            loop.run_until_complete(asyncio.wait_for(loop.shutdown_default_executor(), ACTS_END_WITHIN))
    except BaseException:
        traceback.print_exc()
        code = 1
    else:
        code = 0
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
