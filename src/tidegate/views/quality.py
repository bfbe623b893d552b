"""How good the answers were, as far as anybody knows: by version, slice and time of prediction. Read-only.

    log + labels --read--> QualityView
        each version (and slice): every metric with its interval, how many labels it rests on, the share that has come,
        and what people did with the answers (redo, override, click, ...), which needs no labels
        beside it what was estimated without labels, and whether that estimate has earned trust
        corrected by an audit, where a random sample was labelled        worst: the slices where most is wrong

Labels come late, and not at random: rows younger than the maturation time are counted apart.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Literal

import msgspec
import numpy as np
import polars as pl

from tidegate.errors import InvalidRequest
from tidegate.metrics.quality import estimates
from tidegate.metrics.quality.estimates import Trust
from tidegate.metrics.quality.rows import FoundOut, Roles, Rules, labelled
from tidegate.metrics.quality.window import Window, behaviour, load, metrics_of, of_rows, part, quality
from tidegate.metrics.registry import event_metrics
from tidegate.stats import ppi
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import Estimate, MonitoringStore
from tidegate.types.monitoring import Value
from tidegate.views.slices import Slice, worst_slices

BY = ("version", "slice")
VALUES = 12
"""Values of a segment's column that are shown: the most frequent."""
CHUNKS = {"regression": 4}
"""Chunks of the window without a step (10 of other tasks): a loss takes seconds to learn."""

Outcome = Literal["", "better", "worse"]


class Figure(msgspec.Struct, omit_defaults=True):
    """One metric of a group. `value` is what labels say; `estimate` what was thought without them, of all rows of the window that
    could be estimated; `same` what labels say of those rows. `corrected` is from an audit. `outcome` is against the rows it is
    compared with (a version's: those of the version with most rows; a slice's: all of its version): intervals that don't touch."""

    metric: str
    higher_is_better: bool
    value: Value | None = None
    estimate: Value | None = None
    same: Value | None = None
    method: str = ""
    trust: Trust | None = None
    corrected: ppi.Corrected | None = None
    outcome: Outcome = ""


class Group(msgspec.Struct, omit_defaults=True):
    """A version, or a slice of one. `matured` rows are old enough for labels to have come; shares are labels / rows. `behaviour`
    holds the metrics of the events that people's deeds were sent as; one that was never sent is not there."""

    version: str
    slice: str
    rows: int
    labels: int
    matured: int
    matured_labels: int
    figures: list[Figure] = []
    behaviour: list[Figure] = []

    @property
    def arrived(self) -> float:
        """The share of labels that has come."""
        return self.labels / self.rows if self.rows else 0.0


class Point(msgspec.Struct, omit_defaults=True):
    """A version's quality in one stretch of time of prediction (unix seconds)."""

    version: str
    start: float
    end: float
    rows: int
    labels: int
    values: dict[str, Value] = {}
    estimates: dict[str, Value] = {}


class QualityView(msgspec.Struct, omit_defaults=True):
    """All that `tidegate quality` shows. `task` is empty where no answer was found; `notes` say what keeps figures from being read
    as they look."""

    endpoint: str
    start: float
    end: float
    task: str
    answer: list[str]
    positive: str
    maturation: float
    groups: list[Group]
    points: list[Point] = []
    worst: list[Slice] = []
    notes: list[str] = []


class AuditRow(msgspec.Struct):
    """One prediction to label. `time` is unix seconds; `labelled` whether its label is known already."""

    prediction_id: str
    row: int
    time: float
    version: str
    labelled: bool


class Audit(msgspec.Struct):
    """A random sample to label. `half_width` is how far from the value its 95% bounds will be; `spread` the sd it rests on."""

    endpoint: str
    rows: int
    asked: int
    labelled: int
    half_width: float
    spread: float
    metric: str
    sample: list[AuditRow]


def read(
    layout: Layout,
    endpoint: str,
    options: Rules | None = None,
    *,
    start: float,
    end: float | None = None,
    by: Sequence[str] = ("version",),
    step: float | None = None,
    segments: Sequence[str] = (),
    custom: Sequence[str] = (),
    estimated: bool = True,
) -> QualityView:
    """Of predictions made in [start, end). A column in `by`, or `slice` for those of `segments`: by each of its values. With `slice`
    and no column: the slices where most is wrong. `step` (seconds) makes the course over time.

    Errors: NotFound for an unknown endpoint; InvalidRequest for an empty window; ConfigError for a name that isn't known.
    """
    now = time.time()
    until = now if end is None else end
    if until <= start:
        raise InvalidRequest("the window is empty: its start must be before its end")
    named = [name for name in by if name not in BY]
    columns = list(dict.fromkeys([*named, *(segments if "slice" in by else ())]))
    rules = options or FoundOut()
    find = "slice" in by and not columns
    whole = load(layout, endpoint, start, until, rules=rules, columns=columns, inputs=estimated or find)
    if estimated and whole.rows.height:
        whole = estimates.with_past(layout, endpoint, whole, start, rules=rules)
    window = whole.rows.filter(_since(start))
    roles = whole.roles
    view = QualityView(
        endpoint, start, until, roles.task if roles else "", roles.columns if roles else [], roles.positive if roles else "",
        rules.maturation, [],
    )  # fmt: skip
    if not window.height:
        view.notes.append("no predictions were made in this time")
        return view
    if roles is None:
        view.notes.append(
            "no output column was found that a label could be compared with: name it, labels: {answer: COLUMN}"
        )
    young = now - rules.maturation
    sent = whole.events["name"].drop_nulls().unique().to_list()
    versions = window["version"].value_counts(sort=True)["version"].to_list()
    step_chunk = step or (until - start) / CHUNKS.get(roles.task if roles else "", 10)
    for number, version in enumerate(versions if "version" in by else [""]):
        mine = window.filter(pl.col("version") == version) if version else window
        group = _group(version, "", of_rows(whole, mine), young, custom, sent)
        view.groups.append(group)
        if number:
            _against(group, view.groups[0])
        if estimated and roles is not None and version:
            history = whole.rows.filter(pl.col("version") == version)
            kept = _kept(layout, endpoint, version)
            made = estimates.chunks(whole, endpoint, version, start, until, step_chunk)
            _add_estimates(group, whole, roles, history, mine, made or kept, kept)
            if step:
                view.points += _points(version, of_rows(whole, mine), start, until, step, made, custom, sent)
        elif step:
            view.points += _points(version, of_rows(whole, mine), start, until, step, [], custom, sent)
        for column in columns:
            for value in mine[column].value_counts(sort=True)[column].head(VALUES).to_list():
                where = pl.col(column).is_null() if value is None else pl.col(column) == value
                words = f"{column} = {'missing' if value is None else value}"
                of_value = _group(version, words, of_rows(whole, mine.filter(where)), young, custom, sent)
                _against(of_value, group)
                view.groups.append(of_value)
    if find and roles is not None:
        view.worst = _worst(window, roles, whole.inputs)
    view.notes += _notes(view, young)
    return view


def audit(
    layout: Layout,
    endpoint: str,
    options: Rules | None = None,
    *,
    start: float,
    end: float | None = None,
    count: int = 0,
    half_width: float = 0.0,
    version: str = "",
) -> Audit:
    """Which predictions of [start, end) to label: `count` of them, or as many as bounds of this half-width need.

    The same rows whoever asks: a longer sample goes on where a shorter one ended. Errors: NotFound; InvalidRequest without rows.
    """
    rules = options or FoundOut()
    until = time.time() if end is None else end
    window = load(layout, endpoint, start, until, version=version, rules=rules, inputs=True)
    rows = window.rows
    if not rows.height:
        raise InvalidRequest(f"no predictions of {endpoint!r} were made in this time: there is nothing to label")
    window = estimates.with_past(layout, endpoint, window, start, version=version, rules=rules)
    metric, spread = _spread(window, rows)
    if half_width:
        count = ppi.labels_needed(half_width, spread, rows.height)
    chosen = ppi.sample(estimates.audit_ids(rows), count)
    have = rows.select(pl.col("label").is_not_null() | pl.col("label_text").is_not_null()).to_series()
    sample = [
        AuditRow(row["prediction_id"], row["row"], row["time"].timestamp(), row["version"], bool(have[index]))
        for index, row in zip(
            chosen, rows.select("prediction_id", "row", "time", "version")[chosen].to_dicts(), strict=True
        )
    ]
    n = max(1, len(chosen))
    width = 1.96 * spread * float(np.sqrt(max(0.0, 1 / n - 1 / rows.height)))
    done = sum(one.labelled for one in sample)
    return Audit(endpoint, rows.height, len(sample), done, width, spread, metric, sample)


def _spread(window: Window, rows: pl.DataFrame) -> tuple[str, float]:
    """The sd of label - estimate of a row: from labels where there are some, else of a share of 0.9 (or unknown, of numbers)."""
    roles = window.roles
    if roles is None:
        return "quality.accuracy", 0.5
    learned = estimates.learn(window.rows, roles, window.inputs)
    have = labelled(window.rows, roles)
    if roles.task == "regression":
        off = np.abs(have.truth - have.answer) if len(have) else np.zeros(0)
        return "quality.mae", float(off.std()) if len(off) > 1 else float("nan")
    share = float((have.truth == have.answer).mean()) if len(have) >= 30 else 0.9
    if learned is not None:
        estimate = estimates.estimate(rows, roles, learned, window.inputs).get("quality.accuracy")
        share = estimate.value if estimate is not None and len(have) < 30 else share
    return "quality.accuracy", float(np.sqrt(share * (1 - share)))


def _group(version: str, name: str, mine: Window, young: float, custom: Sequence[str], sent: Collection[str]) -> Group:
    rows, roles = mine.rows, mine.roles
    known = pl.col("label").is_not_null() | pl.col("label_text").is_not_null()
    old = pl.col("time") < datetime.fromtimestamp(max(young, 0.0), UTC)
    counts = rows.select(labels=known.sum(), matured=old.sum(), matured_labels=(known & old).sum()).row(0)
    labels, matured, matured_labels = (int(count or 0) for count in counts)
    group = Group(version, name, rows.height, labels, matured, matured_labels)
    if roles is not None:
        values = quality(rows, roles, custom)
        group.figures = [
            Figure(id, metric.higher_is_better, values.get(id)) for id, metric in metrics_of(roles.task, custom).items()
        ]
    better = {id: metric.higher_is_better for id, metric in event_metrics().items()}
    group.behaviour = [Figure(id, better[id], value) for id, value in sorted(behaviour(mine, sent).items())]
    return group


def _add_estimates(
    group: Group,
    whole: Window,
    roles: Roles,
    history: pl.DataFrame,
    mine: pl.DataFrame,
    made: list[Estimate],
    kept: list[Estimate],
) -> None:
    """Beside each figure what was estimated, of the rows from the first chunk on that could be."""
    first = min((one.start for one in made if one.end > _seconds(mine["time"].min())), default=None)
    learned = None
    if first is not None and made:
        before = estimates.known_at(history, float(first), _seconds(mine["time"].max()) + 1)
        learned = estimates.learn(before, roles, whole.inputs)
    fixed = estimates.corrected(mine, roles, learned, whole.inputs)
    found, real, covered = {}, dict[str, Value](), 0
    if learned is not None and first is not None:
        rows = mine.filter(_since(float(first)))
        covered = rows.height
        found = estimates.estimate(rows, roles, learned, whole.inputs)
        real = estimates.realised(rows, roles)[0]
    for figure in group.figures:
        figure.corrected = fixed.get(figure.metric)
        one = found.get(figure.metric)
        if one is None:
            continue
        record = [chunk for chunk in kept if chunk.metric == figure.metric and chunk.realised is not None]
        if len(record) < estimates.PROVEN:
            record = [chunk for chunk in made if chunk.metric == figure.metric]
        figure.estimate = Value(one.value, covered, one.low, one.high)
        figure.same = real.get(figure.metric)
        figure.method = learned.method if learned is not None else ""
        figure.trust = estimates.judge(record)


def _kept(layout: Layout, endpoint: str, version: str) -> list[Estimate]:
    if not (layout.root / "state.db").exists():
        return []
    with closing(MonitoringStore(layout)) as store:
        return store.estimates(endpoint, version)


def _against(group: Group, other: Group) -> None:
    """Mark what is surely better or worse than the other group's."""
    usual = {figure.metric: figure.value for figure in (*other.figures, *other.behaviour)}
    for figure in (*group.figures, *group.behaviour):
        mine, theirs = figure.value, usual.get(figure.metric)
        if mine is None or theirs is None or None in (mine.low, mine.high, theirs.low, theirs.high):
            continue
        assert mine.low is not None and mine.high is not None and theirs.low is not None and theirs.high is not None
        if mine.low > theirs.high:
            figure.outcome = "better" if figure.higher_is_better else "worse"
        elif mine.high < theirs.low:
            figure.outcome = "worse" if figure.higher_is_better else "better"


def _points(
    version: str,
    mine: Window,
    start: float,
    end: float,
    step: float,
    made: list[Estimate],
    custom: Sequence[str],
    sent: Collection[str],
) -> list[Point]:
    points = []
    first = start
    while first < end - 1e-9:
        last = min(first + step, end)
        stretch = part(mine, _since(first) & ~_since(last))
        rows = stretch.rows
        values = {**quality(rows, stretch.roles, custom), **behaviour(stretch, sent)} if rows.height else {}
        beside = {one.metric: Value(one.value, one.rows, one.low, one.high) for one in made if one.start == int(first)}
        known = rows.select((pl.col("label").is_not_null() | pl.col("label_text").is_not_null()).sum()).item()
        points.append(Point(version, first, last, rows.height, int(known or 0), values, beside))
        first = last
    return points


def _worst(rows: pl.DataFrame, roles: Roles, inputs: Sequence[str]) -> list[Slice]:
    """Where answers are wrong most; of numbers, where the error is among the largest tenth."""
    if roles.task not in ("binary", "multiclass", "regression"):
        return []
    needed = [name for name in roles.columns if name not in roles.items]
    have = rows.filter(pl.col("label").is_not_null() | pl.col("label_text").is_not_null()).drop_nulls(needed)
    if roles.task == "regression":
        have = have.filter(pl.col("label").is_not_null() & pl.col("label").is_finite())
    found = labelled(have, roles)
    if roles.task == "regression":
        off = np.abs(found.truth - found.answer)
        bad = off > np.quantile(off, 0.9) if len(off) else np.zeros(0, bool)
    else:
        bad = found.truth != found.answer
    columns = {
        name: have[name].to_numpy() if have[name].dtype.is_numeric() else have[name].cast(pl.String).to_list()
        for name in inputs
        if have[name].dtype.is_numeric() or have[name].dtype in (pl.String, pl.Boolean)
    }
    groups = have["prediction_id"].to_numpy()
    return [one for one in worst_slices(columns, np.asarray(bad, bool), groups=groups) if one.clear]


def _notes(view: QualityView, young: float) -> list[str]:
    notes = []
    rows, labels = (sum(getattr(g, name) for g in view.groups if not g.slice) for name in ("rows", "labels"))
    matured = sum(group.matured for group in view.groups if not group.slice)
    matured_labels = sum(group.matured_labels for group in view.groups if not group.slice)
    if not labels:
        notes.append(
            "no labels have come for these predictions: send them as feedback, or ask for a sample with --audit"
        )
    elif matured and matured_labels < 0.5 * matured:
        notes.append(
            f"labels of {1 - matured_labels / matured:.0%} of matured predictions never came: if they are missing for a "
            "reason, the figures are of the others; a random sample (--audit) tells"
        )
    if labels and view.end > young and matured < rows and labels - matured_labels > 0:
        notes.append(
            "labels of the youngest predictions are still coming; those that came first need not be like the rest"
        )
    for group in view.groups:
        for figure in group.figures:
            if figure.trust is not None and figure.trust.state == "distrusted" and figure.metric in HEADLINES:
                name = figure.metric.removeprefix("quality.")
                notes.append(f"version {group.version}: don't trust the estimated {name}: {figure.trust.words}")
    return notes


HEADLINES = ("quality.auc", "quality.accuracy", "quality.mae")


def _since(moment: float) -> pl.Expr:
    return pl.col("time") >= datetime.fromtimestamp(max(moment, 0.0), UTC)


def _seconds(moment: object) -> float:
    return moment.timestamp() if isinstance(moment, datetime) else 0.0
