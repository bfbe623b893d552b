"""Words that pass. Each page has one such corner; the frame puts it there."""

from __future__ import annotations

from nicegui import context
from nicegui.element import Element


class Toasts(Element, component="toasts.js"):
    """The corner."""


def say(words: str, tone: str = "ok") -> None:
    """Say something in this browser: ok, warning, or firing (which stays until it is clicked away)."""
    for element in context.client.elements.values():
        if isinstance(element, Toasts):
            element.run_method("say", words, tone)
            return
