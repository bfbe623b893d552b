"""How far people agree, beyond what chance makes: percent, Cohen, Fleiss, Krippendorff, Gwet.

    ratings [items, raters] of codes, -1 where one didn't answer --counts--> [items, categories] --> figures

Any number of raters an item; items that fewer than two have answered say nothing of agreement, and count for how common an answer is
(but in alpha). Kappa-like figures fall where one answer is common; AC1 is made for that (the kappa paradox), so look at several.

Sources: Cohen 1960; Fleiss 1971; Krippendorff, Content Analysis, 3rd ed. 2013, chapter 11; Gwet, Handbook of Inter-Rater Reliability,
4th ed. 2014, chapters 2 to 4 (whose forms for missing answers these are).

>>> found = counts(np.array([[0, 0], [0, 1], [1, 1], [1, 1]]))
>>> round(alpha(found), 3), round(fleiss(found), 3), round(ac1(found), 3), percent(found)
(0.533, 0.467, 0.529, 0.75)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tidegate.stats.intervals import RESAMPLES

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def counts(ratings: Codes, categories: int | None = None) -> Codes:
    """How many gave each answer: [items, categories] of [items, raters]."""
    size = int(ratings.max(initial=-1)) + 1 if categories is None else categories
    return np.stack([(ratings == code).sum(axis=1) for code in range(size)], axis=1).astype(np.int64)


def percent(table: Codes) -> float:
    """How often two who answered the same item say the same, over items; nan where no item has two answers."""
    many, given = _shared(table)
    if not len(many):
        return float("nan")
    return float(((many * (many - 1)).sum(axis=1) / (given * (given - 1))).mean())


def fleiss(table: Codes) -> float:
    """Fleiss' kappa: chance says each answer as often as all raters together do."""
    return _beyond(percent(table), float((_common(table) ** 2).sum()))


def ac1(table: Codes) -> float:
    """Gwet's AC1: chance agrees on the items that are hard, not on those that everybody knows."""
    common = _common(table)
    size = len(common)
    return _beyond(percent(table), float((common * (1 - common)).sum()) / (size - 1)) if size > 1 else 1.0


def alpha(table: Codes) -> float:
    """Krippendorff's alpha of nominal answers: 1 - D_observed / D_expected. 1 where all answers are the same, nan without any pair."""
    many, given = _shared(table)
    if not len(many):
        return float("nan")
    totals = many.sum(axis=0)
    n = totals.sum()
    observed = float(((given**2 - (many**2).sum(axis=1)) / (given - 1)).sum())
    expected = float(n * n - (totals**2).sum()) / (n - 1)
    return float(1.0 - observed / expected) if expected else 1.0


def alpha_interval(values: Floats) -> float:
    """The same of numbers, whose differences count by their squares: [items, raters], nan where one didn't answer."""
    kept = values[(~np.isnan(values)).sum(axis=1) > 1]
    given = (~np.isnan(kept)).sum(axis=1)
    everything = kept[~np.isnan(kept)]
    if not len(everything):
        return float("nan")
    within = float((np.nanvar(kept, axis=1, ddof=1) * given).sum())
    among = float(everything.var(ddof=1)) * len(everything)
    return 1.0 - within / among if among else 1.0


def cohen(one: Codes, other: Codes) -> float:
    """Cohen's kappa of two raters over the items that both answered: [items] each, -1 where one didn't."""
    both = (one >= 0) & (other >= 0)
    if not both.any():
        return float("nan")
    one, other = one[both], other[both]
    size = int(max(one.max(), other.max())) + 1
    shares = np.bincount(one, minlength=size) / len(one), np.bincount(other, minlength=size) / len(one)
    return _beyond(float((one == other).mean()), float((shares[0] * shares[1]).sum()))


def bounds(table: Codes, figure: Callable[[Codes], float], seed: int = 0) -> tuple[float, float]:
    """95% bounds of a figure over items: percentiles of items drawn again."""
    rng = np.random.default_rng(seed)
    drawn = [figure(table[rng.integers(0, len(table), len(table))]) for _ in range(RESAMPLES)]
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def _shared(table: Codes) -> tuple[Codes, Codes]:
    given = table.sum(axis=1)
    return table[given > 1], given[given > 1]


def _common(table: Codes) -> Floats:
    """How common each answer is: its share of an item's answers, over all items that have any."""
    given = table.sum(axis=1)
    answered = table[given > 0]
    common: Floats = (answered / answered.sum(axis=1, keepdims=True)).mean(axis=0)
    return common


def _beyond(agreed: float, chance: float) -> float:
    return (agreed - chance) / (1 - chance) if chance < 1 else 1.0
