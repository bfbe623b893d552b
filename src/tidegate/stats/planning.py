"""How many units will a proof take? What a step is going to need, told before it starts.

    rates, share --counts expected after n units--> ln E(n) --the least n with ln E(n) >= ln(1/alpha)--> canary units

Wald: the number of units is about ln(1/alpha) over the growth of ln E a unit. Here the product's own formulas are
evaluated at the expected counts, so that averages over alternatives have their price; chance makes it more or less.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, log

import numpy as np

from tidegate.stats import floor as below_floor
from tidegate.stats import paired
from tidegate.stats.common import nearest
from tidegate.stats.mixture import log_mean
from tidegate.stats.rate import better, increments
from tidegate.stats.sequences import against

MOST = 1e10


def units_needed(
    method: str,
    rate_canary: float,
    rate_stable: float,
    share: float,
    ratio: float = 1.25,
    floor: float = 0.005,
    alpha: float = 0.05,
) -> int:
    """Canary units until safety(method) is expected to reach 1/alpha; pairs, for `paired`. -1: never, or can't be told.

    Args:
        method: rate, common-rate or paired; a score or an output depends on more than its rate: -1.
        rate_canary: bad units of the canary, 0 to 1. For pairs the two versions fail independently of each other.
        rate_stable: bad units of the stable version, 0 to 1.
        share: probability of the canary, 0 to 1.

    >>> units_needed("rate", 0.0, 0.0, share=0.05)
    766
    >>> units_needed("rate", 0.02, 0.01, share=0.05)
    -1
    """
    grow = _growth(method, rate_canary, rate_stable, share, ratio, floor)
    return -1 if grow is None else _least(grow, alpha)


def units_below(rate: float, most: float, alpha: float = 0.05) -> int:
    """Units until a rate is expected to be proved below `most`, both 0 to 1. -1: never.

    >>> units_below(0.0, 0.01), units_below(0.004, 0.01), units_below(0.01, 0.01)
    (680, 3078, -1)
    """
    return -1 if rate >= most else _least(lambda n: against(rate * n, n, most)[1], alpha)


def _least(grow: Callable[[float], float], alpha: float) -> int:
    target = log(1.0 / alpha)
    low, high = 0.0, 64.0
    while grow(high) < target:
        low, high = high, 2.0 * high
        if high > MOST:
            return -1
    while high - low > 0.5:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if grow(middle) >= target else (middle, high)
    return ceil(high)


def _growth(
    method: str, canary: float, stable: float, share: float, ratio: float, floor: float
) -> Callable[[float], float] | None:
    """ln E of the expected counts after n canary units (pairs)."""
    ratios, weights = better(ratio)
    if method == "paired":
        return lambda n: _mean(
            log_mean(
                paired.increments(
                    n * canary * (1 - stable), n * stable * (1 - canary), n * canary * stable, ratio, ratios
                ),
                weights,
            ),
            _floor(n, canary, floor),
        )
    if not 0.0 < share < 1.0:
        return (lambda n: _mean(0.0, _floor(n, canary, floor))) if method in ("rate", "common-rate") else None
    others = (1.0 - share) / share
    if method == "rate":
        return lambda n: _mean(
            log_mean(increments(n * canary, n * others * stable, share, ratio, ratios), weights),
            _floor(n, canary, floor),
        )
    if method == "common-rate":
        gain = _gain(canary, stable, share, ratio)
        return lambda n: _mean(n * gain, _floor(n, canary, floor))
    return None


def _gain(canary: float, stable: float, share: float, ratio: float) -> float:
    """Growth of ln E a canary unit: relative entropy from the nearest point of the null, 0 inside it."""
    inner, usual = (min(max(rate, 1e-9), 1 - 1e-9) for rate in (canary, stable))
    null = nearest(inner, usual, share, ratio, 0.0) if inner < ratio * usual else None
    if null is None:
        return 0.0
    return _entropy(inner, null[0]) + (1.0 - share) / share * _entropy(usual, null[1])


def _entropy(p: float, q: float) -> float:
    return p * log(p / q) + (1.0 - p) * log((1.0 - p) / (1.0 - q))


def _floor(n: float, rate: float, floor: float) -> float:
    if not 0.0 < floor < 1.0:
        return 0.0
    # An expected count below one error is no error: q = 0 lives until then.
    bad = n * rate if n * rate >= 0.5 else 0.0
    return float(log_mean(below_floor.increments(n - bad, bad, floor), below_floor.WEIGHTS))


def _mean(*logs: float | np.ndarray) -> float:
    return float(log_mean([float(value) for value in logs]))
