"""Charts over time, histograms and categories, drawn by ECharts on a canvas in the theme's colours.

Charts of one `group` share the cursor; a drag across one asks the page for that window (`on_zoom`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
import nicegui.elements.echart  # noqa: F401  (registers the module that our scripts import)

from tidegate.ui.components.links import own
from tidegate.ui.components.widget import Widget

Points = Sequence[tuple[float, float | None]]
"""(unix seconds, value), in order; None is a gap."""


class Line(msgspec.Struct, omit_defaults=True):
    """One line; `low` and `high` draw a band. `tone` is a role, a state, or empty for the next colour."""

    name: str
    points: Points
    tone: str = ""
    low: Points | None = None
    high: Points | None = None
    muted: bool = False
    step: bool = False
    dots: bool = False


class Limit(msgspec.Struct, omit_defaults=True):
    """A level that isn't to be crossed; `drag` gives it a handle (mouse, touch and arrow keys)."""

    name: str
    value: float
    tone: str = "firing"
    drag: bool = False


class Mark(msgspec.Struct, omit_defaults=True):
    """Something that happened. Kinds: alarm, rollout, decision, deployment."""

    time: float
    kind: str
    words: str
    href: str = ""
    tone: str = ""


class Chart(Widget, component="chart.js"):
    """`fill(lines, start=, end=)` draws it. Units as in cells.py."""

    def __init__(
        self,
        title: str,
        unit: str,
        *,
        kind: Literal["line", "area", "stacked", "bars"] = "line",
        height: int = 180,
        group: str = "page",
        href: str = "",
        empty: str = "",
        note: str = "",
        low: float | None = None,
        high: float | None = None,
        log: bool = False,
        on_zoom: Callable[[float, float], Any] | None = None,
        on_limit: Callable[[int, float, bool], Any] | None = None,
    ) -> None:
        super().__init__()
        given = {
            "title": title,
            "unit": unit,
            "kind": kind,
            "height": height,
            "group": group,
            "empty": empty,
            "note": note,
        }
        self._fixed: dict[str, Any] = {name: value for name, value in given.items() if value != ""} | {"unit": unit}
        self._fixed |= {name: value for name, value in {"low": low, "high": high}.items() if value is not None}
        self._fixed |= {"log": True} if log else {}
        self._fixed |= {"href": own(href)} if href else {}
        self._props["data"] = {**self._fixed, "series": [], "start": 0, "end": 1}
        if on_zoom is not None:
            self.on("zoom", lambda event: on_zoom(float(event.args["from"]), float(event.args["to"])))
        if on_limit is not None:
            self.on(
                "limit",
                lambda event: on_limit(int(event.args["place"]), float(event.args["value"]), bool(event.args["done"])),
            )

    def fill(
        self,
        series: Sequence[Line],
        *,
        start: float,
        end: float,
        limits: Sequence[Limit] = (),
        marks: Sequence[Mark] = (),
        high: float | None = None,
        empty: str = "",
        note: str = "",
    ) -> Chart:
        """These lines from now on, from `start` to `end` (unix seconds). `empty` says what to do when there is no point; `high` is
        where the axis ends, should a few points go far beyond the others."""
        for mark in marks:
            if mark.href:
                own(mark.href)
        given = {"empty": empty, "note": note}
        data = {**self._fixed, **{name: value for name, value in given.items() if value}}
        data |= {"high": high} if high is not None else {}
        self.set(
            data | {"series": list(series), "start": start, "end": end, "limits": list(limits), "marks": list(marks)}
        )
        return self


def chart(title: str, unit: str, **options: Any) -> Chart:
    """See Chart."""
    return Chart(title, unit, **options)


class Bars(Widget, component="bars.js"):
    """`fill(labels, {"reference": shares, "now": shares})`: a histogram (labels are bins) or categories (horizontal)."""

    def __init__(
        self,
        title: str,
        unit: str = "share",
        *,
        height: int = 220,
        horizontal: bool = False,
        axis: str = "",
        empty: str = "",
    ) -> None:
        super().__init__()
        self._fixed: dict[str, Any] = {"title": title, "unit": unit, "height": height, "horizontal": horizontal}
        self._fixed |= {name: value for name, value in {"axis": axis, "empty": empty}.items() if value}
        self.set({**self._fixed, "labels": [], "series": []})

    def fill(self, labels: Sequence[str], series: Sequence[dict[str, Any]], *, note: str = "") -> Bars:
        """Series: {"name", "values" (one a label), "tone"?, "muted"?, "overlay"?}."""
        data = {**self._fixed, "labels": list(labels), "series": list(series)}
        self.set(data | ({"note": note} if note else {}))
        return self


def bars(title: str, unit: str = "share", **options: Any) -> Bars:
    """See Bars."""
    return Bars(title, unit, **options)
