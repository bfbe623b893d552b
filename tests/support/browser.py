"""A real Chromium for tests, that fails them for what a person would find wrong in its console.

with browser() as chromium:
    page = chromium.page(web.url + "/alarms", theme="dark", phone=True)
    ...
                              a fresh profile each page; nothing but 127.0.0.1 can be reached
at the end: AssertionError for errors in a console or on a page, for answers of 500 and above, and for any request elsewhere
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    "NO BROWSER, SO THE DASHBOARD IS NOT TESTED IN ONE: `make browser` installs Chromium, or set CHROMIUM to its path"
)
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
AWAY = re.compile(
    r"ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|WebSocket connection|Failed to fetch"
)
"""What a browser says while the web process is away."""


def find() -> str | None:
    """The path of a Chromium, or None."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """Pages, and what went wrong on them."""

    def __init__(self, inner: Browser, folder: Path | None) -> None:
        self._inner = inner
        self._folder = folder
        self._contexts: list[BrowserContext] = []
        self.wrong: list[str] = []
        # What Chromium says of a page that was left before its cross-fade began.
        self.expected: list[re.Pattern[str]] = [re.compile("Transition was skipped")]

    def page(
        self,
        url: str = "",
        *,
        theme: Literal["light", "dark"] = "light",
        phone: bool = False,
        cookies: list[Any] | None = None,
    ) -> Page:
        """A page with a profile of its own, once the dashboard's socket is open (`url` empty: a blank page)."""
        context = self._inner.new_context(
            color_scheme=theme, viewport=PHONE if phone else WIDE, has_touch=phone, timezone_id="UTC", locale="en-US"
        )  # type: ignore[arg-type]
        context.set_default_timeout(15_000)
        self._contexts.append(context)
        if cookies:
            context.add_cookies(cookies)
        context.on("request", self._asked)
        context.on("response", self._answered)
        context.on("console", self._said)
        context.on("weberror", lambda error: self.wrong.append(f"on a page: {error.error}"))
        page = context.new_page()
        if url:
            go(page, url)
        return page

    def expect(self, pattern: str | re.Pattern[str]) -> None:
        """What matches isn't wrong in this test."""
        self.expected.append(re.compile(pattern))

    def check(self) -> None:
        """Errors: AssertionError with all that went wrong so far."""
        left = [words for words in self.wrong if not any(known.search(words) for known in self.expected)]
        assert not left, "\n".join(dict.fromkeys(left))

    def keep(self, name: str) -> None:
        """Screenshots of all open pages, for whoever looks into a failure."""
        if self._folder is not None:
            pages = [page for context in self._contexts for page in context.pages]
            for number, page in enumerate(pages):
                page.screenshot(path=self._folder / f"{name}-{number}.png", full_page=True)

    def close(self) -> None:
        """All pages."""
        for context in self._contexts:
            context.close()
        self._contexts.clear()

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob", "about") and parts.hostname != "127.0.0.1":
            self.wrong.append(f"a request to elsewhere: {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self.wrong.append(f"{response.status} from {response.url}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            where = message.location.get("url", "")
            self.wrong.append(f"console {message.type}: {message.text} ({where})")


def go(page: Page, url: str) -> None:
    """Load a page of the dashboard, until its socket is open."""
    page.goto(url)
    ready(page)


def ready(page: Page) -> None:
    """Until the page talks to the web process."""
    page.wait_for_function("window.did_handshake === true")


@contextmanager
def browser(folder: Path | None = None, arguments: Sequence[str] = ()) -> Iterator[Chromium]:
    """Skips the test, loudly, where there is no Chromium. Screenshots of a failure go to `folder`; `arguments` are Chromium's."""
    path = find()
    if path is None:
        pytest.skip(MISSING)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        inner = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *arguments])
        chromium = Chromium(inner, folder)
        try:
            yield chromium
        except BaseException:
            chromium.keep("failed")
            raise
        finally:
            chromium.close()
            inner.close()
        chromium.check()
