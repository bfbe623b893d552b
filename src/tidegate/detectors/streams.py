"""All streams of one endpoint: inputs of all versions together, outputs of each version apart.

feed(frame): answered rows of callers (no copies for a shadow, nobody's tests), in the order of time, to their groups
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from tidegate.detectors.groups import Group
from tidegate.profiles.reference import Reference
from tidegate.types.monitoring import Side, StreamView

ROLES = ("stable", "canary", "baseline")


class Streams:
    """Of one endpoint. References are set from outside, as they are found or learned."""

    def __init__(self, endpoint: str, effect: float = 0.03, ignore: Iterable[str] = ()) -> None:
        self.endpoint = endpoint
        self._effect = effect
        self._ignore = set(ignore)
        self.groups: dict[tuple[Side, str], Group] = {}

    def set_reference(
        self, side: Side, version: str, reference: Reference, stored: dict[str, bytes] | None = None
    ) -> Group:
        """Watch a side against a reference, from the states that were stored or from the start."""
        group = self.groups[side, version] = Group(self.endpoint, side, version, reference, self._effect, self._ignore)
        if stored:
            group.restore(stored)
        return group

    def feed(self, frame: pl.DataFrame) -> None:
        """Count a frame of the log (any order, any roles)."""
        if not self.groups or not frame.height:
            return
        served = frame.filter((pl.col("status") == 200) & pl.col("role").is_in(ROLES) & pl.col("mirror_of").is_null())
        if not served.height:
            return
        served = served.sort("time", maintain_order=True)
        for (side, version), group in self.groups.items():
            if side == "input":
                group.feed(served)
            else:
                group.feed(served.filter(pl.col("version") == version))

    def views(self) -> list[tuple[StreamView, bytes]]:
        """What is shown and stored, of all columns."""
        return [view for group in self.groups.values() for view in group.views()]
