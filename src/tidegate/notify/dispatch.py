"""Tells every channel that wants to hear, and never lets one hold up the caller or another channel.

    tell(notice) --for each channel: for its severity? said already? too many? room?--> queue --its own thread--> send
                                                                                                  |
    statuses() <-- sent, failed, dropped, repeated, limited, last error (masked) ------------------+

Dedupe: one incident's notice of one kind and severity is told once in `repeat` seconds. Limit: at most LIMIT pages and as many
tickets in LIMIT_SECONDS a channel; a flood of pages helps nobody, and one of tickets must not keep a page from leaving. Who was told
that an incident fires is told its end, whatever its severity has become. A send that fails is tried again after TRIES seconds: a chat
that is away for some minutes loses nothing. A channel that hangs keeps its thread, its queue fills, and what doesn't fit is
counted as dropped.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import msgspec

from tidegate.errors import ConfigError
from tidegate.notify.base import Channel, NotifyError
from tidegate.notify.channels import channel
from tidegate.notify.urls import mask
from tidegate.types.monitoring import Notice

QUEUE = 100
TRIES = (1.0, 4.0, 16.0, 60.0, 240.0)
LIMIT = 30
LIMIT_SECONDS = 600.0
REPEAT = 4 * 3600.0
OPEN = 1000
"""Incidents whose end a channel is still to be told, at most."""


class Wanted(Protocol):
    """What the project file says of one channel."""

    @property
    def to(self) -> str: ...

    @property
    def for_(self) -> str: ...


class ChannelStatus(msgspec.Struct):
    """How one channel fares. `to` is masked; `since` is unix seconds at which the present send began, 0 where none runs."""

    to: str
    for_: str = msgspec.field(name="for")
    sent: int = 0
    failed: int = 0
    dropped: int = 0
    """Notices that found the queue full."""
    repeated: int = 0
    limited: int = 0
    waiting: int = 0
    since: float = 0.0
    error: str = ""


class Dispatcher:
    """Keeps a thread a channel until `close`. `status_file` is written after each change, for those who look on."""

    def __init__(
        self,
        wanted: Iterable[Wanted],
        *,
        status_file: Path | None = None,
        repeat: float = REPEAT,
        tries: tuple[float, ...] = TRIES,
        make: Callable[[str], Channel] = channel,
    ) -> None:
        self._repeat = repeat
        self._file = status_file
        self._writing = threading.Lock()
        self._workers = [_Worker(one.to, one.for_, tries, make, self._write) for one in wanted]
        self._write()

    def tell(self, notice: Notice) -> None:
        """Queue it for those who want it. Never waits, never fails."""
        for worker in self._workers:
            worker.offer(notice, self._repeat)

    def statuses(self) -> list[ChannelStatus]:
        """One a channel, in the project file's order."""
        return [worker.status() for worker in self._workers]

    def flush(self, timeout: float) -> bool:
        """Wait until nothing is queued or being sent; False where it took longer."""
        end = time.monotonic() + timeout
        while any(status.waiting or status.since for status in self.statuses()):
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def close(self, timeout: float = 5.0) -> None:
        """Send what is queued, for at most that long; threads that hang are left to end with the process."""
        self.flush(timeout)
        for worker in self._workers:
            worker.stop()

    def _write(self) -> None:
        if self._file is None:
            return
        from tidegate.storage.layout import write_atomic

        with self._writing:
            try:
                write_atomic(self._file, msgspec.json.encode(self.statuses()))
            except OSError:  # a full disk must not keep a page from leaving
                pass


class _Worker:
    """One channel's queue and thread."""

    def __init__(
        self, to: str, for_: str, tries: tuple[float, ...], make: Callable[[str], Channel], changed: Callable[[], None]
    ) -> None:
        self._to = to
        self._for = for_
        self._tries = tries
        self._make = make
        self._changed = changed
        self._status = ChannelStatus(mask(to), for_)
        self._queue: queue.Queue[Notice] = queue.Queue(QUEUE)
        self._lock = threading.Lock()
        self._told: dict[tuple[int, str, str], float] = {}
        self._open: dict[int, None] = {}
        self._recent: dict[str, deque[float]] = {}
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def offer(self, notice: Notice, repeat: float) -> None:
        """Take it, or count why not."""
        with self._lock:
            ends = notice.kind == "resolved" and notice.incident in self._open
            if notice.kind != "test" and not ends and self._for not in ("all", notice.severity):
                return
            now = time.monotonic()
            recent = self._recent.setdefault(notice.severity, deque())
            if notice.kind != "test":
                if self._is_repeated(notice, now, repeat):
                    self._status.repeated += 1
                    return
                while recent and now - recent[0] > LIMIT_SECONDS:
                    recent.popleft()
                if len(recent) >= LIMIT and not ends:
                    self._status.limited += 1
                    return
            try:
                self._queue.put_nowait(notice)
            except queue.Full:
                self._status.dropped += 1
                return
            self._status.waiting += 1
            if not ends:
                recent.append(now)
            if notice.incident and notice.kind != "test":
                self._remember(notice, now, repeat)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"notify {self._status.to}", daemon=True)
                self._thread.start()

    def _is_repeated(self, notice: Notice, now: float, repeat: float) -> bool:
        told = self._told.get((notice.incident, notice.kind, notice.severity))
        return bool(notice.incident) and told is not None and now - told < repeat

    def _remember(self, notice: Notice, now: float, repeat: float) -> None:
        """An incident that ends and begins again is news each time."""
        self._open.pop(notice.incident, None)
        if notice.kind == "firing":
            self._open[notice.incident] = None
            if len(self._open) > OPEN:
                del self._open[next(iter(self._open))]
        for other in [key for key in self._told if key[0] == notice.incident and key[1] != notice.kind]:
            del self._told[other]
        self._told[(notice.incident, notice.kind, notice.severity)] = now
        for old in [key for key, when in self._told.items() if now - when >= repeat]:
            del self._told[old]

    def status(self) -> ChannelStatus:
        with self._lock:
            return msgspec.structs.replace(self._status)

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        made: Channel | None = None
        while not self._stopped.is_set():
            try:
                notice = self._queue.get(timeout=0.5)
            except queue.Empty:
                continue
            with self._lock:
                self._status.waiting -= 1
                self._status.since = time.time()
            made, error = self._deliver(made, notice)
            with self._lock:
                self._status.since = 0.0
                if error:
                    self._status.failed += 1
                else:
                    self._status.sent += 1
                self._status.error = error
            self._changed()

    def _deliver(self, made: Channel | None, notice: Notice) -> tuple[Channel | None, str]:
        """The channel and why it could not; "" where it could."""
        error = ""
        for pause in (0.0, *self._tries):
            if pause and self._stopped.wait(pause):
                break
            try:
                made = made or self._make(self._to)
                made.send(notice)
                return made, ""
            except ConfigError as exc:
                return made, str(exc)
            except NotifyError as exc:
                error = str(exc)
                if exc.permanent:
                    break
            except Exception as exc:  # a third party's; its message may quote the URL
                error = f"{type(exc).__name__} in {self._status.to}"
        return made, error
