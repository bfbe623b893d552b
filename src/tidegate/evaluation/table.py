"""The table that says where to work: a slice a line, the model beside people and the other baselines, the gap, the share of traffic.

    judge --rows with errors--> all, and each value of each column --figures--> Line     baselines --> Beside of each line
    priority = share of traffic x max(0, the least that the gap surely is) x fixable

A gap that chance could have made counts nothing, so that work isn't sent after noise. Without people's level the ceiling is an error of
0, which nobody reaches: then priorities say where most errors are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import polars as pl

from tidegate.errors import InvalidRequest
from tidegate.evaluation import levels
from tidegate.evaluation.base import Beside, Change, Comparison, Estimate, Evaluation, Line, Metric
from tidegate.evaluation.figures import NOTHING, apart, deviation, estimate, paired, shrunk, z_of
from tidegate.evaluation.quick import Quick, quick
from tidegate.evaluation.rows import ERROR, KEYS, WEIGHT, Judged, judge, of_version, own
from tidegate.metrics.quality.rows import Rules
from tidegate.stats.human_level import level
from tidegate.stats.intervals import Floats, wilson
from tidegate.storage.baselines import Baseline, BaselineStore, ratings_file
from tidegate.storage.layout import Layout

VALUES = 24
"""Values of a column that get a line: the most frequent."""
ENOUGH = 0.5
"""Of an older version's rows, those that are also the model's: from here on the two are compared on these."""


def evaluate(
    layout: Layout, endpoint: str, rules: Rules | None = None, *, start: float, end: float, version: str = "",
    by: Sequence[str] = (), against: str = "", fixable: Mapping[str, float] | None = None,
) -> Evaluation:  # fmt: skip
    """Hold a version (by default whatever callers got) against all baselines of the endpoint, by slice.

    start, end: unix seconds of predictions. by: columns of the log. against: the baseline that is the ceiling; by default people's level.
    fixable: how much of a slice's gap can be mended, 0 to 1, 1 where it isn't said. Errors: InvalidRequest without labels, for an unknown
    baseline, and where the version has answered none of the labelled requests.
    """
    judged = judge(layout, endpoint, rules, start, end, by=list(by), inputs=True)
    notes: list[str] = []
    rows = judged.rows if not version else _of(layout, judged, endpoint, version)
    slices = _slices(judged.traffic, by)
    z = z_of(len(slices))
    table = _Table(judged, rows, version, slices, z)
    with_store = BaselineStore(layout)
    try:
        known = with_store.listed(endpoint)
    finally:
        with_store.close()
    if against and against not in {one.name for one in known}:
        names = ", ".join(one.name for one in known) or "none"
        raise InvalidRequest(f"endpoint {endpoint} has no baseline {against!r}; it has: {names}")
    beside = [
        found for one in known if (found := _beside(layout, endpoint, rules, one, table, start, end, notes)) is not None
    ]
    ceiling = against or next((one.name for one in known if one.kind == "human"), "")
    lines = _lines(table, beside, ceiling, fixable or {})
    return Evaluation(
        endpoint, version, judged.metric, start, end, lines, ceiling, _next(lines, judged.metric, ceiling), notes
    )


def compare(
    layout: Layout, endpoint: str, rules: Rules | None = None, *, start: float, end: float, old: str, new: str,
    by: Sequence[str] = (),
) -> Comparison:  # fmt: skip
    """Two versions on the labelled requests that both answered, by slice; bounds hold for all slices together.

    Errors: InvalidRequest where there are none.
    """
    judged = judge(layout, endpoint, rules, start, end, by=list(by))
    rows = [of_version(layout, judged, endpoint, version) for version in (old, new)]
    both = rows[0].select(*KEYS, ERROR, WEIGHT).join(rows[1].select(*KEYS, pl.col(ERROR).alias("_new")), KEYS)
    if both.is_empty():
        raise InvalidRequest(
            f"versions {old} and {new} of {endpoint} have answered no labelled request both; `tidegate replay {endpoint} --to {new}` "
            "gives the one what the other had"
        )
    slices = _slices(judged.traffic, by)
    joined = both.join(judged.traffic, KEYS, "left")
    changes = []
    for name, where in slices:
        part = joined.filter(where)
        before = part.select(ERROR, WEIGHT).to_numpy()
        after = part.select("_new", WEIGHT).to_numpy()
        weight = float(before[:, 1].sum())
        if weight:
            change = paired(after, before, z_of(len(slices)))
            changes.append(Change(name, float(before[:, 0].sum()) / weight, float(after[:, 0].sum()) / weight, change))
    return Comparison(endpoint, old, new, judged.metric, changes)


class _Table:
    """What every line is made of. `rows`: keys, slices' columns, error and weight of the version."""

    def __init__(
        self, judged: Judged, rows: pl.DataFrame, version: str, slices: list[tuple[str, pl.Expr]], z: float
    ) -> None:
        self.judged, self.rows, self.version, self.slices, self.z = judged, rows, version, slices, z
        self.share_of_rows = judged.roles.task in ("binary", "multiclass")
        self._quick: Quick | str | None = None

    def estimate(self, rows: pl.DataFrame) -> Estimate:
        return estimate(columns(rows), self.z, share=self.share_of_rows)

    def placed(self, rows: pl.DataFrame) -> pl.DataFrame:
        """With the slices' columns of the request."""
        missing = [name for name in self.judged.traffic.columns if name not in rows.columns or name in KEYS]
        return rows.join(
            self.judged.traffic.select(list(dict.fromkeys([*KEYS, *missing]))), KEYS, "inner", maintain_order="left"
        )

    def quick(self) -> Quick | str:
        if self._quick is None:
            self._quick = quick(self.judged)
        return self._quick


def columns(rows: pl.DataFrame) -> Floats:
    """[n, 2] of error and weight."""
    return rows.select(ERROR, WEIGHT).to_numpy()


def _of(layout: Layout, judged: Judged, endpoint: str, version: str) -> pl.DataFrame:
    rows = of_version(layout, judged, endpoint, version)
    if rows.is_empty():
        raise InvalidRequest(
            f"version {version} has answered none of the {judged.rows.height:,} labelled requests of {endpoint} in that time; "
            f"`tidegate replay {endpoint} --to {version}` gives it copies of them"
        )
    return rows.join(judged.traffic, KEYS, "left", maintain_order="left")


def _slices(traffic: pl.DataFrame, by: Sequence[str]) -> list[tuple[str, pl.Expr]]:
    """All rows, then each column's values, the most frequent first."""
    found: list[tuple[str, pl.Expr]] = [("", pl.lit(True))]
    for name in by:
        text = traffic[name].cast(pl.String)
        for value in text.value_counts(sort=True)[name].to_list()[:VALUES]:
            if value is None:
                found.append((f"{name} is missing", pl.col(name).is_null()))
            else:
                found.append((f"{name} = {value}", pl.col(name).cast(pl.String) == value))
    return found


Besides = tuple[Baseline, list[Beside]]


def _beside(
    layout: Layout,
    endpoint: str,
    rules: Rules | None,
    one: Baseline,
    table: _Table,
    start: float,
    end: float,
    notes: list[str],
) -> Besides | None:
    """A baseline in every slice, or None with a note of why not."""
    try:
        if one.kind == "literature":
            return one, _literature(one, table)
        if one.kind == "quick":
            made = table.quick()
            if isinstance(made, str):
                raise InvalidRequest(made)
            notes.append(
                f"{one.name}: {made.name}, learned on the earlier {made.learned_on:,} labelled rows, judged on the later"
            )
            return one, _others(one, made.rows, table)
        if one.kind == "older":
            return one, _older(layout, endpoint, rules, one, table, start, end)
        return one, _people(layout, endpoint, one, table, notes)
    except InvalidRequest as exc:
        notes.append(f"{one.name}: {exc}")
        return None


def _literature(one: Baseline, table: _Table) -> list[Beside]:
    """One figure, of other data: it stands beside the whole, and is no line's ceiling."""
    assert one.value is not None
    metric = table.judged.metric
    if one.metric != metric.id:
        raise InvalidRequest(
            f"it is a figure of {one.metric}, and {table.judged.roles.task} is measured by {metric.id}"
        )
    error = metric.shown(one.value)  # 1 - x is its own inverse
    low, high = wilson(error * one.rows, one.rows) if one.rows and table.share_of_rows else (error, error)
    level = Estimate(error, low, high, one.rows)
    model = table.estimate(table.rows)
    return [
        Beside(
            one.name,
            one.kind,
            level if not name else NOTHING,
            apart(model, level, table.z) if not name else NOTHING,
            False,
        )
        for name, _ in table.slices
    ]


def _others(one: Baseline, rows: pl.DataFrame, table: _Table) -> list[Beside]:
    """Errors on requests of the model's own: compared row by row."""
    other = table.placed(rows.select(*KEYS, ERROR, WEIGHT))
    both = other.join(table.rows.select(*KEYS, pl.col(ERROR).alias("_model")), KEYS, "inner")
    found = []
    for _, where in table.slices:
        part = both.filter(where)
        gap = paired(part.select("_model", WEIGHT).to_numpy(), columns(part), table.z) if part.height else NOTHING
        found.append(Beside(one.name, one.kind, table.estimate(other.filter(where)), gap, True))
    return found


def _older(
    layout: Layout, endpoint: str, rules: Rules | None, one: Baseline, table: _Table, start: float, end: float
) -> list[Beside]:
    """On the same requests where it answered enough of them, else on its own. What callers got from itself is not held against it."""
    same = of_version(layout, table.judged, endpoint, one.version)
    mine = own(layout, endpoint, one.version, rules, start, end)
    rows = table.rows if table.version else table.rows.join(mine.select(KEYS), KEYS, "anti")
    shared = same.join(rows.select(KEYS), KEYS, "semi")
    if shared.height and shared.height >= ENOUGH * max(mine.height, 1):
        return _others(one, shared, table)
    if mine.is_empty():
        raise InvalidRequest(
            f"version {one.version} has answered no labelled request of that time; `tidegate replay {endpoint} --to {one.version}`"
        )
    placed = table.placed(mine.select(*KEYS, ERROR, WEIGHT))
    found = []
    for _, where in table.slices:
        level = table.estimate(placed.filter(where))
        found.append(
            Beside(one.name, one.kind, level, apart(table.estimate(table.rows.filter(where)), level, table.z), False)
        )
    return found


def _people(layout: Layout, endpoint: str, one: Baseline, table: _Table, notes: list[str]) -> list[Beside]:
    said = levels.asked(layout, endpoint, one.queue) if one.queue else pl.read_parquet(ratings_file(layout, one.file))
    roles = table.judged.roles
    ratings = levels.ratings(said, roles)
    if ratings.predictions:
        ratings.items = ratings.items.join(
            table.judged.traffic.with_columns(pl.lit(True).alias("_here")),
            KEYS,
            "left",
            maintain_order="left",
            suffix="_log",
        )
    errors = levels.judged(ratings, roles, table.rows if ratings.predictions else None)
    found, whole = [], None
    for _, where in table.slices:
        try:
            chosen = ratings.items.select(where.alias("_in")).to_series()
        except pl.exceptions.ColumnNotFoundError:
            found.append(Beside(one.name, one.kind, NOTHING, NOTHING, False))
            continue
        mask = chosen.fill_null(False).to_numpy()
        if len(mask) != ratings.items.height:
            mask = mask.repeat(ratings.items.height)
        made = level(errors.rows(mask), table.z)
        people, gap = levels.estimates(made)
        if not gap.known and people.known:
            gap = apart(table.estimate(table.rows.filter(where)), people, table.z)
            found.append(Beside(one.name, one.kind, people, gap, False))
        else:
            found.append(Beside(one.name, one.kind, people, gap, gap.known))
        whole = whole or made
    agreed = levels.agreement(ratings)
    notes.append(
        f"{one.name}: {whole.raters if whole else 0} raters on {whole.items if whole else 0:,} items agree in {agreed.percent:.1%} "
        f"(alpha {agreed.alpha:.2f}, AC1 {agreed.ac1:.2f})"
        + (", each judged by the others" if ratings.reference is None else "")
    )
    if whole is not None and whole.convention:
        notes.append(
            f"{one.name}: always saying the commonest answer errs in {whole.majority:.1%}, people in {whole.people:.1%}: a model can beat "
            "people here by copying a convention; settle what is right before it is trained on"
        )
    return found


def _lines(table: _Table, beside: list[Besides], ceiling: str, fixable: Mapping[str, float]) -> list[Line]:
    parts = [table.rows.filter(where) for _, where in table.slices]
    models = [table.estimate(part) for part in parts]
    drawn = shrunk(
        models[0].error,
        [m.error if m.known else models[0].error for m in models[1:]],
        [deviation(columns(p)) for p in parts[1:]],
    )
    total = max(table.judged.traffic.height, 1)
    lines = []
    for at, (name, where) in enumerate(table.slices):
        share = table.judged.traffic.filter(where).height / total
        mine = [found[at] for _, found in beside]
        top = next((one for one in mine if one.name == ceiling), None)
        surely = top.gap.low if top is not None else models[at].low if not ceiling else -math.inf
        least = max(0.0, surely) if math.isfinite(surely) else 0.0
        lines.append(
            Line(
                name, share, models[at], models[0].error if not at else drawn[at - 1], mine,
                share * least * fixable.get(name, 1.0),
            )
        )  # fmt: skip
    return lines


def _next(lines: Sequence[Line], metric: Metric, ceiling: str) -> str:
    """Where to work, in a sentence."""
    slices = [line for line in lines[1:] if line.priority > 0]
    unit = "" if metric.id == "quality.mae" else "%"

    def said(value: float) -> str:
        return f"{value:.1%}" if unit else f"{value:.4g}"

    if len(lines) == 1:
        return "Name columns with --by to see where errors are."
    if not slices:
        return f"No slice is surely behind {ceiling}." if ceiling else "No slice has errors for sure."
    best = max(slices, key=lambda line: line.priority)
    whole = lines[0].model.error
    if not ceiling:
        return (
            f"Most errors for sure are at {best.slice}: {metric.name} {said(metric.shown(best.model.error))} on {best.share:.0%} of "
            "traffic. How many of them people would make too is not known: `tidegate baseline add` says how."
        )
    gap = next(one.gap for one in best.beside if one.name == ceiling)
    return (
        f"Work on {best.slice} next: {said(gap.error)} behind {ceiling} (surely {said(gap.low)}) on {best.share:.0%} of traffic. Closing "
        f"that would take the whole from {said(metric.shown(whole))} to {said(metric.shown(whole - best.share * gap.error))}."
    )
