"""Signing in and out: plain HTML that needs no script and no socket.

GET /signin   --> a form
POST /signin  --> the key is good: a cookie (12 h), on to where they wanted to go; else the form again, and why
POST /signout --> the session ends, its pages close
"""

from __future__ import annotations

import time
from html import escape
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tidegate.api.sessions import LIFETIME
from tidegate.api.state import control_of
from tidegate.auth import keys
from tidegate.errors import Forbidden, TidegateError, Unauthenticated
from tidegate.ui import theme
from tidegate.ui.components.links import own
from tidegate.ui.who import whose

router = APIRouter(include_in_schema=False)

MAX_FORM = 4096
TRIES = 20
WINDOW = 60.0
"""A key has 256 random bits: nobody guesses one. The limit spares the machine and the log."""

_STYLE = """
*, *::before, *::after { box-sizing: border-box; }
body, h1, p { margin: 0; }
.tg-signin { display: grid; min-height: 100vh; place-items: center; padding: var(--tg-space-4); }
.tg-signin form { width: min(26rem, 100%); gap: var(--tg-space-4); padding: var(--tg-space-6); }
"""

_failures: dict[str, list[float]] = {}


@router.get("/signin")
def form(request: Request) -> Response:
    """The form, or on to the page for somebody who needn't sign in."""
    wanted = _wanted(request.query_params.get("next", ""))
    if whose(control_of(request), request.cookies).may("view"):
        return RedirectResponse(wanted, 303)
    return HTMLResponse(_page(wanted))


@router.post("/signin")
async def sign_in(request: Request) -> Response:
    """Checks the key."""
    control = control_of(request)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            return HTMLResponse(_page("/", "That is longer than any key."), 413)
    given = parse_qs(body.decode("utf-8", "replace"))
    wanted = _wanted(given.get("next", [""])[0])
    address = request.client.host if request.client is not None else ""
    wait = _wait(address)
    if wait > 0:
        words = f"Too many tries from your address: try again in {wait:.0f} s."
        return HTMLResponse(_page(wanted, words), 429, {"retry-after": f"{wait:.0f}"})
    try:
        entry = keys.check(given.get("key", [""])[0].strip(), control.ring.entries(), "view")
    except TidegateError as exc:
        _failures.setdefault(address, []).append(time.monotonic())
        return HTMLResponse(_page(wanted, _why(exc, given)), 403 if isinstance(exc, Forbidden) else 401)
    control.store.record(f"ui:key {entry.id}", "sign in", entry.id)
    answer = RedirectResponse(wanted, 303)
    # Behind a proxy that ends TLS, the header says what the browser speaks; a false one does harm to its sender alone.
    safe = request.url.scheme == "https" or request.headers.get("x-forwarded-proto", "") == "https"
    answer.set_cookie(
        control.sessions.cookie, control.sessions.start(entry), LIFETIME, httponly=True, samesite="strict", secure=safe
    )
    return answer


@router.post("/signout")
def sign_out(request: Request) -> Response:
    """Ends the session, on all its pages."""
    control = control_of(request)
    session = control.sessions.read(request.cookies)
    if session is not None:
        control.sessions.end(session)
    answer = RedirectResponse("/signin", 303)
    answer.delete_cookie(control.sessions.cookie, httponly=True, samesite="strict")
    return answer


def _wanted(address: str) -> str:
    """Where to go afterwards: an address of our own, or the overview."""
    try:
        plain = address.isprintable() and "\\" not in address
        return own(address) if address.startswith("/") and plain else "/"
    except ValueError:
        return "/"


def _wait(address: str) -> float:
    """Seconds until this address may try again."""
    now = time.monotonic()
    if len(_failures) > 1000:
        _failures.clear()
    recent = [at for at in _failures.get(address, []) if now - at < WINDOW]
    if recent:
        _failures[address] = recent
    else:
        _failures.pop(address, None)
    return recent[-TRIES] + WINDOW - now if len(recent) >= TRIES else 0.0


def _why(exc: TidegateError, given: dict[str, list[str]]) -> str:
    if isinstance(exc, Forbidden):
        return "This key may only ask for predictions. The dashboard needs one whose role is view, review, operate or admin."
    if isinstance(exc, Unauthenticated) and not given.get("key"):
        return "Paste a key first."
    return "This key isn't known here, was revoked, or is past its end."


def _page(wanted: str, problem: str = "") -> str:
    wrong = f'<p class="tg-field-error" id="problem" role="alert">{escape(problem)}</p>' if problem else ""
    invalid = ' aria-invalid="true" aria-describedby="problem"' if problem else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in · Tidegate</title>
<link rel="icon" href="/favicon.ico">
<script src="/assets/{theme.digest("tidegate.js")}/tidegate.js"></script>
<link rel="stylesheet" href="/assets/{theme.digest()}.css">
<style>{_STYLE}</style>
</head>
<body>
<main class="tg-signin">
<form class="tg-card tg-stack" method="post" action="/signin">
<h1 class="tg-title">Sign in to Tidegate</h1>
<p class="tg-note">With a key whose role is view, review, operate or admin. On the machine that Tidegate runs on,
<code>tidegate keys create --role operate</code> makes one.</p>
<label class="tg-field"><span>Key</span>
<input class="tg-input" type="password" name="key" autocomplete="current-password" required autofocus spellcheck="false"{invalid}></label>
{wrong}
<input type="hidden" name="next" value="{escape(wanted)}">
<button class="tg-button tg-button-primary" type="submit">Sign in</button>
<p class="tg-note">You stay signed in for 12 hours in this browser, or until the key is revoked.</p>
</form>
</main>
</body>
</html>"""
