"""`webhook+https://host/path`: one POST of the notice as JSON. docs/format/notice.md is the reference.

    webhook+https://host/path?secret=S  ->  POST https://host/path
        Tidegate-Delivery: <the same for each try of one notice>
        Tidegate-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body" with S>

2xx is delivered; 429 and 5xx are tried again; any other answer is final. Redirects are not followed: a secret goes only
where the URL says.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from tidegate.errors import ConfigError
from tidegate.notify.base import TIMEOUT, NotifyError
from tidegate.notify.urls import mask, redact
from tidegate.types.monitoring import Notice

if TYPE_CHECKING:
    import httpx


def sign(secret: str, moment: int, body: bytes) -> str:
    """The signature of a body sent at a moment (unix seconds); a receiver computes the same and compares.

    >>> sign("s", 1, b"{}")[:12]
    'b253639bcd70'
    """
    return hmac.new(secret.encode(), b"%d.%b" % (moment, body), hashlib.sha256).hexdigest()


def delivery(notice: Notice) -> str:
    """The id of a notice, the same for each try."""
    told = f"{notice.project}/{notice.incident}/{notice.kind}/{notice.time!r}/{notice.title}"
    return hashlib.sha256(told.encode()).hexdigest()[:32]


class Webhook:
    """Posts notices to one address."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            raise ConfigError(f"monitoring.notify: {mask(url)} names no host; write it as webhook+https://HOST/PATH")
        query = parse_qsl(parts.query, keep_blank_values=True)
        self._secret = next((value for name, value in query if name == "secret"), "")
        rest = urlencode([pair for pair in query if pair[0] != "secret"])
        self._url = urlunsplit((parts.scheme.removeprefix("webhook+"), parts.netloc, parts.path or "/", rest, ""))

    def send(self, notice: Notice) -> None:
        """Errors: NotifyError."""
        self.send_body(msgspec.json.encode(notice), delivery(notice))

    def send_body(self, body: bytes, delivery: str) -> None:
        """Any JSON; `delivery` is the same for each try of it. Errors: NotifyError."""
        moment = int(time.time())
        headers = {"Content-Type": "application/json", "Tidegate-Delivery": delivery}
        if self._secret:
            headers["Tidegate-Signature"] = f"t={moment},v1={sign(self._secret, moment, body)}"
        post(self._url, body, headers)


@functools.cache
def _client() -> httpx.Client:
    """One for all threads. No connection is kept: notices are hours apart, and a stale one would cost a try."""
    import httpx

    return httpx.Client(timeout=TIMEOUT, limits=httpx.Limits(max_keepalive_connections=0))


def post(url: str, body: bytes, headers: dict[str, str]) -> None:
    """One POST whose answer's body isn't read. Errors: NotifyError, which names no URL."""
    import httpx

    from tidegate import __version__

    headers = {"User-Agent": f"tidegate/{__version__}", **headers}
    try:
        with _client().stream("POST", url, content=body, headers=headers) as answer:
            status = answer.status_code
    except httpx.TimeoutException as exc:
        raise NotifyError(f"no answer within {TIMEOUT:g} s") from exc
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise NotifyError(redact(f"{type(exc).__name__}: {exc}", url)) from exc
    if not 200 <= status < 300:
        raise NotifyError(f"it answered {status}", permanent=status not in (408, 425, 429) and status < 500)
