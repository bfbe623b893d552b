"""A confidence sequence for a rate: bounds that hold at every number of units at once.

    p is out when  B(bad + 1/2, good + 1/2) / B(1/2, 1/2) / (p^bad (1-p)^good) >= 1/alpha

The left side is a likelihood-ratio martingale at the true p (the mixture over all alternatives, Beta(1/2, 1/2)), so by
Ville's inequality P(p is ever out) <= alpha. Source: Robbins 1970; Howard, Ramdas, McAuliffe & Sekhon 2021.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, lgamma, log, log1p


def rate_bounds(bad: int, n: int, alpha: float) -> tuple[float, float]:
    """(low, high) of the rate after `bad` of `n` units; (0, 1) before the first.

    >>> low, high = rate_bounds(10, 1000, 0.05)
    >>> round(low, 4), round(high, 4)
    (0.0024, 0.0262)
    """
    if n <= 0:
        return 0.0, 1.0
    good = n - bad

    def inside(p: float) -> bool:
        return _log_e(bad, n, p) < -log(alpha)

    middle = bad / n
    low = 0.0 if bad == 0 else _edge(middle, 0.0, inside)
    high = 1.0 if good == 0 else _edge(middle, 1.0, inside)
    return low, high


def against(bad: float, n: float, most: float) -> tuple[float, float]:
    """(harm, safety): ln E that the rate is above `most`, and that it is below, 0 < most < 1. Where one speaks the other is 0.

    `rate_bounds` leave `most` out at alpha exactly where one of them reaches ln(1 / alpha).

    >>> [round(e, 2) for e in against(30, 1000, 0.01)], [round(e, 2) for e in against(1, 1000, 0.01)]
    ([9.48, 0.0], [0.0, 3.02])
    """
    log_e = max(_log_e(bad, n, most), 0.0)
    return (log_e, 0.0) if bad > most * n else (0.0, log_e)


def _log_e(bad: float, n: float, p: float) -> float:
    """ln of the mixture's likelihood over that of the rate p."""
    good = n - bad
    mixture = lgamma(bad + 0.5) + lgamma(good + 0.5) - lgamma(n + 1.0) - 2.0 * lgamma(0.5)
    return mixture - _times_log(bad, p) - (good * log1p(-p) if p < 1.0 else (-inf if good else 0.0))


def _edge(inner: float, outer: float, inside: Callable[[float], bool]) -> float:
    """Where `inside` ends between `inner` (inside) and `outer` (not), by halving; the outer side of it."""
    for _ in range(100):
        middle = 0.5 * (inner + outer)
        if middle in (inner, outer):
            break
        if inside(middle):
            inner = middle
        else:
            outer = middle
    return outer


def _times_log(count: float, p: float) -> float:
    return 0.0 if count == 0 else (count * log(p) if p > 0.0 else -inf)
