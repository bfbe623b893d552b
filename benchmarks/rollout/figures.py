"""How a figure is kept: a share of runs with its exact 99% bounds, or quantiles; and the bar it is held against."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

Row = dict[str, Any]


def share_row(name: str, hits: np.ndarray, alpha: float | None, mutation: bool = False) -> Row:
    """Share of runs that alarmed; Clopper-Pearson bounds, each at 99%. Bar: low <= alpha (a mutation: low > alpha)."""
    runs, count = len(hits), int(hits.sum())
    low = float(stats.beta.ppf(0.01, count, runs - count + 1)) if count else 0.0
    high = float(stats.beta.ppf(0.99, count + 1, runs - count)) if count < runs else 1.0
    met = None if alpha is None else (low > alpha if mutation else low <= alpha)
    row = {"name": name, "runs": runs, "share": count / runs, "low99": low, "high99": high, "alpha": alpha, "met": met}
    return {**row, "mutation": True} if mutation else row


def quantile_row(name: str, values: np.ndarray, bar: float | None = None, **more: Any) -> Row:
    """Quartiles and the 90th of the values; inf is "never". Bar: the median is at most `bar`."""
    q25, median, q75, q90 = (float(q) for q in np.quantile(values, [0.25, 0.5, 0.75, 0.9], method="higher"))
    met = None if bar is None else median <= bar
    return {
        "name": name,
        "runs": len(values),
        "q25": q25,
        "median": median,
        "q75": q75,
        "q90": q90,
        "bar": bar,
        "met": met,
        **more,
    }
