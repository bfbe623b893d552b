"""One control: a button, a field, a box to tick. What a handler refuses is said in words (acting.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tidegate.ui.acting import guarded
from tidegate.ui.components.element import Plain
from tidegate.ui.components.table import _first
from tidegate.ui.components.widget import Widget


class Control(Widget, component="field.js"):
    """A labelled input. `show(value)` changes what it holds."""

    def __init__(self, fixed: dict[str, Any], value: Any, on_value: Callable[[Any], Any] | None) -> None:
        super().__init__()
        self._fixed = fixed
        self.show(value)
        if on_value is not None:
            handler = guarded(on_value)
            self.on("value", lambda event: handler(_first(event)))

    def show(self, value: Any) -> Control:
        """This value from now on."""
        self.set({**self._fixed, "value": value})
        return self


def button(
    words: str,
    on_click: Callable[[], Any] | None = None,
    *,
    kind: str = "",
    title: str = "",
    disabled: bool = False,
    classes: str = "",
) -> Plain:
    """A button. Kinds: primary, danger, quiet; plain without one. A TidegateError of its handler is shown in words."""
    found = Plain(
        "button",
        f"tg-button{f' tg-button-{kind}' if kind else ''} {classes}".strip(),
        words,
        type="button",
        title=title or None,
    )
    if disabled:
        found._props["disabled"] = True
    if on_click is not None:
        handler = guarded(on_click)
        found.on("click", lambda _: handler())
    return found


def field(
    label: str,
    value: Any = "",
    *,
    kind: str = "text",
    options: Sequence[tuple[str, str]] = (),
    placeholder: str = "",
    name: str = "",
    hint: str = "",
    on_value: Callable[[Any], Any] | None = None,
) -> Control:
    """An input: text, search, number, datetime-local, or select with options (value, words)."""
    fixed = {"label": label, "kind": kind, "options": [list(one) for one in options], "placeholder": placeholder}
    return Control(fixed | {"name": name or label.lower(), "hint": hint}, value, on_value)


def checkbox(
    label: str, value: bool = False, *, name: str = "", on_value: Callable[[bool], Any] | None = None
) -> Control:
    """A box to tick."""
    return Control({"label": label, "kind": "check", "name": name or label.lower()}, value, on_value)
