"""A change shared out among the parts that made it: Shapley values over every mix of old and new parts.

    phi_i = sum over sets S without i of |S|! (k - |S| - 1)! / k! * (v(S + i) - v(S))

v(S) is the figure with the parts of S new and all others old. The shares sum to v(all) - v(none); parts that do the same get the same;
a part that changes nothing in any mix gets 0. Exact: 2^k mixes. Source: Shapley 1953, A value for n-person games.
"""

from __future__ import annotations

from math import factorial

import numpy as np
from numpy.typing import ArrayLike

from tidegate.stats.intervals import Floats


def shapley(values: ArrayLike) -> Floats:
    """[2^k, ...] -> [k, ...]: of values by mix, bit i of the index set where part i is new, each part's share.

    >>> shapley([1.0, 3.0, 1.5, 6.0])  # the first alone adds 2, the second 0.5, both together 2.5 more: half each
    array([3.25, 1.75])
    """
    by_mix = np.asarray(values, np.float64)
    parts = (len(by_mix) - 1).bit_length()
    if len(by_mix) != 1 << parts:
        raise ValueError(f"{len(by_mix)} values are not those of every mix: their number is a power of 2")
    found = np.zeros((parts, *by_mix.shape[1:]))
    for part in range(parts):
        for mix in range(len(by_mix)):
            if mix >> part & 1 == 0:
                before = mix.bit_count()
                weight = factorial(before) * factorial(parts - before - 1) / factorial(parts)
                found[part] += weight * (by_mix[mix | 1 << part] - by_mix[mix])
    return found
