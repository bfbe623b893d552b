"""A/A: this project's own rows against each other, so that nothing is in them that an alarm could be right about.

rows of the log --permuted over their own times (with a season: within the hour of the week)--> the same traffic, without drift
    half of it --make--> Reference            other half --detectors.Streams, rules--> alarms, every one of them false

How many there are, against how many the budget allows in so many rows. Repeated with other permutations, for error bars: the counts
of a run are a Poisson variable, nearly, so the interval (95%) of the mean of R runs is that of their sum (exact, Garwood 1936).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
import polars as pl
from scipy import stats

from tidegate.detectors.streams import Streams
from tidegate.metrics import registry
from tidegate.monitoring.ids import stream_id
from tidegate.monitoring.suggest import outcome
from tidegate.profiles import reference as references
from tidegate.profiles.fold import fold
from tidegate.profiles.profile import Profile
from tidegate.profiles.reference import hour_of_week
from tidegate.stats import categories, shift
from tidegate.types.monitoring import Monitor, Side

CHUNK = 2048
"""Rows between two looks. A stream's peak within the last minute is remembered, so none is missed."""
ROLES = ("stable", "canary", "baseline")
META = ("prediction_id", "time", "row", "role", "status", "model", "version", "mirror_of")


class Proof(msgspec.Struct, frozen=True):
    """One endpoint's A/A. `expected` is what the budget allows in the rows that were replayed, over all runs; `raised` what
    came; `low` and `high` its interval (95%). `by_stream` and `by_rule` name those that raised any. Rules have no budget:
    what they raise is told beside it."""

    endpoint: str
    runs: int
    rows: int
    streams: int
    limit: float
    allowed_a_month: float
    expected: float
    raised: int
    low: float
    high: float
    by_stream: dict[str, int] = {}
    rules: int = 0
    by_rule: dict[str, int] = {}
    days: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether the budget is consistent with what came: the interval's lower end is within it."""
        return self.low <= self.expected


def shuffled(rows: pl.DataFrame, draw: np.random.Generator, season: bool = False) -> pl.DataFrame:
    """The same contents at the same times, in another order: who sees a row knows nothing of when it was. With `season`
    contents stay within their hour of the week. [n rows] -> [n rows], oldest first."""
    rows = rows.sort("time", maintain_order=True)
    order = np.arange(rows.height)
    if season:
        hours = hour_of_week(rows["time"])
        for hour in np.unique(hours):
            mine = np.flatnonzero(hours == hour)
            order[mine] = draw.permutation(mine)
    else:
        order = draw.permutation(rows.height)
    return rows.drop("time")[order].with_columns(rows["time"])


def prove(
    endpoint: str,
    rows: pl.DataFrame,
    sides: Mapping[str, Side],
    *,
    limit: float,
    allowed: float,
    monitors: Iterable[Monitor] = (),
    runs: int = 5,
    effect: float = 0.03,
    ignore: Iterable[str] = (),
    season: bool = False,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Proof:
    """Replay an endpoint's rows `runs` times without what could drift in them.

    `rows` as the log has them. `limit` is ln A of the live budget, in blocks; `allowed` the false alarms of a month that it was
    made for. `monitors` are those in force: retired and muted ones are left out, and so are streams with a rule. Errors:
    ValueError with fewer than 400 rows.
    """
    rows = rows.filter((pl.col("status") == 200) & pl.col("role").is_in(ROLES) & pl.col("mirror_of").is_null())
    if rows.height < 400:
        raise ValueError(f"an A/A replay needs at least 400 answered rows; the log of {endpoint!r} has {rows.height}")
    said = {one.id: one for one in monitors}
    rules = [one for one in said.values() if one.rule is not None and one.state == "active" and _of_profiles(one)]
    raised: dict[str, int] = {}
    by_rule: dict[str, int] = {}
    expected, names = 0.0, 0
    total = runs * math.ceil((rows.height // 2) / CHUNK)
    done = 0
    for run in range(runs):
        draw = np.random.default_rng([seed, run])
        mixed = shuffled(rows, draw, season)
        ours = draw.random(mixed.height) < 0.5
        usual, stream = mixed.filter(pl.Series(ours)), mixed.filter(pl.Series(~ours))
        made = references.make(usual, sides, "A/A", season=usual["time"] if season else None)
        streams = Streams(endpoint, effect, ignore)
        streams.set_reference("input", "", made)
        for version in stream["version"].unique().sort().to_list():
            mine = usual.filter(pl.col("version") == version)
            if mine.height >= 100:
                outputs = {name: side for name, side in sides.items() if side == "output"}
                streams.set_reference("output", str(version), references.make(mine, outputs, "A/A"))
        for at in range(0, stream.height, CHUNK):
            streams.feed(stream[at : at + CHUNK])
            _look(streams, said, limit, raised)
            done += 1
            progress(done, total)
        views = [view for view, _ in streams.views() if _budgeted(said, stream_id(view))]
        names = max(names, len(views))
        weights = {view: said[stream_id(view)].weight if stream_id(view) in said else 1.0 for view in views}
        expected += sum(weight * view.rows / view.block for view, weight in weights.items()) / math.exp(limit)
        for monitor in rules:
            count = _alarms(monitor, stream, sides, made)
            if count:
                by_rule[monitor.id] = by_rule.get(monitor.id, 0) + count
    progress(total, total)
    count = sum(raised.values())
    low = stats.chi2.ppf(0.025, 2 * count) / 2.0 if count else 0.0
    high = stats.chi2.ppf(0.975, 2 * count + 2) / 2.0
    span = (rows["time"].max() - rows["time"].min()).total_seconds()  # type: ignore[operator,union-attr]
    return Proof(
        endpoint, runs, rows.height, names, limit, allowed, expected, count, float(low), float(high), raised,
        len(rules), by_rule, span / 86400.0,
    )  # fmt: skip


def read_rows(frame: pl.LazyFrame, sides: Mapping[str, Side], most: int = 200_000) -> pl.DataFrame:
    """The newest rows of a log with what an A/A needs of them."""
    there = frame.collect_schema().names()
    extra = [name for name in ("fallback_of", "latency_us", "queue_us", "infer_us", "batch") if name in there]
    wanted = [name for name in (*META, *extra, *sides) if name in there]
    return frame.select(wanted).sort("time").tail(most).collect()


def _look(streams: Streams, said: Mapping[str, Monitor], limit: float, raised: dict[str, int]) -> None:
    """Count those at or above their threshold, and start them afresh: as live, where an alarm is dealt with."""
    for (side, version), group in streams.groups.items():
        watched: dict[str, Any] = {**group.numbers, **group.categories}
        for name, one in watched.items():
            id = f"{streams.endpoint}/{side}.drift.{name}" + (f"@{version}" if version else "")
            if not _budgeted(said, id):
                continue
            state = one.state
            now = shift.log_m(state) if isinstance(state, shift.State) else categories.log_m(state)
            weight = said[id].weight if id in said else 1.0
            if max(now, state.peak) >= limit - math.log(weight):
                raised[id] = raised.get(id, 0) + 1
                one.state = shift.fresh() if isinstance(state, shift.State) else one.bets.fresh()


def _budgeted(said: Mapping[str, Monitor], id: str) -> bool:
    mine = [one for one in (said.get(id), said.get(id.partition("@")[0])) if one is not None]
    return all(one.rule is None and one.state == "active" for one in mine)


def _of_profiles(monitor: Monitor) -> bool:
    return registry.parse(monitor.metric).group in ("input", "output") and not (
        monitor.rule and monitor.rule.relative_to
    )


def _alarms(monitor: Monitor, stream: pl.DataFrame, sides: Mapping[str, Side], usual: references.Reference) -> int:
    """Alarms of a rule over windows of its length; the traffic's own rhythm is kept, so volume is what it was."""
    assert monitor.rule is not None
    if monitor.segment or monitor.metric == "input.volume":
        return 0
    mine = stream.filter(pl.col("version") == monitor.version) if monitor.version else stream
    step = max(monitor.rule.over, 60.0) // 60 * 60
    mine = mine.with_columns(
        pl.col("time").dt.truncate(f"{int(step)}s")
    )  # a window is one minute to fold: far fewer parts
    windows: dict[float, Profile] = {}
    for (_, start), part in fold(monitor.endpoint, mine, sides, reference=usual).items():
        at = start // step * step
        windows.setdefault(at, Profile(at, step)).merge(part)
    ordered = [windows[at] for at in sorted(windows)]
    values = [registry.metric_value(monitor.metric, profile, usual) for profile in ordered]
    return outcome(monitor, values, [profile.start + step for profile in ordered], step).alarms
