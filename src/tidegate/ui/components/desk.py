"""The desk at which a person decides one item after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate.ui.acting import guarded
from tidegate.ui.components.table import _first
from tidegate.ui.components.widget import Widget


class Desk(Widget, component="desk.js"):
    """`set(...)` the item of desk.js. `on_answer` gets {"id", "value"}, the others {"id"}; their TidegateErrors are shown."""

    def __init__(
        self, on_answer: Callable[[Any], Any], on_skip: Callable[[Any], Any], on_undo: Callable[[Any], Any]
    ) -> None:
        super().__init__({})
        for name, handler in (("answer", on_answer), ("skip", on_skip), ("undo", on_undo)):
            self._tell(name, guarded(handler))

    def _tell(self, name: str, handler: Callable[..., Any]) -> None:
        self.on(name, lambda event: handler(_first(event)))
