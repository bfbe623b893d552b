"""Plain elements: a tag, classes, text. Text is text: the browser never reads it as HTML.

>>> from tidegate.ui.components import column, text          # doctest: +SKIP
>>> with column("tg-card"):                                  # doctest: +SKIP
...     text("Nothing yet.", "tg-note")
"""

from __future__ import annotations

from typing import Any, Self

from nicegui.element import Element

from tidegate.ui.components.links import own


class Plain(Element):
    """An HTML element of a given tag. `set_text` changes its text, `set_classes` all of its classes."""

    def __init__(self, tag: str, classes: str = "", text: str | None = None, **attributes: Any) -> None:
        super().__init__(tag)
        if classes:
            self.classes(classes)
        self._text = text
        for name, value in attributes.items():
            if value is not None and value is not False:
                self._props[name.rstrip("_").replace("_", "-")] = value

    def set_text(self, text: str) -> Self:
        """Sent only if it changed."""
        if text != self._text:
            self._text = text
            self.update()
        return self

    def set_classes(self, classes: str) -> Self:
        """Sent only if they changed."""
        self.classes(replace=classes)
        return self


def box(classes: str = "", tag: str = "div", **attributes: Any) -> Plain:
    """An empty element to put others in: `with box("tg-card"): ...`."""
    return Plain(tag, classes, **attributes)


def card(title: str = "", *, flush: bool = False, note: str = "") -> Plain:
    """A surface with an optional heading; `flush` for a table that fills it."""
    found = Plain("section", "tg-card tg-card-flush" if flush else "tg-card")
    if title or note:
        with found, Plain("div", "tg-card-head"):
            Plain("h2", "tg-h2", title)
            if note:
                Plain("span", "tg-note", note)
    return found


def text(words: str, classes: str = "", tag: str = "p") -> Plain:
    """Words, as they are."""
    return Plain(tag, classes, words)


def link(words: str, href: str, classes: str = "") -> Plain:
    """A link within the dashboard. Errors: ValueError for an address elsewhere."""
    return Plain("a", classes, words, href=own(href))


def code(words: str) -> Plain:
    """A command or a value in a fixed-width block."""
    return Plain("code", "tg-code", words)


def pill(words: str, tone: str = "muted") -> Plain:
    """A small badge. Tones: ok, warning, firing, muted, accent, stable, canary, shadow, human."""
    return Plain("span", f"tg-pill tg-pill-{tone}", words)


def banner(words: str, tone: str = "muted") -> Plain:
    """A line across the page that must be seen."""
    return Plain("div", f"tg-banner tg-banner-{tone}", words, role="status")


def empty(title: str, words: str, command: str = "") -> Plain:
    """What stands where nothing is yet: what is missing, and what to do about it."""
    found = Plain("div", "tg-empty")
    with found:
        Plain("div", "tg-empty-title", title)
        Plain("p", "tg-prose", words)
        if command:
            Plain("code", "tg-code", command)
    return found


def tabs(items: list[tuple[str, str, bool]]) -> Plain:
    """Links side by side: (words, address, whether it is the one shown)."""
    found = Plain("nav", "tg-tabs tg-no-print")
    with found:
        for words, href, current in items:
            Plain("a", "tg-tab", words, href=own(href), aria_current="page" if current else None)
    return found
