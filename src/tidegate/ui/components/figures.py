"""Names and values, and one large figure."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.ui.components.cells import Cell
from tidegate.ui.components.links import own
from tidegate.ui.components.widget import Widget


class Facts(Widget, component="facts.js"):
    """`fill([("digest", words(...)), ...])`."""

    def fill(self, pairs: Sequence[tuple[str, Cell]]) -> Facts:
        """These from now on."""
        self.set([list(pair) for pair in pairs])
        return self


def facts(pairs: Sequence[tuple[str, Cell]] = ()) -> Facts:
    """A list of names and values."""
    return Facts().fill(pairs)


class Stat(Widget, component="stat.js"):
    """One figure with its name, its unit, a line below and its shape over the last hour."""

    def __init__(self, label: str, unit: str = "", *, large: bool = False, href: str = "") -> None:
        super().__init__()
        self._fixed = {"label": label, "unit": unit, "large": large, "href": own(href) if href else ""}
        self.show(None)

    def show(
        self,
        value: float | str | None,
        *,
        tone: str = "",
        sub: str | None = None,
        spark: Sequence[float | None] | None = None,
    ) -> Stat:
        """This figure from now on; `sub` keeps a line's room even when it is empty."""
        data = {**self._fixed, "value": value}
        if tone:
            data["tone"] = tone
        if sub is not None:
            data["sub"] = sub
        if spark is not None:
            data["spark"] = list(spark)
        self.set(data)
        return self


def stat(label: str, unit: str = "", *, large: bool = False, href: str = "") -> Stat:
    """See Stat."""
    return Stat(label, unit, large=large, href=href)
