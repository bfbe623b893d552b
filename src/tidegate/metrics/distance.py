"""How far a window's column is from the reference's: one number between 0 and 1, of the same meaning as a stream's effect.

numbers     sup |F_window - F_reference| over the reference's percentiles (Kolmogorov; from sketches, within 2% each)
categories  half the sum of |share - usual share|, missing as one more (total variation)
"""

from __future__ import annotations

import numpy as np

from tidegate.profiles.profile import Column

POINTS = np.linspace(0.005, 0.995, 100)
NAMED = 50
"""Rarer categories count together: their shares are noise."""


def distance(column: Column, reference: Column) -> float | None:
    """The greater of the values' distance and the change of the missing share; None without rows in either."""
    if not column.rows or not reference.rows:
        return None
    missing, usual_missing = column.missing / column.rows, reference.missing / reference.rows
    if reference.has_items and len(reference.items(NAMED + 1)) <= NAMED and column.has_items:
        return _total_variation(column, reference)
    if column.kind != reference.kind:
        return 1.0
    if column.kind == "category":
        return _total_variation(column, reference)
    if not column.present or not reference.present:
        return abs(missing - usual_missing)
    points = np.unique([reference.quantile(q) for q in POINTS])
    apart = float(np.abs(column.cdf(points) - reference.cdf(points)).max())
    return max(apart, abs(missing - usual_missing))


def _total_variation(column: Column, reference: Column) -> float:
    now, usual = column.items(), reference.items()
    names = list(usual)[:NAMED]
    apart = sum(abs(now.get(name, 0) / column.rows - usual[name] / reference.rows) for name in names)
    apart += abs(column.missing / column.rows - reference.missing / reference.rows)
    others = (column.present - sum(now.get(name, 0) for name in names)) / column.rows
    usual_others = (reference.present - sum(usual[name] for name in names)) / reference.rows
    return min((apart + abs(others - usual_others)) / 2.0, 1.0)
