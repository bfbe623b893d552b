"""The window of time in the header: it changes the address, and the page follows."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments

from tidegate.ui.components.table import _first
from tidegate.ui.components.widget import Widget
from tidegate.ui.url import with_query
from tidegate.ui.window import CHOICES, Window


class Picker(Widget, component="picker.js"):
    """See picker.js."""


def window_picker(window: Window, comparisons: tuple[tuple[str, str], ...] = ()) -> Picker:
    """`comparisons` are (value of ?compare=, words), the empty value first."""
    found = Picker()
    found.set(
        {
            "text": window.text,
            "live": window.live,
            "choices": [[name, words] for name, words in CHOICES],
            "chosen": window.name,
            "from": window.start,
            "to": window.end,
            "comparisons": [list(one) for one in comparisons],
            "compare": window.compare,
        }
    )

    def choose(event: GenericEventArguments) -> None:
        chosen: dict[str, Any] = dict(_first(event))
        if "window" in chosen:
            chosen |= {"from": "", "to": ""}
        elif "from" in chosen:
            chosen |= {"window": ""}
        ui.navigate.to(with_query(**chosen))

    found.on("choose", choose)
    return found
