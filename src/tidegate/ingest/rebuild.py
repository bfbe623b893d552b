"""An endpoint's profiles made again from its prediction log: after an erasure, or where the log is older than they are.

    hours of the log --(each under the log's lock: all of the journal first, then) rows -> fold -> replace the hour--> roll_up
    log/ENDPOINT/rebuild.json: hours that an erasure touched, until they have been made again

The lock is held for an hour of the log at a time: between two, ingest goes on, and what comes then is counted as always. A
rebuild that is killed leaves each hour old or new, none in between; it is run again. Profiles of hours that the log has no
rows of (past its retention) stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tidegate.errors import NotFound
from tidegate.ingest.cycle import Cycle
from tidegate.ingest.process import load_options
from tidegate.ingest.watch import Watch
from tidegate.storage.layout import Layout, write_atomic
from tidegate.storage.log.columns import META, ColumnBook
from tidegate.storage.log.place import UNMATCHED
from tidegate.storage.log.tables import endpoints, predictions, writing
from tidegate.storage.profile_windows import DAY, HOUR
from tidegate.storage.profiles import CHANGED, ProfileStore

if TYPE_CHECKING:
    import polars as pl

AT_ONCE = 200_000
"""Rows in memory at a time."""
PATIENCE = 120.0
"""Seconds to wait for the log's lock."""


class RebuildReport(msgspec.Struct):
    """What was made again."""

    endpoint: str
    hours: int = 0
    rows: int = 0
    references: int = 0
    """Learned references that were dropped, to be learned anew."""


class Pending(msgspec.Struct):
    """What an erasure leaves to be done: hours (unix seconds), and since when learned references may hold what was erased."""

    hours: list[int] = []
    learned: float = 0.0


def rebuild(
    layout: Layout,
    endpoint: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    hours: Iterable[int] | None = None,
) -> RebuildReport:
    """Make the profiles of an endpoint again, of all hours that its log has, or of these.

    `progress` is told how many hours are done, of how many. Errors: NotFound for an endpoint without a log, StateError
    when the log's lock can't be had, or the profiles can't be brought up to the log.
    """
    report = RebuildReport(endpoint)
    cycle = Cycle(layout, load_options(layout))
    watch = Watch(layout)
    with closing(ProfileStore(layout)) as store, closing(cycle.watch), closing(watch):
        with writing(layout, PATIENCE):
            _bring_up(layout, cycle)
        known = endpoints(layout)
        if endpoint not in known or endpoint == UNMATCHED:
            listed = ", ".join(name for name in known if name != UNMATCHED) or "none"
            raise NotFound(f"there is no log of endpoint {endpoint!r}; known: {listed}")
        chosen = sorted(set(hours)) if hours is not None else _hours(layout, endpoint)
        for number, hour in enumerate(chosen):
            progress(number, len(chosen))
            with writing(layout, PATIENCE):
                _bring_up(layout, cycle)
                report.rows += _hour(layout, endpoint, hour, store, watch)
                report.hours += 1
                if number + 1 == len(chosen) or chosen[number + 1] // DAY != hour // DAY:
                    while store.roll_up(endpoint=endpoint):
                        pass
        progress(len(chosen), len(chosen))
    return report


def _bring_up(layout: Layout, cycle: Cycle) -> None:
    write_atomic(layout.run / CHANGED, b"ingest forgets what it remembers of profiles\n")
    cycle.bring_up()


def note(layout: Layout, endpoint: str, hours: Iterable[int], learned: float) -> None:
    """Before rows of these hours are erased: so that a rebuild isn't forgotten when the erasure is killed."""
    have = pending(layout, endpoint)
    earliest = min(learned, have.learned) if have is not None else learned
    both = sorted(set(hours) | set(have.hours if have is not None else []))
    write_atomic(_path(layout, endpoint), msgspec.json.encode(Pending(both, earliest)))


def pending(layout: Layout, endpoint: str) -> Pending | None:
    """What an erasure has left to be done."""
    try:
        return msgspec.json.decode(_path(layout, endpoint).read_bytes(), type=Pending)
    except FileNotFoundError:
        return None


def finish(layout: Layout, endpoint: str) -> RebuildReport | None:
    """Do what an erasure left: the hours it touched, and references that were learned of rows as old. None where nothing
    was left."""
    left = pending(layout, endpoint)
    if left is None:
        return None
    report = rebuild(layout, endpoint, hours=left.hours)
    cycle = Cycle(layout, load_options(layout))
    with closing(ProfileStore(layout)) as store, closing(cycle.watch):
        with writing(layout, PATIENCE):
            _bring_up(layout, cycle)
            report.references = store.drop_learned(endpoint, left.learned)
        store.scrub()
    _path(layout, endpoint).unlink(missing_ok=True)
    return report


def touched(layout: Layout, endpoint: str, ids: set[str]) -> tuple[list[int], float]:
    """The hours of an endpoint's log that rows of these predictions are in, and when the first of them was."""
    import polars as pl

    rows = predictions(layout, endpoint).scan()
    if rows is None:
        return [], 0.0
    times = rows.filter(pl.col("prediction_id").is_in(list(ids))).select(pl.col("time").dt.epoch("ms") / 1000).collect()
    found = times["time"].to_list()
    return sorted({int(at // HOUR * HOUR) for at in found}), min(found, default=0.0)


def _hours(layout: Layout, endpoint: str) -> list[int]:
    import polars as pl

    rows = predictions(layout, endpoint).scan()
    if rows is None:
        return []
    hour = (pl.col("time").dt.epoch("s") // HOUR * HOUR).alias("hour")
    return rows.select(hour).unique().collect(engine="streaming")["hour"].sort().to_list()


def _hour(layout: Layout, endpoint: str, hour: int, store: ProfileStore, watch: Watch) -> int:
    """Fold one hour of the log in pieces, and put it in the place of what was there. How many rows."""
    import polars as pl

    book = ColumnBook(layout.log(endpoint) / "columns.json")
    rows = predictions(layout, endpoint).scan()
    count = 0
    if rows is not None:
        start = pl.from_epoch(pl.lit(hour), "s").dt.replace_time_zone("UTC")
        mine = rows.filter((pl.col("time") >= start) & (pl.col("time") < start + pl.duration(seconds=HOUR)))
        for piece in _pieces(mine):
            # the table has all columns that ever were; a frame of the journal has those that came
            empty = [name for name in piece.columns if piece[name].null_count() == piece.height and name not in META]
            watch.count(endpoint, piece.drop(empty), book)
            count += piece.height
    store.replace(endpoint, hour, watch.taken())
    return count


def _pieces(rows: pl.LazyFrame) -> Iterable[pl.DataFrame]:
    """The rows, so many minutes of them at a time as fit into memory."""
    import polars as pl

    minute = pl.col("time").dt.epoch("s") // 60
    counts = rows.group_by(minute.alias("minute")).len().collect(engine="streaming").sort("minute")
    first, held = None, 0
    bounds: list[tuple[int, int]] = []
    for at, count in counts.iter_rows():
        if first is None or held + count > AT_ONCE:
            first, held = at, 0
            bounds.append((at, at))
        held += count
        bounds[-1] = (first, at)
    for low, high in bounds:
        yield rows.filter((minute >= low) & (minute <= high)).collect(engine="streaming")


def _path(layout: Layout, endpoint: str) -> Path:
    return layout.log(endpoint) / "rebuild.json"
