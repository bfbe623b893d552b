"""The loop drawn: traffic -> versions -> outcomes, bands as wide as their shares."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidegate.ui.components.links import own
from tidegate.ui.components.widget import Widget


class LoopStream(msgspec.Struct, omit_defaults=True):
    """A version in a role: `share` of the traffic (of a shadow: of copies), `lines` its figures in words."""

    key: str
    name: str
    role: str
    share: float
    lines: list[str]
    href: str = ""
    state: str = ""
    tone: str = ""


class LoopOutcome(msgspec.Struct, omit_defaults=True):
    """What became of requests: `share` of them, and the figure shown. `tone` is ok, warning, firing or muted."""

    key: str
    name: str
    tone: str
    share: float
    value: float | None
    unit: str = ""
    sub: str = ""
    href: str = ""


class LoopDrawing(Widget, component="loop.js"):
    """`fill(...)`; it moves while `moving`, unless the reader asked for less motion."""

    def fill(
        self,
        rate: float,
        sub: str,
        streams: Sequence[LoopStream],
        outcomes: Sequence[LoopOutcome],
        *,
        moving: bool,
        empty: str = "",
    ) -> LoopDrawing:
        """`rate` in requests a second. Errors: ValueError for an address elsewhere."""
        for href in [*(one.href for one in streams), *(one.href for one in outcomes)]:
            if href:
                own(href)
        self.set(
            {
                "rate": rate,
                "sub": sub,
                "moving": moving,
                "streams": list(streams),
                "outcomes": list(outcomes),
                "empty": empty,
            }
        )
        return self
