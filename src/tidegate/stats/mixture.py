"""Averages of e-processes, in logarithms: the average of e-processes is an e-process.

    log E of each alternative --log_mean--> one log E

The weights must not depend on the data. Everything works on NumPy arrays with the alternatives on the last axis, so
that a simulation of many rollouts at once and the product share one formula.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

RATIOS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""How many times worse (or, for safety, better) than the null's boundary the alternatives are."""


def log_mean(logs: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """ln of the weighted mean of exp(logs) over the last axis; -inf is allowed, weights sum to 1 (equal if None).

    >>> float(log_mean([0.0, 0.0]))
    0.0
    >>> round(float(np.exp(log_mean([np.log(3.0), -np.inf]))), 6)
    1.5
    >>> float(log_mean([5000.0, 5000.0]))
    5000.0
    """
    values = np.asarray(logs, dtype=np.float64)
    share = np.full(values.shape[-1], 1.0 / values.shape[-1]) if weights is None else np.asarray(weights, np.float64)
    top = values.max(axis=-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        mean = (np.exp(values - top) * share).sum(axis=-1) / share.sum()  # so that equal logs give just that
        return np.asarray(np.log(mean) + top[..., 0], dtype=np.float64)
