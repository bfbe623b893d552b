"""The steps of a rollout on a line, and how its traffic is shared."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidegate.ui.components.widget import Widget


class Step(msgspec.Struct, omit_defaults=True):
    """One step. States: done, now, next, failed. A step of kind setWeight is a station; `sub` stands below it."""

    number: int
    text: str
    kind: str
    state: str
    sub: str = ""


class Share(msgspec.Struct, omit_defaults=True):
    """Who answers, in percent: a role (stable, canary, shadow, human), its name, and the share as words."""

    role: str
    name: str
    share: float
    text: str


class Track(Widget, component="track.js"):
    """`fill(steps, traffic)` draws it; it also goes to the page's fragment, such as #decision-3, once it is there."""

    def fill(
        self,
        steps: Sequence[Step],
        traffic: Sequence[Share],
        *,
        mirror: Share | None = None,
        until: float = 0.0,
        label: str = "Steps",
    ) -> Track:
        """These from now on. `until` is when the step that it is in may end (unix seconds), 0 where nobody can tell."""
        data = {"steps": list(steps), "traffic": list(traffic), "label": label}
        self.set(data | ({"mirror": mirror} if mirror else {}) | ({"until": until} if until else {}))
        return self


def track() -> Track:
    """See Track."""
    return Track()
