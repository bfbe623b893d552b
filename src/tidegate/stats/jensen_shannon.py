"""Jensen-Shannon distance: the square root of the divergence from the mean of two distributions.

    JS^2 = KL(p || m)/2 + KL(q || m)/2,  m = (p + q)/2      base 2: from 0 to 1; base e: from 0 to sqrt(ln 2) = 0.833

Source: Endres & Schindelin 2003. The base is part of the figure: NannyML takes 2, Evidently e.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def jensen_shannon(reference: npt.ArrayLike, now: npt.ArrayLike, base: float = 2.0) -> float:
    """Of counts or shares [k] in the same bins; nan where a side has none.

    >>> jensen_shannon([1, 0], [0, 1]), round(jensen_shannon([1, 0], [0, 1], base=math.e), 4)
    (1.0, 0.8326)
    """
    p, q = np.asarray(reference, float), np.asarray(now, float)
    if p.sum() <= 0 or q.sum() <= 0:
        return float("nan")
    p, q = p / p.sum(), q / q.sum()
    m = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(p > 0, p * np.log(p / m), 0.0) + np.where(q > 0, q * np.log(q / m), 0.0)
    return math.sqrt(max(float(parts.sum()) / 2 / math.log(base), 0.0))
