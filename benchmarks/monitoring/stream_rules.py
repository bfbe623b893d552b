"""The usual rules on one column, by their formulas: the first row after which they alarm (a chunk alarms at its end).

- Evidently (reference > 1,000 rows): W1 / max(sd, .001) >= .1 of numbers, Jensen-Shannon distance (natural log) >= .1 of
  categories, a chunk of 1,000 rows at a time
- NannyML: Jensen-Shannon distance (log 2; numbers on the reference's bins of Doane's rule) above mean + 3 sd (ddof 0) of the
  reference's own chunks, ten of them; chunks of 1,000 rows
- CUSUM of the textbook: S = max(0, S +- z - k), k = .5, h = 5, z by the reference's mean and sd (numbers only)
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import polars as pl
from scipy import stats

SIZE = 1_000


def chunks(series: pl.Series) -> list[pl.Series]:
    return [series[at : at + SIZE] for at in range(0, len(series) - SIZE + 1, SIZE)]


def present(series: pl.Series) -> np.ndarray:
    values = series.to_numpy()
    return values[~np.isnan(values)]


def jensen_shannon(p: np.ndarray, q: np.ndarray, base: float) -> float:
    """The distance: the root of the divergence."""
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(a > 0, a * np.log(a / middle), 0.0).sum() for a in (p, q)]
    return math.sqrt(max(sum(parts) / 2 / math.log(base), 0.0))


def shares_on(reference: pl.Series) -> Callable[[pl.Series], np.ndarray]:
    """Shares of a series on the reference's categories (others are one), or on its bins."""
    if reference.dtype == pl.String:
        names = sorted(reference.unique().to_list())

        def of_texts(series: pl.Series) -> np.ndarray:
            found = dict(series.value_counts().iter_rows())
            counts = np.array([found.get(name, 0) for name in names], float)
            return np.append(counts, len(series) - counts.sum()) / len(series)

        return of_texts
    edges = np.histogram_bin_edges(present(reference), "doane")[1:-1]

    def of_numbers(series: pl.Series) -> np.ndarray:
        values = present(series)
        return np.bincount(np.searchsorted(edges, values, "right"), minlength=len(edges) + 1) / len(values)

    return of_numbers


def evidently(reference: pl.Series, rows: pl.Series) -> float:
    shares = shares_on(reference)
    text = reference.dtype == pl.String
    for number, chunk in enumerate(chunks(rows), 1):
        if text:
            score = jensen_shannon(shares(reference), shares(chunk), math.e)
        else:
            usual = present(reference)
            score = float(stats.wasserstein_distance(usual, present(chunk)) / max(usual.std(), 0.001))
        if score >= 0.1:
            return float(number * SIZE)
    return math.inf


def nannyml(reference: pl.Series, rows: pl.Series) -> float:
    shares = shares_on(reference)
    whole = shares(reference)
    step = len(reference) // 10
    own = np.array([jensen_shannon(whole, shares(reference[at * step : (at + 1) * step]), 2) for at in range(10)])
    limit = own.mean() + 3 * own.std()
    for number, chunk in enumerate(chunks(rows), 1):
        if jensen_shannon(whole, shares(chunk), 2) > limit:
            return float(number * SIZE)
    return math.inf


def cusum(reference: pl.Series, rows: pl.Series) -> float:
    if reference.dtype == pl.String:
        return math.inf
    usual = present(reference)
    high = low = 0.0
    for number, z in enumerate(((rows.to_numpy() - usual.mean()) / usual.std()).tolist(), 1):
        if z != z:
            continue
        high, low = max(0.0, high + z - 0.5), max(0.0, low - z - 0.5)
        if high > 5 or low > 5:
            return float(number)
    return math.inf


RULES = {
    "Evidently's rule, chunks of 1,000": evidently,
    "NannyML's rule, chunks of 1,000": nannyml,
    "CUSUM, k = .5, h = 5": cusum,
}
