"""The page's own little server, on this machine alone. The browser speaks to it, and it to the gateway.

    GET  /               page.html, with a Content-Security-Policy that allows its own script and style and nothing else
    POST /api/search     {"query", "session"}                          -> {"prediction", "found", "ms", "version", "results": [...]}
    POST /api/event      {"prediction", "name": click|redo|typed, "rank"?, "key"} -> {"accepted": 1}
    GET  /api/figures                                                  -> figures.Figures

Only JSON is taken, and only under this server's own name: another page in the same browser can neither ask nor post.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from types import TracebackType
from typing import Any

import msgspec
import numpy as np

from tidegate.client import Client
from tidegate.demo.search.figures import Figures
from tidegate.errors import InvalidRequest, TidegateError

NAMES = ("click", "redo", "typed")
MAX_QUERY = 200
MAX_BODY = 10_000


class Ask(msgspec.Struct, forbid_unknown_fields=True):
    """A search. `session` is the tab's, so that one person meets one version while versions are tried."""

    query: str
    session: str = ""


class Tell(msgspec.Struct, forbid_unknown_fields=True):
    """An event. `key` counts once, however often it is sent."""

    prediction: str
    name: str
    rank: int | None = None
    key: str = ""


class Shop:
    """What the routes do. `documents`: a row a document, by its number."""

    def __init__(
        self, client: Client, endpoint: str, documents: list[dict[str, Any]], figures: Callable[[], Figures]
    ) -> None:
        self._client, self._endpoint, self._documents = client, endpoint, documents
        self.figures = figures

    def search(self, ask: Ask) -> dict[str, Any]:
        """Errors: InvalidRequest for an empty query; those of the client."""
        query = " ".join(ask.query.split())[:MAX_QUERY]
        if not query:
            raise InvalidRequest("query is empty: say what to look for")
        began = time.perf_counter()
        answer = self._client.predict(
            self._endpoint, {"query": np.array([query], object)}, unit=ask.session[:100] or None
        )
        took = time.perf_counter() - began
        found = zip(answer.outputs["doc"][0].tolist(), answer.outputs["score"][0].tolist(), strict=True)
        results = [{**self._documents[doc], "score": round(score, 3)} for doc, score in found if doc >= 0]
        return {
            "prediction": answer.id, "version": answer.version, "found": int(answer.outputs["found"][0]),
            "ms": round(took * 1e3, 1), "query": query, "results": results,
        }  # fmt: skip

    def tell(self, event: Tell) -> dict[str, int]:
        """Errors: InvalidRequest for a name that isn't known or a rank that can't be; those of the client."""
        if event.name not in NAMES:
            raise InvalidRequest(f"name is {event.name!r}; known: {', '.join(NAMES)}")
        if event.name == "click" and (event.rank is None or not 1 <= event.rank <= 1000):
            raise InvalidRequest("rank is missing: a click says at which place, 1 for the first")
        accepted = self._client.feedback(
            self._endpoint,
            event.prediction,
            event=event.name,
            value=event.rank,
            actor="search page",
            key=event.key or None,
        )
        return {"accepted": accepted}


class Server:
    """A context manager; `url` is where the page is. `port` 0 takes a free one."""

    def __init__(self, shop: Shop, port: int = 0) -> None:
        page = files("tidegate.demo.search").joinpath("page.html").read_bytes()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler(shop, page))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.1,), name="search page", daemon=True)

    def __enter__(self) -> Server:
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


def _handler(shop: Shop, page: bytes) -> type[BaseHTTPRequestHandler]:
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
            elif self.path == "/api/figures":
                self._answer(shop.figures)
            else:
                self._say(404, "there is no such page")

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not length.isdigit() or int(length) > MAX_BODY:
                self.close_connection = True
                self._say(413, f"the body must have a length, of at most {MAX_BODY} bytes")
                return
            body = self.rfile.read(int(length))
            if not self._at_home():
                return
            if self.headers.get_content_type() != "application/json":
                self._say(415, "only application/json is taken")
            elif self.path == "/api/search":
                self._answer(lambda: shop.search(msgspec.json.decode(body, type=Ask)))
            elif self.path == "/api/event":
                self._answer(lambda: shop.tell(msgspec.json.decode(body, type=Tell)))
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
