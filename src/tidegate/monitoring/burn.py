"""How fast an endpoint's error budget burns: multi-window, multi-burn-rate alerts.

    burn rate = share of bad requests / (1 - objective)         1: the month's budget lasts exactly a month

    | rate  | long  | short | budget gone | who      |
    |-------|-------|-------|-------------|----------|
    | 14.4  | 1 h   | 5 m   | 2%          | page     |
    | 6     | 6 h   | 30 m  | 5%          | page     |
    | 1     | 3 d   | 6 h   | 10%         | ticket   |

Both windows must burn faster: the long one says that it matters, the short one that it goes on, so that an alarm ends
soon after its cause. Source: "Alerting on SLOs", The Site Reliability Workbook (Google, 2018), chapter 5, table 5-8.
Fewer than three bad requests in the long window are no evidence: at few requests one failure is no trend.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from tidegate.monitoring.alarm import Reading
from tidegate.monitoring.options import SloOptions
from tidegate.profiles.profile import Profile
from tidegate.stats import histogram
from tidegate.types.monitoring import Severity

FEWEST = 3.0
MONTH = 30 * 86400.0


class Window(NamedTuple):
    """One row of the table; seconds."""

    rate: float
    long: float
    short: float
    severity: Severity


FAST = (Window(14.4, 3600.0, 300.0, "page"), Window(6.0, 21600.0, 1800.0, "page"))
SLOW = (Window(1.0, 259200.0, 21600.0, "ticket"),)


class Objective(msgspec.Struct, frozen=True):
    """`target` of the requests must be good; `within` seconds for latency, 0 for availability."""

    name: str
    target: float
    within: float = 0.0

    def counts(self, profile: Profile) -> tuple[float, float]:
        """Bad requests, and all that count."""
        if self.within:
            total = float(sum(profile.latency.values()))
            return histogram.above(profile.latency, self.within * 1e6), total
        return float(profile.failed), float(profile.requests)


class Burn(msgspec.Struct, frozen=True):
    """What one row of the table says now. `long` and `short` are burn rates; `bad` and `total` of the long window."""

    window: Window
    long: float
    short: float
    bad: float
    total: float

    @property
    def outside(self) -> bool:
        """Whether both windows burn faster than the row allows."""
        return self.bad >= FEWEST and self.long > self.window.rate and self.short > self.window.rate


def objectives(slo: SloOptions | None) -> list[Objective]:
    """Each objective by its metric's name."""
    if slo is None:
        return []
    found = [Objective("slo.availability", slo.availability)] if slo.availability is not None else []
    if slo.latency is not None:
        found += [
            Objective(f"slo.latency.p{share * 100:g}", share, seconds)
            for share, seconds in slo.latency.targets().items()
        ]
    return found


def rate(bad: float, total: float, target: float) -> float:
    """The burn rate; 0 without requests. An objective of 100% has no budget: the first bad request burns without end.

    >>> round(rate(bad=144, total=10_000, target=0.999), 6)
    14.4
    """
    if not total or not bad:
        return 0.0
    return bad / total / (1.0 - target) if target < 1.0 else float("inf")


def exhausted_in(burn: float) -> float:
    """Seconds until a whole month's budget is gone at this rate.

    >>> exhausted_in(14.4) / 3600
    50.0
    """
    return MONTH / burn if burn > 0 else float("inf")


def look(objective: Objective, windows: tuple[Window, ...], read: Callable[[float], Profile]) -> list[Burn]:
    """Each row's burn rates; `read(seconds)` is the profile of the last so many seconds."""
    found = []
    for window in windows:
        bad, total = objective.counts(read(window.long))
        short = objective.counts(read(window.short))
        found.append(Burn(window, rate(bad, total, objective.target), rate(*short, objective.target), bad, total))
    return found


def reading(objective: Objective, burns: list[Burn]) -> Reading | None:
    """The worst row as a condition; None without any request in all of the windows."""
    if not any(burn.total for burn in burns):
        return None
    worst = max(burns, key=lambda one: (one.outside, one.window.rate if one.outside else min(one.long, one.short)))
    return Reading(
        "outside" if worst.outside else "inside", min(worst.long, 1e9), worst.window.rate, worst.window.severity,
        said(objective, worst) if worst.outside else "",
    )  # fmt: skip


def said(objective: Objective, burn: Burn) -> str:
    """In words."""
    what = f"slower than {objective.within * 1000:g} ms" if objective.within else "failed"
    hours = f"{burn.window.long / 3600:g} h"
    left = exhausted_in(burn.long)
    lasts = (
        f"the month's budget is gone in {left / 3600:.3g} h" if left < 259200 else f"it lasts {left / 86400:.3g} days"
    )
    share = 100.0 * burn.bad / burn.total
    return (
        f"{share:.3g}% of the last {hours}'s requests {what}, {100 * (1 - objective.target):.3g}% are allowed: "
        f"{burn.long:.3g} times as fast; {lasts}"
    )
