"""A component that is all data: Python gives it one value, its script draws it, and only a changed value is sent."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Self

import msgspec
from nicegui.element import Element

SHARED = Path(__file__).parent / "shared"


class Widget(Element, esm={"tidegate-ui": str(SHARED)}):
    """The base. A subclass names its script: `class Table(Widget, component="table.js")`; the script takes a prop `data`."""

    def __init__(self, data: Any = None) -> None:
        super().__init__()
        self._sent = b""
        if data is not None:
            self.set(data)

    def set(self, data: Any) -> Self:
        """What it shows from now on: a dict, list or msgspec Struct. NaN and infinities become null."""
        plain = _finite(msgspec.to_builtins(data))
        encoded = msgspec.json.encode(plain)
        if encoded != self._sent:
            self._sent = encoded
            self._props["data"] = plain
            self.update()
        return self


def _finite(value: Any) -> Any:
    """JSON has no NaN; a browser's parser would refuse the whole message."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
