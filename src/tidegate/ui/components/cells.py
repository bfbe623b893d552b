"""What a cell of a table or of facts can be. A plain str, int, float, bool or None is a cell as well.

Units that the browser scales: "share" (0.013 -> 1.3 %), "s" and "ms" (0.0042 -> 4.2 ms), "bytes", "rows", "/s";
any other is written after the figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidegate.ui.components.links import own

Cell = dict[str, Any] | str | int | float | bool | None


def num(
    value: float | None,
    unit: str = "",
    *,
    tone: str = "",
    sub: str = "",
    low: float | None = None,
    high: float | None = None,
) -> Cell:
    """A figure with its unit; with `low` and `high` its interval stands below."""
    if value is None:
        return None
    found: dict[str, Any] = {"num": value, "unit": unit}
    if tone:
        found["tone"] = tone
    if sub:
        found["sub"] = sub
    if low is not None and high is not None:
        found |= {"low": low, "high": high}
    return found


def words(
    text: str, *, href: str = "", sub: str = "", mono: bool = False, clip: bool = False, tone: str = "", title: str = ""
) -> Cell:
    """Text, perhaps a link of our own, with a smaller line below. `clip` keeps it on one line."""
    found: dict[str, Any] = {"text": text}
    if href:
        found["href"] = own(href)
    given = {"sub": sub, "mono": mono, "clip": clip, "tone": tone, "title": title}
    return found | {name: value for name, value in given.items() if value}


def badge(text: str, tone: str = "muted", *, title: str = "") -> Cell:
    """A pill: ok, warning, firing, muted, accent, stable, canary, shadow, human."""
    return {"pill": text, "tone": tone} | ({"title": title} if title else {})


def at(time: float | None) -> Cell:
    """An age that moves on by itself ("3 min ago"), the full time on hovering. `time` is unix seconds."""
    return None if time is None else {"time": time}


def spark(values: Sequence[float | None], tone: str = "accent", *, title: str = "") -> Cell:
    """The shape of a series; None is a gap."""
    return {"spark": list(values), "tone": tone} | ({"title": title} if title else {})


def bar(value: float | None, *, of: float = 1.0, unit: str = "share", tone: str = "") -> Cell:
    """A figure and how much of `of` it is."""
    return None if value is None else {"bar": value, "of": of, "unit": unit, "tone": tone}


def several(*cells: Cell) -> Cell:
    """Cells side by side."""
    return {"cells": list(cells)}
