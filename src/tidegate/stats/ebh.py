"""Which of many moved? e-BH: of those it flags, at most a share alpha is false on average, however they depend on each other.

    k* = max{k : e_(k) >= m / (k alpha)},  flag the k* largest e-values

Source: Wang & Ramdas, "False discovery rate control with e-values", JRSS-B 2022 (2009.02824).
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def flagged(log_e: Sequence[float], alpha: float = 0.1) -> list[int]:
    """Indexes of what is flagged, the strongest first; `log_e` are natural logarithms of e-values.

    >>> flagged([math.log(50), math.log(2), math.log(25)], alpha=0.1)
    [0, 2]
    >>> flagged([math.log(5), 0.0])
    []
    """
    m = len(log_e)
    order = sorted(range(m), key=lambda i: -log_e[i])
    for k in range(m, 0, -1):
        if log_e[order[k - 1]] >= math.log(m / (k * alpha)) - 1e-12:
            return order[:k]
    return []
