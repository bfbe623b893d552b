"""One column of a profile: numbers as moments and a KLL sketch, categories as frequent items, both with missing and distinct.

    values --add--> Column <--merge-- Column        encode <-> decode (the sketches travel as bytes)
                      |  sketches are put together when somebody reads them: a mean over a quarter of a year opens none

Sketches: Apache DataSketches' KLL (k = 128: a rank is within 2% with 99% confidence) and frequent strings (exact up to
some 700 different values, then within total / 350); `distinct` within 9%.
"""

from __future__ import annotations

import math
from typing import Literal

import datasketches
import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.stats import distinct
from tidegate.types.monitoring import Side

KLL_K = 128
LG_ITEMS = 10
MANY = 1000
"""Of a batch with more different texts than this, only the most frequent are counted by name."""

Kind = Literal["number", "category"]
Numbers = npt.NDArray[np.float64]


class Stored(msgspec.Struct, frozen=True):
    """The sketches of a column as they are on disk; empty bytes where there is none."""

    kll: bytes
    items: bytes
    kept: bytes


class Column(msgspec.Struct):
    """`rows` counts all, `missing` the nulls, `infinite` the infinities (which are in nothing else but `rows`).

    Of numbers: mean, m2 (sum of squared deviations), low and high over the finite ones; `below` and `above` count those
    outside the reference's range. Of categories: `fresh` counts values that the reference has not. An integer column
    with few different values is a number that has `items` as well.
    """

    kind: Kind
    side: Side
    rows: int = 0
    missing: int = 0
    infinite: int = 0
    mean: float = 0.0
    m2: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    below: int = 0
    above: int = 0
    fresh: int = 0
    _kll: datasketches.kll_doubles_sketch | None = None
    _items: datasketches.frequent_strings_sketch | None = None
    _kept: distinct.Hashes = distinct.EMPTY
    wide: bool = False
    """Of integers: too many different ones to be counted by name."""
    _stored: list[Stored] = []
    """Sketches of what was merged and not yet opened; always of this column's kind."""

    # -- reading ------------------------------------------------------------------------------------------------------

    @property
    def present(self) -> int:
        """How many values were there (finite, of numbers)."""
        return self.rows - self.missing - self.infinite

    @property
    def std(self) -> float:
        """The standard deviation (n - 1); 0 below two values."""
        return math.sqrt(self.m2 / (self.present - 1)) if self.present > 1 else 0.0

    @property
    def distinct(self) -> float:
        """About how many different values."""
        self._open()
        return distinct.estimate(self._kept)

    def quantile(self, q: float) -> float:
        """Of numbers; nan where there are none."""
        self._open()
        if self._kll is None or self._kll.is_empty():
            return math.nan
        return float(self._kll.get_quantile(q))

    def cdf(self, points: Numbers) -> Numbers:
        """Share of values at or below each point (ascending, different); zeros where there are none."""
        self._open()
        if self._kll is None or self._kll.is_empty() or not len(points):
            return np.zeros(len(points))
        return np.asarray(self._kll.get_cdf(points.tolist(), True)[:-1])

    def items(self, most: int = 1000) -> dict[str, int]:
        """The most frequent values and how often each was there, the most frequent first."""
        self._open()
        if self._items is None or self._items.is_empty():
            return {}
        found = self._items.get_frequent_items(datasketches.frequent_items_error_type.NO_FALSE_NEGATIVES)
        return {name: int(count) for name, count, _, _ in sorted(found, key=lambda f: (-f[1], f[0]))[:most]}

    @property
    def has_items(self) -> bool:
        """Whether values are counted by name."""
        return not self.wide and (self._items is not None or any(one.items for one in self._stored))

    def _open(self) -> None:
        """Put together what was stored."""
        stored, self._stored = self._stored, []
        for one in stored:
            if one.kll:
                self._add_kll(datasketches.kll_doubles_sketch.deserialize(one.kll))
            if one.items:
                self._add_items(datasketches.frequent_strings_sketch.deserialize(one.items))
            if one.kept:
                self._kept = distinct.add(self._kept, np.frombuffer(one.kept, np.uint64))

    def _add_kll(self, other: datasketches.kll_doubles_sketch) -> None:
        if self._kll is None:
            self._kll = datasketches.kll_doubles_sketch(KLL_K)
        self._kll.merge(other)

    def _add_items(self, other: datasketches.frequent_strings_sketch) -> None:
        if self._items is None:
            self._items = datasketches.frequent_strings_sketch(LG_ITEMS)
        self._items.merge(other)

    # -- adding -------------------------------------------------------------------------------------------------------

    def add_numbers(self, values: Numbers, missing: int = 0) -> None:
        """Count numbers; NaN counts as missing."""
        self._open()
        self.rows += len(values) + missing
        self.missing += missing
        finite = np.isfinite(values)
        if not finite.all():
            nans = int(np.isnan(values).sum())
            self.missing += nans
            self.infinite += int(len(values) - finite.sum()) - nans
            values = values[finite]
        if not len(values):
            return
        before = self.present - len(values)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(values.mean())
            m2 = float(np.square(values - mean).sum())
        self._moments(before, len(values), mean, m2)
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        if self._kll is None:
            self._kll = datasketches.kll_doubles_sketch(KLL_K)
        self._kll.update(np.require(values, requirements=["C", "W"]))
        self._kept = distinct.add(self._kept, distinct.hash_numbers(values))

    def add_items(self, counts: dict[str, int], missing: int = 0, count_rows: bool = True) -> None:
        """Count categories: value -> how often."""
        self._open()
        if count_rows:
            self.rows += sum(counts.values()) + missing
            self.missing += missing
            self._kept = distinct.add(self._kept, distinct.hash_texts(counts))
        if self._items is None:
            self._items = datasketches.frequent_strings_sketch(LG_ITEMS)
        if len(counts) > MANY:
            counts = dict(sorted(counts.items(), key=lambda item: -item[1])[:MANY])
        for value, count in counts.items():
            self._items.update(value[:200], count)

    def _moments(self, before: int, count: int, mean: float, m2: float) -> None:
        """Chan, Golub & LeVeque 1979: moments of two parts joined."""
        total = before + count
        if total <= 0:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            delta = mean - self.mean
            self.m2 += m2 + delta * delta * before * count / total
            self.mean += delta * count / total

    def merge(self, other: Column) -> None:
        """Add what another column of the same name counted. Where kinds differ (a type that changed), rows and missing add up."""
        if other.kind != self.kind:
            self.rows += other.rows
            self.missing += other.missing
            self.fresh += other.present
            return
        before, count = self.present, other.present
        self._moments(before, count, other.mean, other.m2)
        self.rows += other.rows
        self.missing += other.missing
        self.infinite += other.infinite
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.below += other.below
        self.above += other.above
        self.fresh += other.fresh
        self.wide = self.wide or other.wide
        self._stored.extend(other._stored)
        if other._kll is not None:
            self._add_kll(other._kll)
        if other._items is not None:
            self._add_items(other._items)
        if len(other._kept):
            self._kept = distinct.add(self._kept, other._kept)

    # -- travelling ---------------------------------------------------------------------------------------------------

    def pack(self) -> Packed:
        """As it is stored."""
        self._open()
        return Packed(
            self.kind, self.side, self.rows, self.missing, self.infinite, self.mean, self.m2, self.low, self.high,
            self.below, self.above, self.fresh, self.wide,
            self._kll.serialize() if self._kll is not None else b"",
            self._items.serialize() if self._items is not None and not self.wide else b"",
            self._kept.tobytes(),
        )  # fmt: skip


class Packed(msgspec.Struct, array_like=True):
    """A column on disk."""

    kind: Kind
    side: Side
    rows: int
    missing: int
    infinite: int
    mean: float
    m2: float
    low: float
    high: float
    below: int
    above: int
    fresh: int
    wide: bool
    kll: bytes
    items: bytes
    kept: bytes

    def unpack(self) -> Column:
        """The column again."""
        return Column(
            self.kind, self.side, self.rows, self.missing, self.infinite, self.mean, self.m2, self.low, self.high,
            self.below, self.above, self.fresh, wide=self.wide, _stored=[Stored(self.kll, self.items, self.kept)],
        )  # fmt: skip
