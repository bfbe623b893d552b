"""The ingest process: waits for journal, runs cycles, says how it does, stops when told.

    every flush_every seconds, or as soon as a batch has gathered:
        Cycle.run -> drop_segments -> (now and then) compact, expire
    each quarter of a second: ReviewTasks.look
    each second: run/ingest.json
    SIGTERM: one last cycle, then exit 0

A cycle that fails (a full disk, say) is tried again after 1, 2, 4 ... 30 seconds; the journal keeps everything
meanwhile.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import sys
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

from tidegate.errors import ConfigError, StateError
from tidegate.ingest.review import ReviewTasks
from tidegate.runner.death import die_with_parent
from tidegate.storage.journal_reader import Position, behind
from tidegate.storage.layout import Layout
from tidegate.storage.lock import file_lock
from tidegate.storage.log.status import Committed, IngestStatus, load_committed, save_status
from tidegate.storage.options import LogOptions

if TYPE_CHECKING:
    from tidegate.ingest.cycle import Cycle

_TURN = 0.25
_ENOUGH = 16 << 20
"""Bytes of journal at which a cycle starts without waiting for flush_every."""
_UPKEEP_EVERY = 30.0
_EXPIRE_EVERY = 3600.0


def load_options(layout: Layout, text: str | None = None) -> LogOptions:
    """From a JSON text, or run/log.json, or the defaults. Errors: ConfigError."""
    if text is None:
        try:
            text = (layout.run / "log.json").read_text()
        except FileNotFoundError:
            return LogOptions.model_validate({})
    try:
        return LogOptions.model_validate_json(text)
    except ValueError as exc:
        raise ConfigError(f"the log's options can't be read: {exc}") from exc


TRIM_EVERY = 10.0
NICE = 10
"""Nothing waits for ingest, and answers wait for the cores: when there are too few, it catches up later."""


class Process:
    """One ingest over one state folder."""

    def __init__(self, layout: Layout, options: LogOptions, *, fixed: bool = False) -> None:
        self.layout = layout
        self.options = options
        self.stop = threading.Event()
        self._fixed = fixed
        self._cycle: Cycle | None = None
        self._committed: Committed = load_committed(layout)
        self._status = IngestStatus(os.getpid(), time.time(), "starting")
        self._caught_up = time.time()
        self._upkeep_at = 0.0
        self._expire_at = 0.0
        self._options_stamp = 0
        self._looked = False
        self._trimmed = 0.0
        self._review = ReviewTasks(layout)

    def run(self) -> int:
        """Until `stop` is set; 0 when the last cycle went well. The caller holds run/ingest.lock."""
        teller = threading.Thread(target=self._tell, name="status", daemon=True)
        teller.start()
        wait = 0.0
        while not self.stop.is_set():
            began = time.monotonic()
            failed = not self._pass()
            wait = min(30.0, max(1.0, wait * 2)) if failed else 0.0
            self._pause(began + (wait if failed else self.options.flush_every), waiting=failed)
        good = self._pass(last=True)
        self._status.state = "stopped"
        self._say()
        return 0 if good else 1

    def _pause(self, until: float, waiting: bool) -> None:
        while (left := until - time.monotonic()) > 0 and not self.stop.wait(min(left, _TURN)):
            with contextlib.suppress(StateError, OSError):  # the pass that follows says it
                self._review.look()
            if not waiting and self._lag() >= _ENOUGH:
                return

    def _pass(self, last: bool = False) -> bool:
        try:
            self._refresh_options()
            self._review.look()  # before finished segments are dropped
            if self._lag() or self._profiles_behind():
                self._ingest()
            else:
                self._caught_up = time.time()
            if not last:
                self._keep()
        except Exception as exc:
            self._status.error = f"{type(exc).__name__}: {exc}"
            self._status.retries += 1
            self._status.state = "retrying"
            _log(f"can't write the prediction log, will try again: {self._status.error}")
            return False
        late = self._cycle.watch_error if self._cycle is not None else ""
        self._status.error = f"profiles are behind: {late}" if late else ""
        self._status.state = "running"
        return True

    def _ingest(self) -> None:
        from tidegate.ingest.cycle import Cycle  # polars and deltalake, only once there is something to write
        from tidegate.ingest.upkeep import drop_segments

        if self._cycle is None:
            self._cycle = Cycle(self.layout, self.options)
        self._cycle.options = self.options
        before = self._committed
        now = time.time()
        self._committed = self._cycle.run(catches_up=lambda: not self.stop.is_set())
        self._caught_up = now
        self._status.last_commit = time.time()
        for damage in self._committed.since(before):
            _log(
                f"{damage.slot} segment {damage.segment} byte {damage.offset}: "
                f"{damage.length} bytes skipped: {damage.reason}"
            )
        drop_segments(self.layout, self.options, self._cycle.folded(self._committed))

    def _give_back(self) -> None:
        """Memory that nothing needs any more, to the system: while a batch is worked on the collector is off, and a batch is a
        million small pieces among a few that stay."""
        now = time.monotonic()
        if now - self._trimmed < TRIM_EVERY:
            return
        self._trimmed = now
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)

    def _keep(self) -> None:
        now = time.monotonic()
        if self._cycle is not None:
            self._cycle.keep(now)
        if self._cycle is not None and self._cycle.touched and now >= self._upkeep_at:
            from tidegate.ingest.upkeep import compact

            for endpoint in sorted(self._cycle.touched):
                compact(self.layout, endpoint, self.options)
            self._cycle.touched.clear()
            self._upkeep_at = now + _UPKEEP_EVERY
        if (self.options.retention or self.options.feedback_retention) and now >= self._expire_at:
            from tidegate.ingest.upkeep import expire

            expire(self.layout, self.options)
            self._expire_at = now + _EXPIRE_EVERY

    def _refresh_options(self) -> None:
        if self._fixed:
            return
        try:
            stamp = (self.layout.run / "log.json").stat().st_mtime_ns
        except FileNotFoundError:
            return
        if stamp != self._options_stamp:
            self.options = load_options(self.layout)
            self._options_stamp = stamp

    def _profiles_behind(self) -> bool:
        if self._cycle is not None:
            return not self._cycle.level
        if self._looked:
            return False
        from tidegate.storage.profiles import ProfileStore

        try:
            with closing(ProfileStore(self.layout)) as store:
                folded = store.positions()
        except StateError:  # the cycle says why, and when it is over
            folded = dict.fromkeys(self._committed.positions, 0)
        self._looked = True
        return any(folded.get(slot, at) < at for slot, at in self._committed.positions.items())

    def _lag(self) -> int:
        return sum(behind(self.layout.journal, self._positions()).values())

    def _positions(self) -> dict[str, Position]:
        return {slot: Position.unpack(packed) for slot, packed in self._committed.positions.items()}

    def _tell(self) -> None:
        while not self.stop.is_set():
            self._say()
            self.stop.wait(1.0)

    def _say(self) -> None:
        status, committed = self._status, self._committed
        status.time = time.time()
        status.rows, status.feedback = committed.rows, committed.feedback
        status.torn_lines, status.corrupt_lines = committed.torn_lines, committed.corrupt_lines
        status.positions = {slot: list(position) for slot, position in self._positions().items()}
        status.damage = committed.damage[-10:]
        try:
            status.lag_bytes = self._lag()
            status.lag_seconds = round(status.time - self._caught_up, 3) if status.lag_bytes else 0.0
            status.rss = _rss()
            save_status(self.layout, status)
        except OSError as exc:  # a full disk: the next second may do
            _log(f"can't write run/ingest.json: {exc}")


def _rss() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


def _log(message: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} ingest: {message}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> int:
    """STATE_DIR [OPTIONS_JSON]. 0 after a clean stop, 1 when the last flush failed, 2 for a wrong call or a second
    ingest."""
    if not 1 <= len(arguments) <= 2:
        sys.stderr.write("usage: python -m tidegate.ingest STATE_DIR [OPTIONS_JSON]\n")
        return 2
    layout = Layout(arguments[0])
    try:
        options = load_options(layout, arguments[1] if len(arguments) == 2 else None)
        with file_lock(layout.run / "ingest.lock", timeout=0, what="this state folder's ingest"):
            process = Process(layout, options, fixed=len(arguments) == 2)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: process.stop.set())
            os.nice(NICE)
            die_with_parent()  # an orphan would hold the lock against the next `tidegate up`
            return process.run()
    except (ConfigError, StateError) as exc:
        sys.stderr.write(f"ingest: {exc}\n")
        return 2
