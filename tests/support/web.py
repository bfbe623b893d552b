"""The web process on a state folder, alone: control API and dashboard, on a free port, ended whatever happens."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from tidegate.storage.layout import Layout


class Web:
    """`with Web(layout, keys="required") as web: ... web.url ...`. Ends with the block; `restart()` in between keeps the port."""

    def __init__(self, layout: Layout, **server: Any) -> None:
        self.layout = layout
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        if server or not (layout.run / "project.json").exists():
            (layout.run / "project.json").write_text(json.dumps({"server": {"host": "127.0.0.1", **server}}))

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.layout.process_logs / "web.log"

    def start(self) -> Web:
        """Until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tidegate.ui", str(self.layout.root)],
                env={**os.environ, "TIDEGATE_CONTROL_PORT": str(self.port)},
                cwd=self.layout.root, stdout=log, stderr=log,
            )  # fmt: skip
        end = time.monotonic() + 60.0
        while time.monotonic() < end:
            assert self._process.poll() is None, self.log.read_text()
            try:
                with urllib.request.urlopen(f"{self.url}/api/health", timeout=5):
                    return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"the web process didn't answer:\n{self.log.read_text()}")

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def restart(self) -> None:
        """Another life at the same address."""
        self.stop()
        self.start()

    def __enter__(self) -> Web:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()
