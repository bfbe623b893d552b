"""The e-processes by the name that a metric gives: one for harm (roll back), one for safety (promote).

MetricSpec.method --harm-->   against "the canary is no worse than ratio (or margin) allows", with restarts
                  --safety--> against "the canary is worse than that", over the whole rollout
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from tidegate.errors import ConfigError
from tidegate.stats import paired
from tidegate.stats.average import Average
from tidegate.stats.base import EProcess
from tidegate.stats.categorical import Categorical, WithinMargin
from tidegate.stats.common import CommonRate
from tidegate.stats.floor import BelowFloor
from tidegate.stats.rate import RateRatio, better
from tidegate.stats.score import ScoreDifference
from tidegate.stats.starts import Starts


def harm(method: str, *, ratio: float = 1.0, margin: float = 0.0) -> EProcess:
    """Evidence that the canary is worse: an alarm when log_e >= ln(1/alpha).

    Args:
        method: rate, common-rate, categorical, score or paired.
        ratio: the null is p_canary <= ratio * p_stable (rate, common-rate, paired).
        margin: the null is mean_canary <= mean_stable + margin (score, common-rate), in the metric's unit.

    Raises:
        ConfigError: an unknown method, or a bound that it has no use for.

    >>> harm("rate").log_e
    0.0
    """
    _check(method, ratio, margin)
    return Starts(lambda: HARM[method](ratio, margin))


def safety(method: str, *, ratio: float = 1.25, floor: float = 0.005, margin: float = 0.0) -> EProcess:
    """Evidence that the canary is good enough: proof when log_e >= ln(1/promoteAlpha).

    The null is p_canary >= max(ratio * p_stable, floor) for rates (common-rate adds the margin to the first),
    mean_canary >= mean_stable + margin for a score, and for a categorical output that some category's share differs by
    at least the margin. A score or an output with margin 0 can't be proved safe: equality itself is in the null.
    One start: it is the evidence of the whole rollout.

    Raises:
        ConfigError: an unknown method, or a bound that it has no use for.

    >>> safety("paired", ratio=1.25).log_e
    0.0
    """
    _check(method, ratio, margin)
    return SAFETY[method](ratio, floor, margin)


HARM: dict[str, Callable[[float, float], EProcess]] = {
    "rate": lambda ratio, margin: RateRatio(ratio),
    "common-rate": CommonRate,
    "categorical": lambda ratio, margin: Categorical(),
    "score": lambda ratio, margin: ScoreDifference(margin),
    "paired": lambda ratio, margin: paired.Paired(ratio),
}
SAFETY: dict[str, Callable[[float, float, float], EProcess]] = {
    "rate": lambda ratio, floor, margin: Average([RateRatio(ratio, *better(ratio)), BelowFloor(floor)]),
    "common-rate": lambda ratio, floor, margin: Average([CommonRate(ratio, margin, worse=False), BelowFloor(floor)]),
    "categorical": lambda ratio, floor, margin: WithinMargin(margin),
    "score": lambda ratio, floor, margin: ScoreDifference(-margin, exchanged=True),
    "paired": lambda ratio, floor, margin: Average([paired.safe(ratio), paired.PairedMarginal(BelowFloor(floor))]),
}
RATIO_ONLY = ("rate", "paired")


def _check(method: str, ratio: float, margin: float) -> None:
    if method not in HARM:
        raise ConfigError(f"method: {method!r} is unknown; the methods are {', '.join(sorted(HARM))}")
    if not 0.0 < ratio < inf:
        raise ConfigError(f"ratio: {ratio} is no ratio of two rates; give a number above 0, such as 1.25")
    if margin and method in RATIO_ONLY:
        raise ConfigError(
            f"margin: the method {method!r} compares by ratio; leave margin out and set the ratio instead"
        )
