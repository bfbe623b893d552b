"""One gateway worker: `python -m tidegate.gateway STATE SLOT`. Its settings are in run/gateway.json (GatewaySettings).

    server.py --> HttpDoor -------\\
                                    DataPlane --> runners, journal
    grpc.aio ------> gRPC door --/
    every 20 ms: is there a new run/routing.json?      every second: counters, slow bodies, a wish to rotate the journal
    every 100 ms, while a rollout counts: run/mark-SLOT.json, up to which call the journal is complete

Workers share their ports (SO_REUSEPORT). On SIGTERM a worker says it is not ready, asks its callers to reconnect elsewhere, answers what
is in flight, and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import time
from typing import Any

import msgspec
import orjson

from tidegate.gateway.data_plane import DataPlane
from tidegate.gateway.decisions import Decisions
from tidegate.gateway.http import HttpDoor
from tidegate.gateway.pages import Pages
from tidegate.gateway.server import HttpServer
from tidegate.gateway.settings import GatewaySettings
from tidegate.runner.death import die_with_parent
from tidegate.storage.intents import Intents
from tidegate.storage.journal import JournalWriter
from tidegate.storage.layout import Layout, write_atomic
from tidegate.telemetry import Counters
from tidegate.types.traffic import Mark, RoutingTable

WATCH = 0.02
MARK = 0.1
QUIET = 0.2


class Worker:
    """Wires the parts and runs until told to stop."""

    def __init__(self, layout: Layout, slot: str, settings: GatewaySettings) -> None:
        self._layout = layout
        self._slot = slot
        self._settings = settings
        self._seen: tuple[int, int, int] = (0, 0, 0)
        self._stop = asyncio.Event()
        self._counters = Counters()

    async def run(self) -> None:
        """Serve until SIGTERM, then drain."""
        settings = self._settings
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sig, self._stop.set)
        journal = None
        if not os.environ.get("TIDEGATE_BENCH_NO_LOG"):
            journal = JournalWriter(
                self._layout.journal,
                self._slot,
                segment_size=settings.segment_size,
                fsync=settings.fsync,
                deadline=settings.write_deadline,
            )
            journal.start()
        self._journal = journal
        self._plane = plane = DataPlane(journal, self._counters)
        intents = Intents(self._layout.run / "intents")
        pages = Pages(plane, intents, lambda: self._counters.snapshot(int(time.time())), Decisions(self._layout))
        self._door = door = HttpDoor(plane, pages)
        await self._follow()
        self._server = server = HttpServer(door, settings.max_connections)
        await server.start(settings.host, settings.http)
        grpc_server = await self._grpc(plane, pages) if settings.grpc >= 0 else None
        gc.collect()
        gc.freeze()  # what is here now stays: collections look only at what requests make
        gc.set_threshold(20_000, 20, 50)
        tasks = [
            loop.create_task(self._watch()),
            loop.create_task(self._housekeeping()),
            loop.create_task(self._marks()),
        ]
        await self._stop.wait()
        await self._drain(server, grpc_server)
        for task in tasks:
            task.cancel()
        plane.close()
        if journal is not None:
            await journal.close()
        self._write_counters()

    async def _grpc(self, plane: DataPlane, pages: Pages) -> Any:
        from tidegate.gateway.grpc import serve

        return await serve(plane, pages, self._settings)

    async def _drain(self, server: HttpServer, grpc_server: Any) -> None:
        """No request that was accepted fails: each answer now ends its connection, and what is in flight is answered."""
        settings = self._settings
        self._door.draining = True
        self._plane.end_retries()
        server.stop_listening()
        stopping = asyncio.ensure_future(grpc_server.stop(settings.drain_timeout)) if grpc_server is not None else None
        end = time.monotonic() + settings.drain_timeout
        quiet_since = time.monotonic()
        while time.monotonic() < end and time.monotonic() - quiet_since < QUIET:
            busy = any(not connection.idle for connection in server.connections)
            if self._plane.in_flight or busy or self._plane.taken_since():
                quiet_since = time.monotonic()
            await asyncio.sleep(0.02)
        await self._plane.drain(max(end - time.monotonic(), 0.1))
        server.close()
        if stopping is not None:
            await stopping

    # -- the routing table

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH)
            await self._follow()

    async def _follow(self) -> None:
        try:
            info = self._layout.routing.stat()
        except OSError:
            return
        stamp = (info.st_ino, info.st_mtime_ns, info.st_size)
        if stamp == self._seen:
            return
        try:
            table = msgspec.json.decode(self._layout.routing.read_bytes(), type=RoutingTable)
        except (OSError, msgspec.MsgspecError) as exc:
            sys.stderr.write(f"routing.json can't be read, the old table stays: {exc}\n")
            self._seen = stamp
            return
        self._seen = stamp
        await self._plane.apply(table)
        self._write_counters()

    async def _marks(self) -> None:
        """Tell the controller up to which call the journal is complete."""
        path = self._layout.run / f"mark-{self._slot}.json"

        def publish(mark: Mark) -> None:
            with contextlib.suppress(OSError):  # a full disk: the controller sees that the mark is old
                write_atomic(path, msgspec.json.encode(mark))

        while True:
            await asyncio.sleep(MARK)
            self._plane.mark(publish)

    # -- once a second

    async def _housekeeping(self) -> None:
        rotate = self._layout.run / f"{self._slot}.rotate"
        while True:
            await asyncio.sleep(1.0)
            self._server.sweep()
            if self._journal is not None and rotate.exists():
                rotate.unlink(missing_ok=True)
                self._journal.rotate()
            self._write_counters()

    def _write_counters(self) -> None:
        now = time.time()
        body = {
            "time": now,
            "slot": self._slot,
            "pid": os.getpid(),
            "window_s": 10,
            "series": self._counters.snapshot(int(now)),
        }
        body.update(self._plane.status())
        try:
            write_atomic(self._layout.run / f"counters-{self._slot}.json", orjson.dumps(body))
        except OSError:  # a full disk must not stop the gateway; the journal says so itself
            pass


def main(state: str, slot: str) -> None:
    """The process."""
    die_with_parent()
    layout = Layout(state)
    settings = msgspec.json.decode((layout.run / "gateway.json").read_bytes(), type=GatewaySettings)

    async def run() -> None:
        await Worker(layout, slot, settings).run()

    try:
        import uvloop
    except ImportError:
        asyncio.run(run())
    else:
        uvloop.run(run())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
    sys.stdout.flush()
    os._exit(0)  # the server's own threads have nothing left to do, and must not hold up the end
