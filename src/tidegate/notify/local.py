"""`file:///path` appends notices as JSON lines, `console://` prints them: for trying out, and for tests."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from tidegate.errors import ConfigError
from tidegate.notify.base import NotifyError
from tidegate.types.monitoring import Notice


class File:
    """Appends to one file, which is made where it isn't there."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost") or not parts.path.strip("/"):
            raise ConfigError(f"monitoring.notify: {url} is not a file; write it as file:///absolute/path")
        self._path = Path(unquote(parts.path))

    def send(self, notice: Notice) -> None:
        """Errors: NotifyError."""
        try:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(notice) + b"\n")
        except OSError as exc:
            raise NotifyError(f"can't write {self._path}: {exc.strerror or exc}") from exc


class Console:
    """Prints to stderr, which the supervisor keeps in the state folder's logs/."""

    def __init__(self, url: str) -> None:
        del url

    def send(self, notice: Notice) -> None:
        """Never fails."""
        sys.stderr.write(f"notice: {notice.kind} ({notice.severity}) {notice.title}\n{notice.body}\n")
        sys.stderr.flush()
