"""One column, before and now: what moved, how far, and whether chance makes it.

    values of both --cells | counts--> effect with bounds, p --together with all columns (Benjamini-Hochberg)--> outcome

The effect is the distance between the two distributions, 0 to 1: Kolmogorov's of numbers, total variation of categories; or
the change in the share of missing values, where that is greater. An outcome takes two things: that it is no chance, and that
it is not a trifle. Where neither can be said, it says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.stats.benjamini_hochberg import adjusted
from tidegate.stats.cells import Cells
from tidegate.stats.chisquare import chi_square
from tidegate.stats.jensen_shannon import jensen_shannon
from tidegate.stats.ks import kolmogorov_smirnov, margin
from tidegate.stats.l_infinity import l_infinity
from tidegate.stats.psi import psi
from tidegate.stats.total_variation import interval, total_variation
from tidegate.stats.wasserstein import wasserstein

Outcome = Literal["drifted", "trifle", "steady", "unclear", "gone", "new", "type"]
"""drifted: real and large enough. trifle: real and small. steady: certainly small. unclear: too few rows to say. gone, new:
the column is on one side only. type: it was of another kind."""

ALPHA = 0.05
MINIMUM = 0.05
BINS = 10
PICTURE = 12
MOST = 12
OTHER = "(others)"
_AT = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


class Summary(msgspec.Struct, omit_defaults=True):
    """One side. Shares are of all rows; `quantiles` at 5, 25, 50, 75, 95%; `picture` are shares of bins (numbers) that both
    sides have in common; `shares` of the most frequent categories of either side."""

    rows: int
    missing: float = 0.0
    infinite: float = 0.0
    mean: float | None = None
    sd: float | None = None
    quantiles: list[float] = []
    picture: list[float] = []
    shares: dict[str, float] = {}
    distinct: int = 0


class Scores(msgspec.Struct, omit_defaults=True):
    """The usual scores, on ten bins with equal shares of the reference (numbers) or on the categories. Jensen-Shannon in base
    2; Wasserstein in standard deviations of the reference."""

    psi: float
    jensen_shannon: float
    l_infinity: float
    wasserstein: float | None = None
    ks: float | None = None
    ks_p: float | None = None
    chi_square: float | None = None
    chi_square_p: float | None = None


class PeerScore(msgspec.Struct):
    """What another tool says of the column by its defaults: its method, figure, threshold and verdict."""

    tool: str
    method: str
    value: float
    threshold: float
    drifted: bool
    alarms: int = 0
    """NannyML: of how many of the chunks it would have alarmed."""
    chunks: int = 0


class ColumnDrift(msgspec.Struct, omit_defaults=True):
    """One column. `p` is corrected for how many columns were looked at; `low` and `high` bound the effect (95%)."""

    name: str
    side: str
    kind: Literal["number", "category", "text", ""]
    outcome: Outcome
    effect: float = 0.0
    low: float = 0.0
    high: float = 1.0
    p: float = 1.0
    what: str = ""
    """The change in words, and between what the picture reaches."""
    span: tuple[float, float] = (0.0, 0.0)
    before: Summary | None = None
    now: Summary | None = None
    out_of_range: float = 0.0
    """Share of values now beyond the reference's least and greatest."""
    fresh: dict[str, float] = {}
    """Categories that the reference has not, and their shares now."""
    scores: Scores | None = None
    peers: list[PeerScore] = []

    @property
    def moved(self) -> bool:
        """Whether it is to be told: real and no trifle."""
        return self.outcome in ("drifted", "gone", "new", "type")


class Side(msgspec.Struct):
    """How many rows a side had, and how many of them had no value, or an infinite one."""

    rows: int
    missing: int = 0
    infinite: int = 0

    def summary(self) -> Summary:
        """With its shares."""
        n = max(self.rows, 1)
        return Summary(self.rows, self.missing / n, self.infinite / n)


def numbers(
    name: str, side: str, cells: Cells, before: Side, now: Side, kind: Literal["number", "text"]
) -> ColumnDrift:
    """Compare numbers (of texts: their lengths)."""
    a, b, points = cells.reference, cells.now, cells.points
    found = ColumnDrift(name, side, kind, "unclear", before=before.summary(), now=now.summary())
    test = kolmogorov_smirnov(a, b)
    slack = margin(float(a.sum()), float(b.sum()))
    _judge(
        found, before, now, test.statistic, max(test.statistic - slack, 0), test.statistic + slack + cells.error, test.p
    )
    for summary, counts in ((found.before, a), (found.now, b)):
        if summary is None or counts.sum() <= 0:
            continue
        with np.errstate(over="ignore", invalid="ignore"):
            summary.mean = float(np.average(points, weights=counts))
            summary.sd = math.sqrt(float(np.average((points - summary.mean) ** 2, weights=counts)))
        summary.quantiles = [float(value) for value in cells.quantiles(counts, _AT)]
        summary.distinct = int((counts > 0).sum())
    if a.sum() <= 0 or b.sum() <= 0:
        found.what = "no values before" if a.sum() <= 0 else "no values now"
        return found
    seen = points[a > 0]
    found.out_of_range = float(b[(points < seen[0]) | (points > seen[-1])].sum() / b.sum())
    ends = cells.quantiles(a + b, np.array([0.005, 0.995]))
    found.span = (float(ends[0]), float(ends[1]))
    if found.before is not None and found.now is not None:
        pictures = cells.even(PICTURE, *found.span)
        found.before.picture, found.now.picture = _shares(pictures[0]), _shares(pictures[1])
        _, c, d = cells.bins(BINS)
        sd = found.before.sd or 0.0
        found.scores = Scores(
            psi(c, d), jensen_shannon(c, d), l_infinity(c, d),
            wasserstein=wasserstein(points, a, b) / sd if sd > 0 else None, ks=test.statistic, ks_p=test.p,
        )  # fmt: skip
        found.what = _words_of_numbers(found)
    return found


def categories(
    name: str, side: str, a: Mapping[str, float], b: Mapping[str, float], before: Side, now: Side
) -> ColumnDrift:
    """Compare counts of categories."""
    found = ColumnDrift(name, side, "category", "unclear", before=before.summary(), now=now.summary())
    names = sorted({*a, *b}, key=lambda value: (-(a.get(value, 0) + b.get(value, 0)), value))
    p, q = np.array([a.get(n, 0) for n in names], float), np.array([b.get(n, 0) for n in names], float)
    test = chi_square(p, q)
    if not len(names) or p.sum() <= 0 or q.sum() <= 0:
        _judge(found, before, now, 0.0, 0.0, 1.0, 1.0)
        found.what = "no values before" if p.sum() <= 0 else "no values now"
        return found
    _judge(found, before, now, total_variation(p, q), *interval(p, q), test.p)
    share_a, share_b = p / p.sum(), q / q.sum()
    found.fresh = {n: float(share_b[i]) for i, n in enumerate(names) if p[i] == 0}
    if len(found.fresh) > MOST:
        kept = sorted(found.fresh.items(), key=lambda item: -item[1])[:MOST]
        found.fresh = {**dict(kept), OTHER: sum(found.fresh.values()) - sum(share for _, share in kept)}
    for summary, shares in ((found.before, share_a), (found.now, share_b)):
        if summary is not None:
            summary.shares = {n: float(shares[i]) for i, n in enumerate(names[:MOST])}
            summary.distinct = int((shares > 0).sum())
            if len(names) > MOST:
                summary.shares[OTHER] = float(shares[MOST:].sum())
            summary.picture = list(summary.shares.values())
    found.scores = Scores(
        psi(p, q), jensen_shannon(p, q), l_infinity(p, q), chi_square=test.statistic, chi_square_p=test.p
    )
    found.what = _words_of_categories(names, share_a, share_b, found)
    return found


def one_sided(name: str, side: str, outcome: Literal["gone", "new", "type"], words: str) -> ColumnDrift:
    """A column that only one side has, or that is of another kind now."""
    return ColumnDrift(name, side, "", outcome, effect=1.0, low=1.0, high=1.0, p=0.0, what=words)


def decide(columns: list[ColumnDrift], alpha: float = ALPHA, minimum: float = MINIMUM) -> list[ColumnDrift]:
    """Correct the p-values for each other, say each column's outcome, and rank: what moved first, the greatest effect
    first."""
    compared = [column for column in columns if column.outcome not in ("gone", "new", "type")]
    for column, p in zip(compared, adjusted([column.p for column in compared]), strict=True):
        column.p = p
        if p <= alpha:
            column.outcome = "drifted" if column.effect >= minimum else "trifle"
        else:
            column.outcome = "steady" if column.high < max(minimum, 0.02) else "unclear"
    order = {"drifted": 0, "gone": 0, "new": 0, "type": 0, "trifle": 1, "unclear": 2, "steady": 2}
    return sorted(columns, key=lambda column: (order[column.outcome], -column.effect, column.name))


def _judge(found: ColumnDrift, before: Side, now: Side, effect: float, low: float, high: float, p: float) -> None:
    """The greater of two changes: in the values, or in whether there are any. p is of both (Bonferroni)."""
    empty = chi_square(
        [before.missing + before.infinite, before.rows - before.missing - before.infinite],
        [now.missing + now.infinite, now.rows - now.missing - now.infinite],
    )
    there = [(side.missing + side.infinite) / max(side.rows, 1) for side in (before, now)]
    gap = abs(there[1] - there[0]) if before.rows and now.rows else 0.0
    found.p = min(2 * min(p, empty.p), 1.0) if gap else p
    found.effect, found.low, found.high = effect, low, min(high, 1.0)
    if gap > effect:
        z = 1.96 * math.sqrt(sum(s * (1 - s) / max(side.rows, 1) for s, side in zip(there, (before, now), strict=True)))
        found.effect, found.low, found.high = gap, max(gap - z, 0.0), min(gap + z, 1.0)


def _shares(counts: npt.NDArray[np.float64]) -> list[float]:
    total = counts.sum()
    return [float(value) for value in counts / total] if total else [0.0] * len(counts)


def figure(value: float | None) -> str:
    """A number for people.

    >>> figure(12345.6), figure(0.012345), figure(3.0), figure(None), figure(2.5e9)
    ('12,346', '0.0123', '3', '-', '2.5e+09')
    """
    if value is None or not math.isfinite(value):
        return "-" if value is None or math.isnan(value) else str(value)
    if 1000 <= abs(value) < 1e7:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percent(share: float) -> str:
    """A share for people.

    >>> percent(0.1234), percent(0.05), percent(0.0004), percent(1.0), percent(0.0)
    ('12%', '5%', '0.04%', '100%', '0%')
    """
    value = 100 * share
    return f"{value:.0f}%" if value >= 9.5 or value == 0 else f"{value:.1g}%" if value < 0.95 else f"{value:.2g}%"


def _missing(found: ColumnDrift) -> str:
    a, b = found.before, found.now
    if a is None or b is None:
        return ""
    for word, before, now in (("missing", a.missing, b.missing), ("infinite", a.infinite, b.infinite)):
        if abs(now - before) >= max(0.01, found.effect / 2):
            return f"{word} {percent(before)} → {percent(now)}"
    return ""


def _words_of_numbers(found: ColumnDrift) -> str:
    a, b = found.before, found.now
    parts = [text for text in (_missing(found),) if text]
    if a is None or b is None or not a.quantiles or not b.quantiles:
        return ", ".join(parts)
    of = "length, " if found.kind == "text" else ""
    low, middle, high = a.quantiles[1:4]
    spread = high - low
    if abs(b.quantiles[2] - middle) >= 0.1 * spread and b.quantiles[2] != middle:
        word = "higher" if b.quantiles[2] > middle else "lower"
        parts.append(f"{of}{word}: median {figure(middle)} → {figure(b.quantiles[2])}")
    elif spread > 0 and not 0.9 <= (b.quantiles[3] - b.quantiles[1]) / spread <= 1.1:
        word = "wider" if b.quantiles[3] - b.quantiles[1] > spread else "narrower"
        ranges = f"{figure(low)} to {figure(high)} → {figure(b.quantiles[1])} to {figure(b.quantiles[3])}"
        parts.append(f"{of}{word}: middle half {ranges}")
    elif (found.scores and (found.scores.ks or 0) >= MINIMUM) or not parts:
        parts.append(f"{of}mean {figure(a.mean)} → {figure(b.mean)}")
    if found.out_of_range >= 0.001:
        parts.append(f"{percent(found.out_of_range)} out of the reference's range")
    return ", ".join(parts)


def _words_of_categories(
    names: list[str], a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], found: ColumnDrift
) -> str:
    parts = [text for text in (_missing(found),) if text]
    at = int(np.abs(b - a).argmax())
    parts.append(f"{names[at] or '(empty)'} {percent(float(a[at]))} → {percent(float(b[at]))}")
    fresh = [name for name in found.fresh if name != names[at] and found.fresh[name] >= 0.001]
    if fresh:
        parts.append(f"new: {', '.join(f'{name} {percent(found.fresh[name])}' for name in fresh[:2])}")
    return ", ".join(parts)
