"""The frame around every page: who may see it, the way to the others, the head with its tools, and words when something is wrong.

    @page("/endpoints/{name}", title="{name}", nav="overview", window="1h")
    def endpoint(name: str) -> None:
        with head().tools:                       # buttons at the right of the head
            ...
        live(lambda: ..., draw, key=("endpoint", name))

What the function makes lies in the body, one below the other.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Hashable
from typing import Any

from fastapi import Request
from fastapi.responses import RedirectResponse
from nicegui import context, ui

from tidegate import __version__
from tidegate.auth.keys import Right
from tidegate.errors import Forbidden, TidegateError, Unauthenticated
from tidegate.ui import theme
from tidegate.ui.components.element import Plain, banner, empty, link
from tidegate.ui.components.links import own, to
from tidegate.ui.components.picker import window_picker
from tidegate.ui.components.toasts import Toasts
from tidegate.ui.icons import icon
from tidegate.ui.live import live
from tidegate.ui.project import layout
from tidegate.ui.who import who
from tidegate.ui.window import window as window_of

NAV = (
    ("overview", "Overview", "/", "o"),
    ("rollouts", "Rollouts", "/rollouts", "r"),
    ("alarms", "Alarms", "/alarms", "a"),
    ("monitors", "Monitors", "/monitors", "n"),
    ("drift", "Drift", "/drift", "d"),
    ("review", "Review", "/review", "p"),
    ("log", "Log", "/log", "l"),
    ("evaluation", "Where to work", "/evaluation", "e"),
    ("retraining", "Retraining", "/retraining", "t"),
    ("models", "Models", "/models", "m"),
    ("project", "Project", "/project", "c"),
    ("settings", "Settings", "/settings", "s"),
)


class Head:
    """The head of the page: `tools` is a place for buttons, `title` and `crumbs` can be changed."""

    def __init__(self, title: Plain, crumbs: Plain, tools: Plain) -> None:
        self.title = title
        self.crumbs = crumbs
        self.tools = tools

    def path(self, *steps: tuple[str, str]) -> None:
        """Where this page lies: (words, address) from the outside inwards."""
        self.crumbs.clear()
        with self.crumbs:
            for words, href in steps:
                link(words, href)
                Plain("span", text="/", aria_hidden="true")


def head() -> Head:
    """Of the page that is being built."""
    found = getattr(context.client, "tidegate_head", None)
    assert isinstance(found, Head), "head() outside of a page"
    return found


def page(
    path: str,
    *,
    title: str,
    nav: str = "",
    window: str = "",
    comparisons: tuple[tuple[str, str], ...] = (),
    right: Right = "view",
    **options: Any,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A page of the dashboard. `title` may name path parameters in braces; `window` is the default of the window picker, none without it;
    `right` is what a key must have to see it. Sync and async functions both do."""

    def decorate(build: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(build)
        async def shown(*args: Any, **kwargs: Any) -> Any:
            request = context.client.request
            try:
                who().must(right)
            except Unauthenticated:
                return RedirectResponse(to("signin", next=_here(request)), status_code=303)
            except Forbidden as exc:
                with _frame(title.split("{")[0] or "Tidegate", nav, "", ()):
                    empty("This isn't for your key", str(exc))
                return None
            words = title.format(**{name: str(value) for name, value in kwargs.items()})
            with _frame(words, nav, window, comparisons):
                try:
                    found = build(*args, **kwargs)
                    if inspect.isawaitable(found):
                        found = await found
                except TidegateError as exc:
                    empty("That can't be shown", str(exc))
                    link("To the overview", "/")
                    return None
            return found

        ui.page(path, title=f"{_plain(title)} · Tidegate", response_timeout=20.0, **options)(shown)
        return shown

    return decorate


def _plain(title: str) -> str:
    return title.replace("{", "").replace("}", "").capitalize()


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _frame(title: str, nav: str, window: str, comparisons: tuple[tuple[str, str], ...]) -> Plain:
    """Draws the frame and gives the body, to be entered."""
    ui.add_head_html(
        f'<script src="/assets/{theme.digest("tidegate.js")}/tidegate.js"></script>'
        f'<link rel="stylesheet" href="/assets/{theme.digest()}.css">'
    )
    client = context.client
    client.title = f"{title} · Tidegate"
    frame = Plain("div", "tg-frame")
    with frame:
        Plain("a", "tg-skip", "To the content", href="#content")
        _nav(nav)
        with Plain("div", "tg-main"):
            with Plain("header", "tg-head"):
                with Plain("div", "tg-head-text"):
                    crumbs = Plain("nav", "tg-crumbs", aria_label="Where this page lies")
                    words = Plain("h1", "tg-title", title)
                tools = Plain("div", "tg-head-tools")
                if window:
                    with tools:
                        window_picker(window_of(window), comparisons)
            body = Plain("div", "tg-body", id="content", tabindex="-1")
    client.tidegate_head = Head(words, crumbs, tools)  # type: ignore[attr-defined]
    with body:
        _problems()
    Toasts()
    _keys()
    return body


def _problems() -> None:
    """Where questions that fail say so; each takes its words back when it succeeds."""
    wrong: dict[Hashable, str] = {}
    line = banner("", "warning")
    line.set_visibility(False)

    def problem(key: Hashable, words: str) -> None:
        if words:
            wrong[key] = words
        elif wrong.pop(key, None) is None:
            return
        line.set_text(" ".join(dict.fromkeys(wrong.values())))
        line.set_visibility(bool(wrong))

    context.client.tidegate_problem = problem  # type: ignore[attr-defined]


def _nav(current: str) -> None:
    person = who()
    with Plain("nav", "tg-nav", aria_label="Pages"):
        with Plain("a", "tg-mark", href="/", aria_label="Tidegate, to the overview"):
            icon("gate")
            Plain("span", text="Tidegate")
        for name, words, href, key in NAV:
            with Plain(
                "a", "tg-nav-link", href=own(href), title=f"g {key}", aria_current="page" if name == current else None
            ):
                icon(name)
                Plain("span", text=words)
                if name == "alarms":
                    _count()
        with Plain("div", "tg-nav-foot"):
            for sign, words, script in (
                ("theme", "Light or dark", "() => window.tidegate.theme()"),
                ("keys", "Keys", "() => document.getElementById('tg-keys').showModal()"),
            ):
                line = Plain("button", "tg-button tg-button-quiet", type="button", style="justify-content: flex-start")
                line.on("click", js_handler=script)
                with line:
                    icon(sign, 16)
                    Plain("span", text=words)
            if person.signed_in:
                with Plain("form", method="post", action="/signout"):
                    leave = Plain("button", "tg-button tg-button-quiet", type="submit")
                    with leave:
                        icon("leave", 16)
                        Plain("span", text=f"Sign out {person.name}")
            Plain("span", text=f"Tidegate {__version__}", style="padding: 0 .75rem")


def _count() -> None:
    """Open incidents that nobody has taken on, beside the way to them."""
    count = Plain("span", "tg-nav-count", "")
    count.set_visibility(False)

    def draw(open_: int) -> None:
        count.set_text(str(open_))
        count.set_visibility(open_ > 0)

    def question() -> int:
        from tidegate.views.alarms import alarms

        return alarms(layout(), open_only=True).waiting

    live(question, draw, key="incidents waiting", every=5.0)


def _keys() -> None:
    """What the keyboard does."""
    with Plain("dialog", "tg-dialog", id="tg-keys", aria_label="Keys"), Plain("div", "tg-dialog-body"):
        Plain("h2", "tg-h2", "Keys")
        with Plain("dl", "tg-facts"):
            for _, words, _, key in NAV:
                with Plain("dt"):
                    Plain("kbd", text=f"g {key}")
                Plain("dd", text=words)
            for key, words in (
                ("/", "Search"),
                ("j k ↑ ↓ Enter", "Walk a table, open a row"),
                ("t", "Light or dark"),
                ("?", "This list"),
            ):
                with Plain("dt"):
                    Plain("kbd", text=key)
                Plain("dd", text=words)
