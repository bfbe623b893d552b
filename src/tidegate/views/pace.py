"""How fast does each feature and output change, and how often is a model to be trained anew?

    profiles of equal windows --distances of all pairs--> half-life of similarity (stats.pace) --> slow, fast, sudden, stable

What people do changes slowly, what businesses do changes at once: the first wants a calendar, the second an alarm.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.errors import InvalidRequest, NotFound
from tidegate.profiles.profile import Column, Profile
from tidegate.stats.pace import LEAST, SMALL, HalfLife, Pace, by_chance, half_life
from tidegate.stats.total_variation import by_chance as category_chance
from tidegate.stats.total_variation import total_variation
from tidegate.storage.layout import Layout
from tidegate.storage.profiles import ProfileStore

if TYPE_CHECKING:
    from tidegate.profiles.reference import Reference

Numbers = npt.NDArray[np.float64]

MINUTE = 60
WINDOWS = 12
ROWS = 50
"""A window with fewer values is left out."""
SKETCH = 0.013
"""KLL's standard error of a rank, of two sketches."""
POINTS = 200


class ColumnPace(msgspec.Struct, omit_defaults=True):
    """One column. `similarity` to the first window, one a window; `retrain` in seconds (0: no calendar helps)."""

    name: str
    side: str
    pace: Pace
    words: str
    half_life: float | None = None
    low: float | None = None
    high: float | None = None
    changed: float = 0.0
    retrain: float = 0.0
    similarity: list[float] = []


class PaceView(msgspec.Struct, omit_defaults=True):
    """All columns, the fastest first, over `windows` windows from `start` to `end` (unix seconds)."""

    endpoint: str
    start: float
    end: float
    windows: int
    verdict: str
    columns: list[ColumnPace]
    retrain: float = 0.0


def pace(
    layout: Layout,
    endpoint: str,
    *,
    start: float | None = None,
    end: float | None = None,
    version: str | None = None,
    windows: int = WINDOWS,
) -> PaceView:
    """Of an endpoint's profiles; by default all there are. Errors: NotFound without profiles, InvalidRequest for a window
    without enough rows."""
    if not (layout.root / "state.db").exists():
        raise NotFound(f"there are no profiles of {endpoint} yet")
    store = ProfileStore(layout)
    if endpoint not in store.endpoints():
        raise NotFound(f"there are no profiles of {endpoint!r} yet. Known: {', '.join(store.endpoints()) or 'none'}")
    first, last = store.span(endpoint)
    start = first if start is None else max(start, first)
    end = min(time.time() if end is None else end, last)
    step = max(math.ceil((end - start) / windows / MINUTE), 1) * MINUTE
    start = start // MINUTE * MINUTE
    profiles = [part for part in store.series(endpoint, start, end, step, version=version) if part.rows]
    if len(profiles) < LEAST:
        raise InvalidRequest(
            f"{endpoint} has rows in {len(profiles)} of {windows} windows; a pace needs {LEAST}. Take a longer time with --start"
        )
    return pace_of(endpoint, profiles, store.reference(endpoint, version or ""))


def pace_of(endpoint: str, profiles: Sequence[Profile], reference: Reference | None = None) -> PaceView:
    """Of profiles of equal length in their order. A reference says which numbers are watched by their categories."""
    names: dict[str, str] = {}
    for part in profiles:
        for name, column in part.columns.items():
            names.setdefault(name, column.side)
    columns = []
    for name, side in names.items():
        parts = [(p.start + p.seconds / 2, p.columns[name]) for p in profiles if name in p.columns]
        kept = [(at, column) for at, column in parts if column.present >= ROWS and column.kind == parts[-1][1].kind]
        if not kept:
            continue
        times = np.array([at for at, _ in kept])
        found = [column for _, column in kept]
        named = reference is not None and reference.is_categorical(name) and all(c.has_items for c in found)
        distances, chance = _categories(found) if named or found[0].kind == "category" else _numbers(found)
        life = half_life(times, distances, chance)
        columns.append(_said(name, side, life, np.sqrt(np.maximum(distances[0] ** 2 - chance[0], 0.0))))
    order = {"sudden": 0, "fast": 1, "slow": 2, "unclear": 3, "stable": 4}
    columns.sort(key=lambda column: (order[column.pace], column.half_life or math.inf, column.name))
    start, end = profiles[0].start, profiles[-1].start + profiles[-1].seconds
    view = PaceView(endpoint, start, end, len(profiles), "", columns)
    return _verdict(view)


def _numbers(columns: Sequence[Column]) -> tuple[Numbers, Numbers]:
    """Kolmogorov distances of all pairs, and what chance makes of their squares."""
    at = np.linspace(0, 1, POINTS // 4)
    points = np.unique([column.quantile(float(q)) for column in columns for q in at])
    shares = np.array([column.cdf(points) for column in columns])
    distances = np.abs(shares[:, None, :] - shares[None, :, :]).max(2)
    return distances, by_chance(np.array([column.present for column in columns], float), SKETCH)


def _categories(columns: Sequence[Column]) -> tuple[Numbers, Numbers]:
    counts = [column.items() for column in columns]
    names = sorted({name for found in counts for name in found})
    table = np.array([[found.get(name, 0) for name in names] for found in counts], float)
    size = len(columns)
    distances, chance = np.zeros((size, size)), np.zeros((size, size))
    for i in range(size):
        for j in range(i + 1, size):
            distances[i, j] = distances[j, i] = total_variation(table[i], table[j])
            chance[i, j] = chance[j, i] = 1.3 * category_chance(table[i], table[j]) ** 2
    return np.nan_to_num(distances), chance


def _said(name: str, side: str, life: HalfLife, from_first: Numbers) -> ColumnPace:
    found = ColumnPace(name, side, life.pace, "", changed=life.changed, similarity=[1 - float(d) for d in from_first])
    found.half_life = life.half_life if math.isfinite(life.half_life) else None
    found.low, found.high = life.low, life.high if math.isfinite(life.high) else None
    if life.pace == "sudden":
        found.words = f"{life.jump:.0%} of it moved at once on {_day(life.changed)}"
    elif life.pace in ("slow", "fast"):
        found.retrain = -math.log(1 - SMALL) / math.log(2) * life.half_life
        high = duration(life.high) if math.isfinite(life.high) else "no end"
        found.words = f"{duration(life.half_life)} ({duration(life.low)} to {high})"
    elif life.pace == "stable":
        found.words = f"longer than {duration(life.low)}" if math.isfinite(life.low) else "no change"
    else:
        found.words = "too few rows or windows to say"
    return found


def _verdict(view: PaceView) -> PaceView:
    moving = [column for column in view.columns if column.retrain]
    sudden = [column for column in view.columns if column.pace == "sudden"]
    parts = []
    if sudden:
        names = ", ".join(column.name for column in sudden[:3]) + (" and others" if len(sudden) > 3 else "")
        parts.append(f"Changed at once: {names}. No calendar helps against that; an alarm does.")
    if moving:
        soonest = min(moving, key=lambda column: column.retrain)
        view.retrain = soonest.retrain
        parts.append(
            f"Train anew about every {duration(soonest.retrain)}: by then {SMALL:.0%} of {soonest.name} has moved "
            f"(half-life {duration(soonest.half_life or 0)})."
        )
    if not parts:
        unclear = sum(column.pace == "unclear" for column in view.columns)
        parts.append(
            f"No change found over {duration(view.end - view.start)}"
            + (f"; {unclear} of {len(view.columns)} columns have too few rows to say." if unclear else ".")
        )
    view.verdict = " ".join(parts)
    return view


def duration(seconds: float) -> str:
    """For people, in one unit.

    >>> duration(40 * 86400), duration(7200), duration(90), duration(3 * 365 * 86400)
    ('6 weeks', '2 hours', '2 minutes', '3 years')
    """
    for size, name in ((31557600, "years"), (2 * 604800, "weeks"), (86400, "days"), (3600, "hours"), (60, "minutes")):
        unit = 604800 if name == "weeks" else size
        if seconds >= 0.95 * size:
            count = seconds / unit
            return f"{count:.0f} {name if round(count) != 1 else name[:-1]}"
    return f"{seconds:.0f} seconds"


def _day(unix: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M UTC")
