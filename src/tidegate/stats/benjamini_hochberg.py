"""Many tests at once: p-values corrected so that of what is flagged at alpha, at most a share alpha is false on average.

adjusted p_(i) = min over j >= i of p_(j) m / j      Source: Benjamini & Hochberg 1995
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def adjusted(p: Sequence[float]) -> list[float]:
    """Corrected p-values [m], in the order given.

    >>> adjusted([0.01, 0.04, 0.03, 0.5])
    [0.04, 0.05333333333333334, 0.05333333333333334, 0.5]
    """
    values = np.asarray(p, float)
    if not len(values):
        return []
    order = np.argsort(values)
    scaled = values[order] * len(values) / np.arange(1, len(values) + 1)
    out = np.empty(len(values))
    out[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return [float(value) for value in out]
