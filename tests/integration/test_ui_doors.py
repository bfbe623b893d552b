"""The dashboard's doors, from the network's side: a real web process that asks for keys, and what it lets in."""

from __future__ import annotations

import http.client
import json
import re
import time
from html import unescape

import httpx
import pytest
from tests.support.web import Web

from tidegate.api.state import Control
from tidegate.auth import keys
from tidegate.storage.layout import Layout
from tidegate.storage.state import StateStore


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    return Layout(tmp_path_factory.mktemp("doors") / ".tidegate")


@pytest.fixture(scope="module")
def store(layout):
    opened = StateStore(layout)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def made(store):
    """Keys by role: (secret, entry). The web process reads them once a second, so they are there before it is."""
    found = {name: keys.create(name.partition(" ")[0]) for name in ("predict", "view", "view till then", "admin")}
    for _, entry in found.values():
        store.add_key(entry, actor="test")
    return found


@pytest.fixture(scope="module")
def web(layout, made):
    with Web(layout, keys="required") as running:
        yield running


def client(web, **options):
    return httpx.Client(base_url=web.url, **options)


def signed_in(web, secret):
    browser = client(web)
    answer = browser.post("/signin", data={"key": secret})
    assert answer.status_code == 303, answer.text
    return browser


@pytest.fixture(scope="module")
def viewer(web, made):
    return signed_in(web, made["view"][0])


def upgrade(web, *headers, query="EIO=4&transport=websocket"):
    """The status of an attempt to open a socket."""
    line = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
    line.putrequest("GET", f"/_nicegui_ws/socket.io/?{query}")
    for name, value in (
        ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), *headers,
    ):  # fmt: skip
        line.putheader(name, value)
    line.endheaders()
    status = line.getresponse().status
    line.close()
    return status


def cookie(browser):
    return "; ".join(f"{c.name}={c.value}" for c in browser.cookies.jar)


def page_number(browser):
    """The number (client id) of a page that this browser loads."""
    found = re.search(r"'client_id': '([0-9a-f-]{36})'", browser.get("/alarms").text)
    assert found is not None
    return found.group(1)


class Polling:
    """A socket over plain HTTP, as Engine.IO speaks it: its words can be read here."""

    def __init__(self, browser, number):
        query = {"client_id": number, "implicit_handshake": "true", "tab_id": "t", "document_id": "d"}
        self._browser = browser
        self._query = {"EIO": "4", "transport": "polling", **query}
        opened = json.loads(self._get()[1:])
        self._query["sid"] = opened["sid"]
        self.say("40")
        self.answer = self._get()

    def _get(self):
        return self._browser.get("/_nicegui_ws/socket.io/", params=self._query).text

    def say(self, words):
        assert self._browser.post("/_nicegui_ws/socket.io/", params=self._query, content=words).status_code == 200

    def emit(self, name, **data):
        self.say("42" + json.dumps([name, data]))


def test_without_a_session_there_is_nothing_but_the_signin(web):
    stranger = client(web)
    page = stranger.get("/alarms?window=1h")
    assert (page.status_code, page.headers["location"]) == (303, "/signin?next=/alarms%3Fwindow%3D1h")
    assert stranger.get("/nothing/like/this").status_code == 303
    assert stranger.get("/_nicegui/3.18.0/static/nicegui.js").status_code == 401
    assert stranger.get("/_nicegui_ws/socket.io/?EIO=4&transport=polling").status_code == 401
    assert stranger.post("/alarms").status_code == 401
    assert upgrade(web) == 403
    assert upgrade(web, ("Cookie", "tidegate_00000000=forged")) == 403
    for path in ("/api/status", "/metrics"):
        assert stranger.get(path).status_code == 401
    form = stranger.get("/signin")
    assert form.status_code == 200
    assert 'type="password"' in form.text
    assert stranger.get("/api/nothing").json() == {"error": "Not Found"}
    assert stranger.put("/api/status").json() == {"error": "Method Not Allowed"}


def test_a_signin_says_what_is_wrong_with_a_key(web, made):
    for given, status, said in (
        ({"key": "tg_nobody_knows"}, 401, "isn't known here"),
        ({}, 401, "Paste a key first"),
        ({"key": made["predict"][0]}, 403, "may only ask for predictions"),
        ({"key": "x" * 5000}, 413, "longer than any key"),
    ):
        answer = client(web).post("/signin", data=given)
        assert (answer.status_code, "set-cookie" in answer.headers) == (status, False)
        assert said in unescape(answer.text)
    harmful = client(web).get("/signin", params={"next": '/"><script>alert(1)</script>'})
    assert "<script>alert" not in harmful.text


def test_a_session_reads_and_changes_nothing_by_itself(web, store, made, viewer):
    (kept,) = viewer.cookies.jar
    assert kept.has_nonstandard_attr("HttpOnly")
    assert kept.get_nonstandard_attr("SameSite").lower() == "strict"
    assert not kept.secure
    assert viewer.get("/alarms").status_code == 200
    assert viewer.get("/api/status").status_code == 200
    assert viewer.get("/api/keys").status_code == 403, "the role of the key holds for its session"
    assert viewer.post("/api/log/query", json={"sql": "select 1"}).status_code == 401
    assert upgrade(web, ("Cookie", cookie(viewer))) == 101
    secret, entry = made["admin"]
    behind_tls = client(web, headers={"x-forwarded-proto": "https"}).post("/signin", data={"key": secret})
    assert "Secure" in behind_tls.headers["set-cookie"]
    assert ("sign in", f"ui:key {entry.id}") in [(e.action, e.actor) for e in store.audit()]


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nb: c"]
)
def test_a_signin_leads_nowhere_else(viewer, wanted):
    assert viewer.get("/signin", params={"next": wanted}).headers["location"] == "/"


def test_pages_of_other_sites_get_no_socket(web, viewer):
    mine, evil = ("Cookie", cookie(viewer)), ("Origin", "http://evil.example")
    assert upgrade(web, mine, ("Origin", web.url)) == 101
    assert upgrade(web, mine, evil) == 403
    assert viewer.get("/_nicegui_ws/socket.io/?EIO=4&transport=polling", headers=[evil]).status_code == 403
    assert viewer.post("/signin", data={"key": "x"}, headers=[evil]).status_code == 403


def test_a_page_belongs_to_its_session(web, made, viewer):
    other = signed_in(web, made["admin"][0])
    mine, theirs = page_number(viewer), page_number(other)
    assert "Implicit handshake failed" in Polling(viewer, theirs).answer
    socket = Polling(viewer, mine)
    assert socket.answer.startswith("40")
    socket.emit("log", client_id=theirs, level="error", message="said for another page")
    socket.emit("log", client_id=mine, level="error", message="said for its own page")
    deadline = time.monotonic() + 20
    while "said for its own page" not in web.log.read_text():
        assert time.monotonic() < deadline, web.log.read_text()
        time.sleep(0.02)
    assert "said for another page" not in web.log.read_text()


def until(check):
    deadline = time.monotonic() + 20
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_session_ends_with_its_key_and_with_its_signout(web, store, made):
    secret, entry = made["view till then"]
    first, second = signed_in(web, secret), signed_in(web, secret)
    copied = dict(first.cookies)
    assert first.post("/signout").headers["location"] == "/signin"
    assert client(web, cookies=copied).get("/alarms").status_code == 303
    restarted = Control(web.layout, "127.0.0.1", True).sessions
    assert restarted.of(copied) is None, "a restart of the web process doesn't make it good again"
    assert restarted.of(dict(second.cookies)) is not None
    assert second.get("/alarms").status_code == 200
    number = page_number(second)
    assert Polling(second, number).answer.startswith("40")
    store.revoke_key(entry.id, actor="test")
    until(lambda: second.get("/alarms").status_code == 303)
    assert second.get("/api/status").status_code == 401
    assert "Implicit handshake failed" in Polling(second, number).answer, "the page is told to load again"


def test_too_many_tries_from_one_address(web):
    guesser = client(web, transport=httpx.HTTPTransport(local_address="127.0.0.7"))
    answers = [guesser.post("/signin", data={"key": f"tg_guess_{n}"}) for n in range(21)]
    assert [a.status_code for a in answers] == [401] * 20 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert client(web).post("/signin", data={"key": "tg_guess"}).status_code == 401, "others aren't kept out"


def test_a_page_carries_its_policy(viewer):
    answers = [viewer.get("/alarms", headers={"x-forwarded-prefix": '/x"><script>'}) for _ in range(2)]
    policies = [answer.headers["content-security-policy"] for answer in answers]
    nonces = [re.search(r"'nonce-([\w-]+)'", policy).group(1) for policy in policies]
    assert nonces[0] != nonces[1]
    for answer, nonce in zip(answers, nonces, strict=True):
        inline = [tag for tag in re.findall(r"<script[^>]*>", answer.text) if "src=" not in tag]
        assert inline
        assert all(f'nonce="{nonce}"' in tag for tag in inline)
        assert '/x"' not in answer.text
        assert answer.headers["cache-control"] == "no-store"
        for name in ("x-content-type-options", "referrer-policy", "permissions-policy", "cross-origin-opener-policy"):
            assert name in answer.headers
    for said in ("object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"):
        assert said in policies[0]
    assert "sandbox" in viewer.get("/api/status").headers["content-security-policy"]
    assert viewer.get("/api/status").headers["cache-control"] == "no-store"
