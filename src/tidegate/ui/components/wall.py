"""Endpoints as rows that can be read from across a room: the overview."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidegate.ui.components.links import own
from tidegate.ui.components.widget import Widget


class WallFigure(msgspec.Struct, omit_defaults=True):
    """One figure of a row. `sub` is a smaller line below, `tone` a state, `spark` the last hour; units as in cells.py."""

    key: str
    label: str
    value: float | str | None
    unit: str = ""
    sub: str = ""
    tone: str = ""
    spark: Sequence[float | None] | None = None
    title: str = ""


class WallNeed(msgspec.Struct):
    """Something that waits for a person, with the page to act on. `since` is unix seconds, 0 for unknown."""

    words: str
    href: str
    level: str
    since: float = 0.0


class WallArm(msgspec.Struct):
    """A version's part of the split, in percent."""

    version: str
    role: str
    weight: float


class WallRollout(msgspec.Struct):
    """Where a rollout stands: `step` of `steps` are done."""

    href: str
    words: str
    step: int
    steps: int
    person: bool


class WallRow(msgspec.Struct, omit_defaults=True):
    """One endpoint. `level` is ok, warning, firing or muted; `state` is the level in a word."""

    key: str
    href: str
    name: str
    level: str
    state: str
    words: str
    needs: list[WallNeed]
    arms: list[WallArm]
    figures: list[WallFigure]
    rollout: WallRollout | None = None


class Wall(Widget, component="wall.js"):
    """`fill(rows)`."""

    def fill(self, rows: Sequence[WallRow]) -> Wall:
        """These rows from now on. Errors: ValueError for an address elsewhere."""
        for row in rows:
            for href in (row.href, *(need.href for need in row.needs), *([row.rollout.href] if row.rollout else [])):
                own(href)
        self.set({"rows": list(rows)})
        return self
