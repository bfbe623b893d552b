"""The runner's socket side: one thread, no event loop library, natural batching.

    epoll --> frames of all gateways --> queue --> at most max_batch_size rows to the Batcher --> replies, one write a gateway

A batch is what arrived while the last one ran: nothing waits for a window to fill, and under load batches grow by themselves. A
gateway that doesn't read is never waited for: its replies are kept for it, up to a limit, and then it is let go.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import deque

from tidegate.runner.batch import Batcher, Item
from tidegate.runner.heartbeat import Heartbeat
from tidegate.wire.frames import NO_BUDGET, REQUEST

RECEIVE = 1 << 20
MAX_UNSENT = 256 << 20


class _Peer:
    """One gateway's connection."""

    __slots__ = ("buffer", "open", "out", "poll", "sock", "unsent")

    def __init__(self, sock: socket.socket, poll: select.epoll) -> None:
        self.sock = sock
        self.poll = poll
        self.buffer = bytearray()
        self.out: list[bytes] = []
        self.unsent = b""
        self.open = True

    def reply(self, frame: bytes) -> None:
        self.out.append(frame)

    def flush(self) -> None:
        if not self.open or not (self.out or self.unsent):
            return
        data = b"".join([self.unsent, *self.out]) if self.unsent else b"".join(self.out)
        self.out = []
        waited = bool(self.unsent)
        try:
            sent = self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.close()
            return
        self.unsent = data[sent:]
        if len(self.unsent) > MAX_UNSENT:
            self.close()
        elif bool(self.unsent) != waited:
            self.poll.modify(self.sock.fileno(), select.EPOLLIN | (select.EPOLLOUT if self.unsent else 0))

    def close(self) -> None:
        if self.open:
            self.open = False
            with contextlib.suppress(OSError, ValueError):
                self.poll.unregister(self.sock.fileno())
            self.sock.close()


class Loop:
    """Serves one Batcher on a listening socket until `stop`."""

    def __init__(self, listener: socket.socket, batcher: Batcher, beat: Heartbeat, max_batch_size: int) -> None:
        self._listener = listener
        self._batcher = batcher
        self._beat = beat
        self._max = max_batch_size
        self._poll = select.epoll()
        self._peers: dict[int, _Peer] = {}
        self._queue: deque[Item] = deque()
        self._stopping = False

    def stop(self) -> None:
        """Finish what is queued, then return from `run` (safe in a signal handler)."""
        self._stopping = True

    def run(self) -> None:
        """Blocks."""
        self._listener.setblocking(False)
        self._poll.register(self._listener.fileno(), select.EPOLLIN)
        while True:
            try:
                events = self._poll.poll(0 if self._queue else 0.5)
            except InterruptedError:
                events = []
            for fd, event in events:
                if fd == self._listener.fileno():
                    self._accept()
                    continue
                peer = self._peers.get(fd)
                if peer is None:
                    continue
                if event & select.EPOLLOUT:
                    peer.flush()
                if event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                    self._receive(fd, peer)
            if self._queue:
                self._work()
            elif self._stopping and not events:
                return

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peers[sock.fileno()] = _Peer(sock, self._poll)
        self._poll.register(sock.fileno(), select.EPOLLIN)

    def _receive(self, fd: int, peer: _Peer) -> None:
        try:
            data = peer.sock.recv(RECEIVE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            del self._peers[fd]
            peer.close()
            return
        buffer = peer.buffer
        if buffer:
            buffer += data
            data = b""
        source: bytes | bytearray = buffer if buffer else data
        at, end = 0, len(source)
        now = time.monotonic()
        unpack, head = REQUEST.unpack_from, REQUEST.size
        while end - at >= head:
            length, call, codec, flags, traced, budget, json_length = unpack(source, at)
            stop = at + 4 + length
            if stop > end:
                break
            deadline = now + budget / 1000 if budget != NO_BUDGET else 0.0
            begin = at + head + traced
            item = Item(peer.reply, call, codec, flags, json_length, bytes(source[begin:stop]), now, deadline)
            if traced:
                item.trace = bytes(source[at + head : begin])
            self._queue.append(item)
            at = stop
        if source is buffer:
            del buffer[:at]
        elif at < end:
            buffer += source[at:]

    def _work(self) -> None:
        """One batch: the requests at the head of the queue, up to max_batch_size of them (each is one row or more)."""
        queue = self._queue
        items = [queue.popleft() for _ in range(min(len(queue), self._max))]
        self._beat.begin()
        errors, rows = self._batcher.errors, self._batcher.rows
        self._batcher.run(items)
        self._beat.end(len(items), self._batcher.rows - rows, self._batcher.errors - errors)
        for peer in list(self._peers.values()):
            peer.flush()
