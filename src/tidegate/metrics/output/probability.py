"""Columns of probabilities: which are, and means of functions of them from a profile's sketch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tidegate.profiles.profile import Column

BINS = 200
Numbers = npt.NDArray[np.float64]


def is_probability(column: Column) -> bool:
    """A number between 0 and 1 that is neither whole nor of two values alone."""
    inside = column.kind == "number" and column.present > 0 and column.low >= 0.0 and column.high <= 1.0
    return inside and not column.has_items and column.distinct > 2


def mean_of(column: Column, function: Callable[[Numbers], Numbers]) -> float:
    """E f(p) of a probability column: the sum over bins of 1/200 of f(middle) times the bin's share (KLL, within 2%)."""
    edges = np.linspace(0.0, 1.0, BINS + 1)
    below = np.concatenate([[0.0], column.cdf(edges[1:])])
    shares = np.diff(below)
    total = float(shares.sum())
    return float(np.dot(function((edges[1:] + edges[:-1]) / 2.0), shares) / total) if total > 0 else 0.0
