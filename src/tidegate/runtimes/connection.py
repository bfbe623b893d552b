"""One kept HTTP connection to another server, by the standard library: a version's environment need not bring a client.

A connection that the server closed while idle is opened again, once, and only if not a byte of an answer had come.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tidegate.errors import LoadError, PredictError


class Connection:
    """`timeout` in seconds, for connecting and for each wait on the answer."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout: float) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError as exc:
            raise LoadError(f"path {url!r}: {exc}") from exc
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise LoadError(f"path {url!r} is not the URL of a server, such as http://127.0.0.1:8000")
        self.name = f"{parts.scheme}://{parts.hostname}{f':{port}' if port else ''}"
        self._headers = dict(headers)
        self._timeout = timeout
        self._lock = threading.Lock()
        self._http: http.client.HTTPConnection
        if parts.scheme == "https":
            self._http = http.client.HTTPSConnection(
                parts.hostname, port, timeout=timeout, context=ssl.create_default_context()
            )
        else:
            self._http = http.client.HTTPConnection(parts.hostname, port, timeout=timeout)

    def ask(
        self, method: str, address: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[bytes, dict[str, str]]:
        """The answer's body and headers (names in lower case). Errors: PredictError for anything but a 2xx answer in
        time."""
        with self._lock:
            try:
                return self._ask(method, address, body, {**self._headers, **(headers or {})})
            except PredictError:
                raise
            except TimeoutError as exc:
                self.close()
                raise PredictError(f"{self.name} gave no answer within {self._timeout:g} s (options.timeout)") from exc
            except ssl.SSLError as exc:
                self.close()
                raise PredictError(f"{self.name}: no trusted TLS connection: {exc}") from exc
            except (OSError, http.client.HTTPException) as exc:
                self.close()
                raise PredictError(f"{self.name} can't be reached: {exc or type(exc).__name__}") from exc

    def close(self) -> None:
        self._http.close()

    def _ask(
        self, method: str, address: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[bytes, dict[str, str]]:
        kept = self._http.sock is not None
        try:
            answer = self._send(method, address, body, headers)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, http.client.CannotSendRequest):
            if not kept:
                raise
            self.close()
            answer = self._send(method, address, body, headers)
        data = answer.read()
        if not 200 <= answer.status < 300:
            text = " ".join(data.decode(errors="replace").split())[:500]
            raise PredictError(f"{self.name}{address} answered {answer.status}: {text}")
        return data, {name.lower(): value for name, value in answer.getheaders()}

    def _send(self, method: str, address: str, body: bytes | None, headers: dict[str, str]) -> http.client.HTTPResponse:
        if self._http.sock is None:
            self._http.connect()
            opened: Any = self._http.sock
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._http.request(method, address, body, headers)
        return self._http.getresponse()
