"""A page's own little server, on this machine alone. The browser speaks to it, and it to the gateway: no CORS is needed.

    GET  /          the page, with a Content-Security-Policy that allows its own script and style and nothing else
    GET  PATH       what `gets` says        POST PATH   JSON in, what `posts` says, JSON out

Only JSON is taken, and only under this server's own name: another page in the same browser can neither ask nor post.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import msgspec

from tidegate.errors import InvalidRequest, TidegateError

Gets = Mapping[str, Callable[[], Any]]
Posts = Mapping[str, Callable[[bytes], Any]]


class PageServer:
    """A context manager; `url` is where the page is. `port` 0 takes a free one."""

    def __init__(self, page: bytes, gets: Gets, posts: Posts, *, port: int = 0, max_body: int = 10_000) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler(page, gets, posts, max_body))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.1,), name="page", daemon=True)

    def __enter__(self) -> PageServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)


def policy(page: bytes) -> str:
    """The page's Content-Security-Policy: its own script and style by digest, requests to its own server, nothing else."""

    def digests(tag: str) -> str:
        found = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), page, re.DOTALL)
        return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'" for text in found)

    return (
        f"default-src 'none'; script-src {digests('script')}; style-src {digests('style')}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _handler(page: bytes, gets: Gets, posts: Posts, max_body: int) -> type[BaseHTTPRequestHandler]:
    headers = {
        "content-security-policy": policy(page), "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "tidegate-demo"
        sys_version = ""
        wbufsize = 1 << 16  # head and body in one packet: the second of two would wait for the first's acknowledgement

        def do_GET(self) -> None:
            if not self._at_home():
                return
            if self.path == "/":
                self._send(200, page, "text/html; charset=utf-8", headers)
            elif self.path in gets:
                self._answer(gets[self.path])
            else:
                self._say(404, "there is no such page")

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not length.isdigit() or int(length) > max_body:
                self.close_connection = True
                self._say(413, f"the body must have a length, of at most {max_body} bytes")
                return
            body = self.rfile.read(int(length))
            if not self._at_home():
                return
            if self.headers.get_content_type() != "application/json":
                self._say(415, "only application/json is taken")
            elif self.path in posts:
                self._answer(lambda: posts[self.path](body))
            else:
                self._say(404, "there is no such page")

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the terminal is the demo's."""

        def _at_home(self) -> bool:
            """Whether it was asked under its own name: another site's name may be made to lead here."""
            host = self.headers.get("host", "").rpartition(":")[0]
            if host in ("127.0.0.1", "localhost"):
                return True
            self._say(403, "this page is for this machine alone")
            return False

        def _answer(self, work: Callable[[], Any]) -> None:
            try:
                self._send(200, msgspec.json.encode(work()), "application/json", headers)
            except (InvalidRequest, msgspec.MsgspecError) as exc:
                self._say(400, str(exc))
            except TidegateError as exc:
                self._say(502, str(exc))

        def _say(self, status: int, message: str) -> None:
            self._send(status, msgspec.json.encode({"error": message}), "application/json", headers)

        def _send(self, status: int, body: bytes, content: str, extra: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {"content-type": content, "content-length": str(len(body)), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    return Handler
