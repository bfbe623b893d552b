"""Two samples of numbers on common cells: what every windowed score of drift is computed from.

    reference [n], now [m]  --compare-->  points [k] ascending, counts of the reference [k], counts now [k]

Up to EXACT values the cells are the different values themselves, so every score is exact. Beyond, both are counted into
4,096 equal cells between the least and the greatest, after asinh where the tails are long: one pass, no sort, some 2 ms a
million values. A cell that holds more than COARSE of a sample, and not a single value, would hide a change: then it is
sorted after all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec
import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.float64]

EXACT = 50_000
CELLS = 4096
COARSE = 0.004
SAMPLE = 20_000
_CHUNK = 32_768


class Cells(msgspec.Struct, frozen=True):
    """`points` are values (exact) or the middles of cells; `error` says by how much a share
    at or below a point can be off: the greatest share that different values of one cell have (as a sample shows it)."""

    points: Numbers
    reference: Counts
    now: Counts
    error: float = 0.0
    exact: bool = True
    """Whether each point is one value."""

    def quantiles(self, counts: Counts, at: Numbers) -> Numbers:
        """The values below which these shares of the counts are; nan without counts."""
        total = counts.sum()
        if total <= 0:
            return np.full(len(at), math.nan)
        places = np.searchsorted(np.cumsum(counts), np.maximum(at * total, 1e-12) - 1e-9)
        return np.asarray(self.points[np.minimum(places, len(self.points) - 1)])

    def bins(self, count: int) -> tuple[Numbers, Counts, Counts]:
        """(inner edges, reference, now) of at most `count` bins with equal shares of the reference; ties stay in one bin.
        An edge belongs to the bin below it."""
        edges = np.unique(self.quantiles(self.reference, np.arange(1, count) / count))
        place = np.searchsorted(edges, self.points, side="left")
        size = len(edges) + 1
        a, b = _tally(place, self.reference, size), _tally(place, self.now, size)
        if a[-1] == 0 and b[-1] == 0 and len(edges):
            return edges[:-1], a[:-1], b[:-1]
        return edges, a, b

    def even(self, count: int, low: float, high: float) -> tuple[Counts, Counts]:
        """Counts in `count` bins of one width between two values (what is outside goes to the ends), for pictures."""
        width = (high - low) / count or 1.0
        place = np.clip((self.points - low) / width, 0, count - 1).astype(np.int64)
        return _tally(place, self.reference, count), _tally(place, self.now, count)


def compare(reference: Numbers, now: Numbers, *, whole: bool = False) -> Cells:
    """Count two samples (finite values only) on common cells. `whole`: they are whole numbers, which get a cell each
    where their range allows.

    >>> found = compare(np.array([1.0, 2.0, 2.0]), np.array([2.0, 5.0]))
    >>> found.points.tolist(), found.reference.tolist(), found.now.tolist()
    ([1.0, 2.0, 5.0], [1.0, 2.0, 0.0], [0.0, 1.0, 1.0])
    """
    if len(reference) + len(now) <= EXACT:
        return _exact(reference, now)
    parts = [part for part in (reference, now) if len(part)]
    low = min(float(part.min()) for part in parts)
    high = max(float(part.max()) for part in parts)
    if high - low < CELLS - 1 and (whole or all(_are_whole(_some(part)) for part in parts)):
        scale = _Scale(low - 0.5, low - 0.5 + CELLS)
        a, b = scale.count(reference), scale.count(now)
        seen = (a > 0) | (b > 0)
        points = np.arange(CELLS, dtype=np.float64) + low
        return Cells(points[seen], a[seen], b[seen], exact=whole)
    for scale in _scales(parts, low, high):
        error = scale.coarsest(parts)
        if error <= COARSE:
            a, b = scale.count(reference), scale.count(now)
            seen = (a > 0) | (b > 0)
            return Cells(scale.points()[seen], a[seen], b[seen], error, exact=False)
    return _exact(reference, now)


def _tally(place: npt.NDArray[np.intp], counts: Counts, size: int) -> Counts:
    return np.bincount(place, counts, size).astype(np.float64)


def _are_whole(values: Numbers) -> bool:
    return bool((values == np.rint(values)).all())


def _exact(reference: Numbers, now: Numbers) -> Cells:
    points = np.concatenate([reference, now]).astype(np.float64, copy=False)
    points.sort()
    if len(points):
        points = points[np.concatenate([[True], points[1:] != points[:-1]])]
    return Cells(points, _counted(points, reference), _counted(points, now))


def _counted(points: Numbers, values: Numbers) -> Counts:
    ordered = np.sort(values)
    return np.diff(np.searchsorted(ordered, points, side="right"), prepend=0).astype(np.float64)


def _some(values: Numbers) -> Numbers:
    """Values at seeded random places: a stride would meet the rhythm of the data."""
    if len(values) <= SAMPLE:
        return values
    return values[np.random.default_rng(0).integers(0, len(values), SAMPLE)]


class _Scale:
    """Equal cells of x, or of asinh((x - centre) / width) where `width` is above 0."""

    def __init__(self, low: float, high: float, centre: float = 0.0, width: float = 0.0) -> None:
        self.centre, self.width = centre, width
        bounds = self._bent(np.array([low, high], np.float64))
        self.low, self.step = float(bounds[0]), float(bounds[1] - bounds[0]) / CELLS

    def _bent(self, values: Numbers) -> Numbers:
        return np.asarray(np.arcsinh((values - self.centre) / self.width)) if self.width else values

    def places(self, values: Numbers) -> npt.NDArray[np.int32]:
        placed = self._bent(values) * (1.0 / self.step)
        placed -= self.low / self.step
        np.clip(placed, 0, CELLS - 1, out=placed)
        return placed.astype(np.int32)

    def count(self, values: Numbers) -> Counts:
        found = np.zeros(CELLS, np.int64)
        for start in range(0, len(values), _CHUNK):  # a chunk stays in the cache from place to count
            found += np.bincount(self.places(values[start : start + _CHUNK]), minlength=CELLS)
        return found.astype(np.float64)

    def points(self) -> Numbers:
        middles = np.arange(CELLS, dtype=np.float64)
        middles += 0.5
        middles *= self.step
        middles += self.low
        return np.asarray(self.centre + self.width * np.sinh(middles)) if self.width else middles

    def coarsest(self, parts: list[Numbers]) -> float:
        """The greatest share of either sample that different values of one cell have."""
        worst = 0.0
        for part in parts:
            values = np.sort(_some(part))
            ends = np.flatnonzero(np.concatenate([values[1:] != values[:-1], [True]]))
            ties = np.diff(ends, prepend=-1)
            different = values[ends]
            place = self.places(different)
            firsts = np.flatnonzero(np.diff(place, prepend=-1))
            shared = np.add.reduceat(ties, firsts) - np.maximum.reduceat(ties, firsts)
            worst = max(worst, float(shared.max() / len(values)))
        return worst


def _scales(parts: list[Numbers], low: float, high: float) -> Iterator[_Scale]:
    """Ways to place the cells, the plain one first; those whose span is no number are left out."""
    if 0 < (high - low) / CELLS < math.inf and (high - low) / CELLS > abs(low) * 1e-13:
        yield _Scale(low, high)
    values = np.sort(np.concatenate([_some(part) for part in parts]))
    step = max(len(values) // 20, 1)
    if len(values) > step:
        gaps = values[step:] - values[:-step]
        gaps[gaps <= 0] = math.inf
        at = int(gaps.argmin())  # asinh is finest where values are densest
        width = float(gaps[at]) / 8
        if 0 < width < math.inf and max(abs(high), abs(low)) / width < 1e300:
            yield _Scale(low, high, float(values[at] + values[at + step]) / 2, width)
