"""`tidegate up` as a process of its own, from start to end; it never outlives the demo.

    start --> ready() --> addresses ... stop (SIGTERM, which answers what is in flight and writes the log out)

It gets a session of its own, so that Ctrl-C reaches the demo alone, which then ends it in order. Should the demo be
killed outright, the kernel tells the supervisor.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

import msgspec

from tidegate.errors import StateError
from tidegate.runner.death import die_with_parent
from tidegate.storage.layout import Layout
from tidegate.supervisor import claim
from tidegate.types.processes import Processes

STOP_WITHIN = 45.0


class System:
    """A context manager: running inside, ended outside."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.layout = Layout(project.parent / ".tidegate")
        self.output = project.parent / "up.log"
        self.http = ""
        self.control = ""
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> System:
        self._start()
        return self

    def _start(self) -> None:
        command = [sys.executable, "-m", "tidegate", "-C", str(self.project), "up"]
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def _taken(self) -> bool:
        """Whether it ended because somebody took a port since the file was written; the file then asks for free ones."""
        said = self._said()
        text = self.project.read_text()
        if "another port" not in said or text == (free_ones := without_ports(text)):
            return False
        self.project.write_text(free_ones)
        return True

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_ready(self, endpoint: str, timeout: float = 90.0) -> float:
        """Until `endpoint` answers; the seconds that took. Errors: StateError with what `tidegate up` last said."""
        began = time.monotonic()
        while time.monotonic() - began < timeout:
            if self._process is None or self._process.poll() is not None:
                if self._process is None or not self._taken():
                    raise self.ended()
                self._start()
            if self._addresses() and _answers(f"{self.http}/v2/models/{endpoint}/ready"):
                return time.monotonic() - began
            time.sleep(0.05)
        raise StateError(f"{endpoint} was not ready within {timeout:.0f} s: {self._said()}")

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def ended(self) -> StateError:
        """The error of a system that ended by itself, with what it last said."""
        return StateError(f"`tidegate up` ended by itself: {self._said()}")

    def stop(self) -> None:
        """Drain and end it; kill what doesn't end in time. Calling it again does nothing."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_WITHIN)
        except BaseException as exc:  # too slow, or Ctrl-C again: its children are told by the kernel
            process.kill()
            process.wait()
            if not isinstance(exc, subprocess.TimeoutExpired):
                raise

    def _addresses(self) -> bool:
        try:
            found = msgspec.json.decode(self.layout.processes.read_bytes(), type=Processes)
        except (OSError, msgspec.DecodeError):
            return False
        if self._process is None or found.supervisor != self._process.pid or not found.http:
            return False
        self.http, self.control = _url(found.http), _url(found.control)
        return True

    def _said(self) -> str:
        lines = [line for line in self.output.read_text(errors="replace").splitlines() if line.strip()]
        return "\n".join(lines[-8:]) or f"it said nothing (see {self.layout.process_logs})"


def without_ports(text: str) -> str:
    """A project file that asks for free ports.

    >>> without_ports("server:\\n  http: 8080\\n  grpc: 0\\n")
    'server:\\n  http: 0\\n  grpc: 0\\n'
    >>> without_ports("server: {http: 8080, control: 8000}")
    'server: {http: 0, control: 0}'
    """
    return re.sub(r"\b((?:http|grpc|control): )\d+", r"\g<1>0", text)


def free(port: int) -> bool:
    """Whether this machine's loopback has the port to give, and no other project holds it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    held = claim(port)
    if held is None:
        return False
    held.close()
    return True


def _url(address: str) -> str:
    return address if not address or "://" in address else f"http://{address}"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
