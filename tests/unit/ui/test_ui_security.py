"""Nonces go where the template's own scripts are and nowhere else; sockets pass the API's guard."""

from __future__ import annotations

import asyncio
import re
from typing import Any, ClassVar

import pytest
from jinja2 import DictLoader, Environment

from tidegate.api.guard import Guard
from tidegate.ui.security import host_of, nonces, policy


class Asked:
    """A request as far as a template looks at it."""

    scope: ClassVar = {"tidegate.nonce": "n0nce"}


def test_only_the_template_s_own_scripts_get_the_nonce() -> None:
    environment = Environment(
        loader=DictLoader({"index.html": "<script>own()</script>{{ elements | safe }}{{ title }}"})
    )
    nonces(environment)
    nonces(environment)
    evil = "<script>evil()</script><script src=x>"
    page = environment.get_template("index.html").render(request=Asked, elements=evil, title=evil)
    assert re.findall(r"<script[^>]*nonce[^>]*>(\w*)", page) == ["own"]
    assert page.startswith('<script nonce="n0nce">own()')


def test_nicegui_s_template_and_what_it_puts_in() -> None:
    from nicegui import json
    from nicegui.client import HTML_ESCAPE_TABLE, templates

    nonces(templates.env)
    evil = "`${alert(1)}</script><script nonce='n0nce'>alert(1)</script>"
    elements = json.dumps({"1": {"text": evil}}).translate(HTML_ESCAPE_TABLE)
    page = templates.env.get_template("index.html").render(
        request=Asked, elements=elements, title=evil, translations={}
    )
    assert "alert(1)</script>" not in page
    assert "${alert" not in page.partition("<body>")[2]
    scripts = re.findall(r"<script[^>]*>", page)
    assert scripts
    assert all('nonce="n0nce"' in tag for tag in scripts)


def test_a_host_that_isn_t_one_stays_out_of_the_policy() -> None:
    def asked(host: str) -> dict[str, Any]:
        return {"headers": [(b"host", host.encode())]}

    assert host_of(asked("[::1]:8000")) == "[::1]:8000"
    assert host_of(asked("a; script-src *")) == ""
    assert "ws:" not in policy("n", "")


@pytest.mark.parametrize(
    ("host", "origin", "opened"),
    [
        ("127.0.0.1:8000", None, True),
        ("127.0.0.1:8000", "http://127.0.0.1:8000", True),
        ("127.0.0.1:8000", "http://127.0.0.1:9000", False),
        ("127.0.0.1:8000", "null", False),
        ("evil.example:8000", "http://evil.example:8000", False),
    ],
)
def test_a_socket_is_opened_for_pages_of_this_dashboard_alone(host: str, origin: str | None, opened: bool) -> None:
    reached: list[str] = []
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["type"])

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin else [])
    scope = {"type": "websocket", "path": "/_nicegui_ws/socket.io/", "headers": headers}
    asyncio.run(Guard(app, check_host=True)(scope, receive, send))
    assert (reached, [m["type"] for m in sent]) == ((["websocket"], []) if opened else ([], ["websocket.close"]))
