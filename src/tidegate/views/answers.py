"""How good the answers are, and what people did with them, over time and at a cost that is bounded. Read-only.

    few rows in the window  --views.quality, of the log and its labels--> metrics by version, step by step, and estimates
    too many                --views.series, of what is kept-------------> the estimates of each day, and what became of them

A page asks this every half minute: of a window with more rows than 200,000 the log isn't read.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing

import msgspec

from tidegate.errors import NotFound
from tidegate.metrics import registry
from tidegate.metrics.quality.rows import Rules
from tidegate.storage.layout import Layout
from tidegate.storage.profile_windows import DAY, HOUR, MINUTE
from tidegate.storage.profiles import ProfileStore
from tidegate.types.monitoring import Value
from tidegate.views import quality
from tidegate.views.limits import Limit, limits
from tidegate.views.series import Line, Series, SeriesView, project_of, series, step_for

MOST_ROWS = 200_000
FEW_ROWS = 100_000
"""Of the overview's figure, which every endpoint has."""
SHARE_OF_TIME = 20.0
HEADLINES = ("quality.auc", "quality.f1", "quality.accuracy", "quality.mae", "quality.wer", "quality.ndcg")
STEPS = 24
"""Steps of a window at most: labels are few."""


class Lately(msgspec.Struct, omit_defaults=True):
    """One figure of how good the answers have been: of the version with most rows, from `labels` of `rows`. None without labels."""

    metric: str
    name: str
    version: str
    realised: float | None
    labels: int
    rows: int
    series: list[float | None] = []


_kept: dict[tuple[str, str], tuple[float, float, Lately | None]] = {}


def answers(
    layout: Layout,
    endpoint: str,
    rules: Rules | None = None,
    *,
    start: float,
    end: float | None = None,
    estimated: bool = True,
) -> SeriesView:
    """Every metric of quality and behaviour that has a meaning here, of predictions made in [start, end) (unix seconds).

    Errors: NotFound for an endpoint without a log, InvalidRequest for an empty window.
    """
    until = time.time() if end is None else end
    if _rows(layout, endpoint, start, until) > MOST_ROWS:
        kept = series(layout, endpoint, sorted(registry.quality_metrics()), start=start, end=until)
        kept.series = [one for one in kept.series if one.lines]
        kept.note = (
            f"more than {MOST_ROWS:,} predictions: these are the estimates of each day, and what labels said since"
        )
        return kept
    step = max(-(-(until - start) // STEPS // MINUTE) * MINUTE, step_for(until - start))
    first = start // step * step
    found = quality.read(layout, endpoint, rules, start=first, end=until, step=step, estimated=estimated)
    times = sorted({point.start for point in found.points})
    view = SeriesView(endpoint, first, until, step, times, [], note="; ".join(found.notes))
    bounds = _limits(layout, endpoint)
    ids = list(dict.fromkeys(id for point in found.points for id in (*point.values, *point.estimates)))
    for id in ids:
        lines = [line for version in _versions(found) for line in _lines(found, id, version, times)]
        view.series.append(Series(id, registry.unit_of(id), registry.help_of(id), lines, bounds.get(id, [])))
    return view


def lately(layout: Layout, endpoint: str, rules: Rules | None = None) -> Lately | None:
    """The last day's headline, or the last hour's where a day has too many rows; None where nothing can be told.

    Asked again sooner than twenty times as long as it took to read, it says the same again.
    """
    now = time.time()
    key = (str(layout.root), endpoint)
    at, took, found = _kept.get(key, (0.0, 0.0, None))
    if 0.0 <= now - at < SHARE_OF_TIME * took:
        return found
    began = time.perf_counter()
    found = None
    for seconds in (DAY, HOUR, 600):
        if _rows(layout, endpoint, now - seconds, now) <= FEW_ROWS:
            found = _headline(layout, endpoint, rules, now - seconds, now)
            break
    _kept[key] = (now, time.perf_counter() - began, found)
    return found


def _headline(layout: Layout, endpoint: str, rules: Rules | None, start: float, end: float) -> Lately | None:
    try:
        found = quality.read(layout, endpoint, rules, start=start, end=end, step=(end - start) / STEPS, estimated=False)
    except (NotFound, OSError):
        return None
    if not found.groups:
        return None
    most = max(found.groups, key=lambda group: group.rows)
    figures = {one.metric: one for one in most.figures}
    there = [id for id in HEADLINES if id in figures]
    metric = next((id for id in there if figures[id].value is not None), there[0] if there else None)
    if metric is None:
        return None
    figure = figures[metric]
    mine = [point for point in found.points if point.version == most.version]
    course = [value.value if (value := point.values.get(metric)) is not None else None for point in mine]
    name = f"{metric.removeprefix('quality.').replace('_', ' ').upper()} of {most.version}"
    realised = figure.value.value if figure.value is not None else None
    return Lately(metric, name, most.version, realised, most.labels, most.rows, course)


def _rows(layout: Layout, endpoint: str, start: float, end: float) -> int:
    if not (layout.root / "state.db").exists():
        raise NotFound(f"there is no state in {layout.root}; `tidegate up` starts the project")
    step = step_for(end - start)
    with closing(ProfileStore(layout)) as profiles:
        parts = profiles.series_by_part(endpoint, start // step * step, end, step, columns=())
    return sum(one.rows for steps in parts.values() for one in steps)


def _versions(found: quality.QualityView) -> Sequence[str]:
    return list(dict.fromkeys(point.version for point in found.points))


def _lines(found: quality.QualityView, id: str, version: str, times: Sequence[float]) -> list[Line]:
    """What labels (or events) say, and beside it what was thought without them."""
    mine = {point.start: point for point in found.points if point.version == version}
    lines = []
    for name, values in (
        (version, [mine[at].values.get(id) if at in mine else None for at in times]),
        (f"{version}, estimated", [mine[at].estimates.get(id) if at in mine else None for at in times]),
    ):
        if any(values):
            lines.append(_line(name, version, values))
    return lines


def _line(name: str, version: str, values: Sequence[Value | None]) -> Line:
    line = Line(name, [one.value if one else None for one in values], version)
    line.rows = sum(one.n for one in values if one)
    if any(one is not None and one.low is not None for one in values):
        line.low = [one.low if one else None for one in values]
        line.high = [one.high if one else None for one in values]
    return line


def _limits(layout: Layout, endpoint: str) -> dict[str, list[Limit]]:
    from tidegate.storage.monitor_report import load_report
    from tidegate.storage.monitoring import MonitoringStore

    report = load_report(layout)
    with closing(MonitoringStore(layout)) as store:
        return limits(store.monitors(endpoint), report.figures if report else (), project_of(layout), endpoint)
