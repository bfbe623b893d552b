"""Metrics over time, as charts show them: by version, with what they are held against, beside the week before. Read-only.

    profiles of minutes, hours or days, only the columns asked for --one read--> every metric's lines
    monitors in force, objectives ----------------------------------limits-----> their limits
    the same a week before | the reference --------------------------compare---> what was usual

Which profiles are read depends on the window, never on the traffic: at most 300 steps of one size, from minutes for hours, from
hours for weeks, from days for more. A chart of a year costs what one of an hour does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, Literal

import msgspec

from tidegate.errors import InvalidRequest, NotFound
from tidegate.metrics import registry
from tidegate.metrics.registry import Target
from tidegate.metrics.software.host import GAUGES
from tidegate.plugins import nearest
from tidegate.profiles.profile import Profile
from tidegate.profiles.reference import Reference
from tidegate.profiles.settings import read_settings
from tidegate.storage.layout import Layout
from tidegate.storage.log.status import load_status
from tidegate.storage.monitor_report import load_report
from tidegate.storage.monitoring import Estimate, MonitoringStore
from tidegate.storage.profile_windows import DAY, HOUR, MINUTE
from tidegate.storage.profiles import ProfileStore
from tidegate.storage.state import StateStore
from tidegate.types.monitoring import Value
from tidegate.types.records import Role
from tidegate.views.limits import Limit, limits, usually

MOST_POINTS = 300
LONGEST = 3.0 * 366 * DAY
WEEK = 7.0 * DAY
STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 86400, 172800, 604800)
"""None between three hours and a day: 300 of them would be read from thousands of hours."""
MOST_METRICS = 100
FEW = 3
"""Columns that a page of charts begins with."""
STALE = 30.0
"""Seconds after which what ingest says of itself is no longer so."""
YOUNGEST = 15.0
"""Seconds that a step must have lasted before it is drawn: figures arrive up to 2 s late."""
ROLES: tuple[Role, ...] = ("stable", "canary", "baseline", "shadow")
ORDER = {"stable": 0, "canary": 1, "shadow": 2, "human": 3}

By = Literal["version", "role", ""]
Compare = Literal["", "week", "reference"]


class Line(msgspec.Struct, omit_defaults=True):
    """One line, a value a step (None: nothing came). `role` is what the version was last in the window; `low` and `high` are 95%
    bounds, where the metric has them."""

    name: str
    values: list[float | None]
    version: str = ""
    role: str = ""
    low: list[float | None] = []
    high: list[float | None] = []
    rows: int = 0
    """Requests (of quality: labels) that the line rests on."""


class Series(msgspec.Struct, omit_defaults=True):
    """One metric. `unit` is share, seconds, bytes, count, per_second or number. `usual` is what it is compared with: a line of the
    week before at the same steps, or the reference's value all along."""

    metric: str
    unit: str
    help: str
    lines: list[Line]
    limits: list[Limit] = []
    usual: Line | None = None


class SeriesView(msgspec.Struct, omit_defaults=True):
    """Charts of one window: `times` are where its steps begin (unix seconds, `step` apart), the same for all lines."""

    endpoint: str
    start: float
    end: float
    step: float
    times: list[float]
    series: list[Series]
    compare: Compare = ""
    note: str = ""


def step_for(seconds: float) -> float:
    """The shortest step that gives at most 300 points.

    >>> [step_for(hours * 3600) for hours in (1, 24, 24 * 30, 24 * 90)]
    [60.0, 300.0, 10800.0, 86400.0]
    """
    return float(next((step for step in STEPS if seconds / step <= MOST_POINTS), STEPS[-1]))


def series(
    layout: Layout,
    endpoint: str,
    metrics: Sequence[str],
    *,
    start: float,
    end: float | None = None,
    step: float | None = None,
    by: By = "version",
    segment: str = "",
    compare: Compare = "",
) -> SeriesView:
    """These metrics of an endpoint in [start, end) (unix seconds; now by default), all from one read.

    `by` draws a line a version, a role, or one of all that callers were answered. Metrics of quality are the estimates that
    were kept, with what labels said of the same days since. Of behaviour nothing is kept: see views.answers.

    Errors: ConfigError for an unknown metric, InvalidRequest for a window that can't be shown, NotFound for an endpoint that
    has never had traffic.
    """
    now = time.time()
    until = now if end is None else end
    if not 0.0 <= start < until or until - start > LONGEST:
        raise InvalidRequest("the window must be at least a moment long, at most three years, and start before it ends")
    if not metrics or len(metrics) > MOST_METRICS:
        raise InvalidRequest(f"metric: name 1 to {MOST_METRICS} metrics; `tidegate metrics list` shows them")
    if by not in ("version", "role", "") or compare not in ("", "week", "reference"):
        raise InvalidRequest("by is version, role or nothing; compare is week, reference or nothing")
    ids = list(dict.fromkeys(metrics))
    targets = {id: registry.parse(id) for id in ids}
    kept = read_settings(layout.root / "run" / "monitoring.json")
    wide, note = _step(start, until, step, now, kept.minutes, kept.hours)
    first = start // wide * wide
    times = [first + number * wide for number in range(max(math.ceil((until - first) / wide), 1))]
    last = times[-1] + wide
    view = SeriesView(endpoint, first, until, wide, times, [], compare, note)
    if not (layout.root / "state.db").exists():
        raise NotFound(f"there is no state in {layout.root}; `tidegate up` starts the project")
    with closing(ProfileStore(layout)) as profiles, closing(MonitoringStore(layout)) as store:
        asked = [id for id in ids if targets[id].group not in ("quality", "behaviour")]
        columns = {_column(targets[id]) for id in asked if targets[id].column}
        usual = profiles.reference(endpoint) if columns else None
        parts = profiles.series_by_part(
            endpoint, first, last, wide, columns=columns, roles=ROLES, segment=segment
        ) if asked else {}  # fmt: skip
        _known(profiles, endpoint, parts)
        before = {}
        if compare == "week" and asked:
            before = profiles.series_by_part(
                endpoint, first - WEEK, last - WEEK, wide, columns=columns, segment=segment
            )
        for found in parts.values():
            _begun(found, until - _behind(layout, now))
        groups = _grouped(parts, by)
        earlier = _together(list(before.values()))
        monitors = store.monitors(endpoint)
        estimates = store.estimates(endpoint, since=first - DAY) if len(asked) < len(ids) else []
    report = load_report(layout)
    bounds = limits(
        (one for one in monitors if one.segment == segment), report.figures if report else (), project_of(layout),
        endpoint, usual,
    )  # fmt: skip
    for id in ids:
        made = Series(id, registry.unit_of(id), registry.help_of(id), [], bounds.get(id, []))
        if id in asked:
            made.lines = [_line(id, name, role, found, usual) for name, role, found in groups]
            made.lines = [line for line in made.lines if any(value is not None for value in line.values)]
            if compare == "week" and earlier:
                made.usual = _line(id, "a week before", "", earlier, usual)
            elif compare == "reference":
                value = usually(id, usual)
                made.usual = Line("the reference", [value] * len(times)) if value is not None else None
        elif targets[id].group == "quality":
            made.lines = _estimated([one for one in estimates if one.metric == id], times, wide)
        view.series.append(made)
    return view


def choices(layout: Layout, endpoint: str) -> dict[str, list[str]]:
    """The metrics that a chart of an endpoint can be asked of, by group: those that its newest profiles have a meaning for."""
    if not (layout.root / "state.db").exists():
        return {}
    with closing(ProfileStore(layout)) as profiles:
        _, until = profiles.span(endpoint)
        newest = profiles.read(endpoint, until - HOUR, until) if until else Profile()
        ids = registry.metric_ids(newest, profiles.reference(endpoint)) if newest.rows or newest.requests else []
    found: dict[str, list[str]] = {}
    for id in ids:
        if id not in GAUGES:
            found.setdefault(registry.parse(id).group, []).append(id)
    return found


def telling(layout: Layout, endpoint: str) -> dict[str, list[str]]:
    """By group, the few metrics to look at first: of columns those whose detectors have most to say, of outputs the answer."""
    there = choices(layout, endpoint)
    if not there:
        return {}
    with closing(ProfileStore(layout)) as profiles:
        streams = sorted(profiles.streams(endpoint), key=lambda view: -view.log_m)
    found: dict[str, list[str]] = {}
    first = (
        "software.throughput",
        "software.latency.p50",
        "software.latency.p99",
        "software.errors",
        "software.queue.p99",
    )
    found["software"] = [id for id in first if id in there.get("software", ())]
    moved = list(dict.fromkeys(view.column for view in streams if view.side == "input"))
    wanted = [f"input.{kind}.{column}" for column in moved[:FEW] for kind in ("drift", "missing")]
    wanted += [f"input.missing.{column}" for column in moved[FEW:]] + there.get("input", [])[1:]
    found["input"] = [id for id in dict.fromkeys(wanted) if id in there.get("input", ())][: 2 * FEW]
    outputs = there.get("output", [])
    answers = list(dict.fromkeys(view.column for view in streams if view.side == "output"))
    wanted = ["output.null", *(id for id in outputs if id.startswith("output.share."))][: FEW + 1]
    wanted += [f"output.{kind}.{column}" for column in answers for kind in ("drift", "mean")] + outputs
    found["output"] = [id for id in dict.fromkeys(wanted) if id in outputs][: FEW + 1]
    return {group: ids for group, ids in found.items() if ids}


def _step(start: float, end: float, asked: float | None, now: float, minutes: float, hours: float) -> tuple[float, str]:
    """As asked or as fits, but never finer than what is still kept; and what to say of that."""
    step = step_for(end - start) if asked is None else asked
    if step < MINUTE or step % MINUTE or (end - start) / step > 10 * MOST_POINTS:
        raise InvalidRequest(
            f"step is {step:g} s: use whole minutes, and at most {10 * MOST_POINTS} of them in the window"
        )
    for size, keep, word in ((DAY, hours, "days"), (HOUR, minutes, "hours")):
        if keep and start < now - keep - size and step < size:
            return float(size), f"finer than {word} is no longer kept this far back"
    return step, ""


def _column(target: Target) -> str:
    """The profile's column that a metric is of."""
    return target.column + str(getattr(registry.profile_metrics().get(target.metric), "suffix", ""))


def _behind(layout: Layout, now: float) -> float:
    """Seconds that ingest lags: rows of the last ones aren't counted yet."""
    status = load_status(layout)
    return status.lag_seconds if status is not None and now - status.time < STALE else 0.0


def _begun(found: list[Profile], until: float) -> None:
    """The last step may not be over: it is as long as it has been, and says nothing while it is too young."""
    last = found[-1]
    seconds = until - last.start
    if seconds < YOUNGEST:
        found[-1] = Profile(last.start, last.seconds)
    elif seconds < last.seconds:
        last.seconds = seconds


def _known(profiles: ProfileStore, endpoint: str, found: Mapping[tuple[str, str], object]) -> None:
    if found:
        return
    known = profiles.endpoints()
    if endpoint not in known:
        raise NotFound(
            f"endpoint {endpoint!r} has no profiles: nothing has been asked of it yet.{nearest(endpoint, known)}"
        )


def _grouped(
    parts: Mapping[tuple[str, str], list[Profile]], by: By
) -> list[tuple[str, tuple[str, str], list[Profile]]]:
    """(name, (version, role), profiles) of each line, stable first."""
    if not by:
        served = [found for (_, role), found in parts.items() if role != "shadow"]
        whole = _together(served)
        return [("all versions", ("", ""), whole)] if whole else []
    groups: dict[tuple[str, str], list[tuple[str, list[Profile]]]] = {}
    for (version, role), found in parts.items():
        plain = "stable" if role == "baseline" else role
        if not version:
            continue  # what no version saw is nobody's figure; it counts in the line of all
        key = (version, "shadow" if role == "shadow" else "") if by == "version" else ("", plain)
        groups.setdefault(key, []).append((plain, found))
    lines = []
    for (version, kind), members in groups.items():
        role = kind or max(members, key=lambda one: _last(one[1]))[0]
        name = (f"{version} (shadow)" if kind == "shadow" else version) if version else role
        lines.append((name, (version, role), _together([found for _, found in members])))
    return sorted(lines, key=lambda line: (ORDER.get(line[1][1], 9), line[0]))


def _last(found: Sequence[Profile]) -> tuple[int, int]:
    """The newest step with traffic, and how much; of two roles in one step the busier is the version's."""
    place = next((n for n in range(len(found) - 1, -1, -1) if found[n].requests or found[n].rows), -1)
    return place, found[place].requests if place >= 0 else 0


def _together(parts: Sequence[list[Profile]]) -> list[Profile]:
    if len(parts) <= 1:
        return parts[0] if parts else []
    out = []
    for steps in zip(*parts, strict=True):
        whole = Profile(steps[0].start, steps[0].seconds)
        for one in steps:
            if one.requests or one.rows:
                whole.merge(one)
        out.append(whole)
    return out


def _line(id: str, name: str, part: tuple[str, str] | str, found: Sequence[Profile], usual: Reference | None) -> Line:
    values = [_value(id, profile, usual) for profile in found]
    version, role = part if isinstance(part, tuple) else ("", part)
    line = Line(
        name, [one.value if one is not None else None for one in values], version, role,
        rows=sum(one.n for one in values if one is not None),
    )  # fmt: skip
    if any(one is not None and one.low is not None and one.high is not None for one in values):
        line.low = [one.low if one is not None else None for one in values]
        line.high = [one.high if one is not None else None for one in values]
    return line


def _value(id: str, profile: Profile, usual: Reference | None) -> Value | None:
    if not (profile.rows or profile.requests):
        return None
    found = registry.metric_value(id, profile, usual)
    return found if found is not None and math.isfinite(found.value) else None


def _estimated(kept: Iterable[Estimate], times: Sequence[float], step: float) -> list[Line]:
    """Two lines a version: what was thought before labels came, and what they said since."""
    found: dict[tuple[str, str], Line] = {}
    for one in kept:
        place = int((one.start - times[0]) // step)
        if not 0 <= place < len(times):
            continue
        for kind, value, n in (("estimated", one.value, one.rows), ("realised", one.realised, one.labels)):
            if value is None:
                continue
            line = found.setdefault(
                (one.version, kind), Line(f"{one.version}, {kind}", [None] * len(times), one.version)
            )
            line.values[place] = value
            line.rows += n
            if kind == "estimated":
                line.low = line.low or [None] * len(times)
                line.high = line.high or [None] * len(times)
                line.low[place], line.high[place] = one.low, one.high
    return [found[key] for key in sorted(found)]


def project_of(layout: Layout) -> dict[str, Any]:
    """The desired state, as it is kept; empty before anything was applied."""
    with closing(StateStore(layout)) as store:
        text = store.desired().project
    found: dict[str, Any] = msgspec.json.decode(text) if text else {}
    return found
