"""Where a change begins: each stage of a pipeline, what it was given and what it gave, now and in the window before.

    for every stage: views.drift (inputs, outputs), versions, failures --> the first whose outputs moved while its inputs did not
    the whole: what callers send, what they get, and its quality by the labels that came

A stage whose inputs moved only hands on what began before it, or outside.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import msgspec
import polars as pl

from tidegate.errors import InvalidRequest, NotFound
from tidegate.metrics.quality.rows import Rules
from tidegate.storage.layout import Layout
from tidegate.storage.log.recent import snapshot
from tidegate.views.drift import PREVIOUS, drift
from tidegate.views.drift_columns import percent
from tidegate.views.quality import read

CALLERS = "callers"
"""Where a change begins that came from outside."""

Part = Literal["steady", "origin", "hands on", "absorbs", "unclear"]


FAINT = 0.3
"""Of the largest effect anywhere in the pipeline: what moved by less is not looked at."""


class Change(msgspec.Struct, frozen=True):
    """One column that moved, in words, and how far (0 to 1)."""

    name: str
    words: str
    effect: float


class StageView(msgspec.Struct, omit_defaults=True):
    """One stage (or, with an empty name, the whole). Rows, shares of versions (0 to 1) and of failed rows, before and now."""

    stage: str
    endpoint: str
    part: Part
    inputs: list[Change]
    outputs: list[Change]
    rows: tuple[int, int]
    versions: tuple[dict[str, float], dict[str, float]]
    failed: tuple[float, float]
    why: str = ""
    """Why it can't be told, where it can't."""


class PipelineView(msgspec.Struct, omit_defaults=True):
    """`begins` is a stage's name, `callers` where what they send has moved, empty where nothing has. `quality` are the metric's name
    and its values before and now, None where labels are missing."""

    endpoint: str
    start: float
    end: float
    begins: str
    verdict: str
    whole: StageView
    stages: list[StageView]
    quality: tuple[str, float | None, float | None] | None = None


def explain(
    layout: Layout,
    endpoint: str,
    stages: Iterable[str],
    *,
    start: float | None = None,
    end: float | None = None,
    window: float = 86400.0,
    rules: Rules | None = None,
) -> PipelineView:
    """`stages`: the names of those with a model, in order. The window ends at `end` (now) and is compared to one as long just before it.

    Errors: NotFound for an endpoint that isn't a pipeline or has no log, InvalidRequest for a window that ends before it begins.
    """
    names = list(stages)
    if not names:
        raise NotFound(f"endpoint {endpoint!r} is no pipeline; `tidegate drift {endpoint}` says what moved there")
    end = time.time() if end is None else end
    start = end - window if start is None else start
    if start >= end:
        raise InvalidRequest("the window ends before it begins")
    whole = _stage(layout, "", endpoint, start, end)
    found = [_stage(layout, name, f"{endpoint}.{name}", start, end) for name in names]
    _without_faint([whole, *found])
    begins = next((one.stage for one in found if one.part == "origin"), "")
    if not begins and whole.inputs:
        begins = CALLERS
    view = PipelineView(endpoint, start, end, begins, "", whole, found, _quality(layout, endpoint, start, end, rules))
    view.verdict = _verdict(view)
    return view


def _stage(layout: Layout, name: str, endpoint: str, start: float, end: float) -> StageView:
    before, now = _counted(layout, endpoint, 2 * start - end, start), _counted(layout, endpoint, start, end)
    view = StageView(
        name, endpoint, "unclear", [], [], (before.rows, now.rows), (before.versions, now.versions), (before.failed, now.failed)
    )  # fmt: skip
    try:
        moved = drift(layout, endpoint, reference=PREVIOUS, start=start, end=end)
    except InvalidRequest:  # a side without rows
        view.why = "it answered nothing in the window, or in the one before"
        return view
    for column in moved.columns:
        if column.moved:
            side = view.outputs if column.side == "output" else view.inputs
            side.append(Change(column.name, column.what, column.effect))
    blurred = [column.side for column in moved.columns if column.outcome == "unclear"]
    few = f"{moved.rows_before:,} rows before and {moved.rows_now:,} now are too few to rule out a change of {percent(moved.minimum)} in"
    if not view.outputs and "output" in blurred:
        view.why = f"{few} what it gives"
        return view
    view.part = _part(view)
    if view.part == "origin" and "input" in blurred:
        view.why = f"{few} what it is given"
    return view


def _part(view: StageView) -> Part:
    return ("hands on" if view.inputs else "origin") if view.outputs else "absorbs" if view.inputs else "steady"


def _without_faint(views: Sequence[StageView]) -> None:
    """Of dozens of columns one or two move by chance. Beside a change that is several times as large they are no beginning of it."""
    strongest = max((change.effect for view in views for change in (*view.inputs, *view.outputs)), default=0.0)
    for view in views:
        view.inputs = [change for change in view.inputs if change.effect >= FAINT * strongest]
        view.outputs = [change for change in view.outputs if change.effect >= FAINT * strongest]
        if view.part != "unclear":
            view.part = _part(view)


class _Counted(NamedTuple):
    """One window of a log: rows, the share of each version that answered, the share that failed."""

    rows: int
    versions: dict[str, float]
    failed: float


def _counted(layout: Layout, endpoint: str, start: float, end: float) -> _Counted:
    """Copies and replays are left out."""
    low, high = (datetime.fromtimestamp(at, UTC) for at in (start, end))
    mine = (pl.col("time") >= low) & (pl.col("time") < high) & (pl.col("role") != "shadow")
    found = snapshot(layout, endpoint).predictions.filter(mine).select("version", "status").collect(engine="streaming")
    total = max(found.height, 1)
    counts = found["version"].drop_nulls().value_counts().sort("version")
    shares = {str(version): int(rows) / total for version, rows in counts.iter_rows() if version}
    return _Counted(found.height, shares, int((found["status"] >= 500).sum()) / total)


def _quality(
    layout: Layout, endpoint: str, start: float, end: float, rules: Rules | None
) -> tuple[str, float | None, float | None] | None:
    """The first metric that labels say something of, before and now."""
    values: list[dict[str, float]] = []
    for since, until in ((2 * start - end, start), (start, end)):
        found = read(layout, endpoint, rules, start=since, end=until, by=(), estimated=False)
        figures = found.groups[0].figures if found.groups else []
        values.append({one.metric: one.value.value for one in figures if one.value is not None})
    metric = next((name for name in values[1] if name in values[0]), next(iter(values[1] or values[0]), ""))
    return (metric, values[0].get(metric), values[1].get(metric)) if metric else None


def _verdict(view: PipelineView) -> str:
    first = next((one for one in view.stages if one.stage == view.begins), None)
    if first is not None:
        found = f"The change begins at {first.stage}: {_words(first.outputs)}, while what it is given is as before."
        found += f" {first.why[0].upper()}{first.why[1:]}." if first.why else ""
        if differs(*first.versions):
            found += " Its versions went from {} to {}.".format(*map(shares, first.versions))
    elif view.begins == CALLERS:
        found = f"What callers send has changed: {_words(view.whole.inputs)}."
    else:
        unclear = next((one for one in view.stages if one.part == "unclear"), None)
        if unclear is not None:
            return f"Nothing was found, but it can't be told of {unclear.stage}: {unclear.why}."
        return "No stage's outputs moved while its inputs stayed."
    if view.whole.outputs:
        return f"{found} Callers get something else: {_words(view.whole.outputs)}."
    return f"{found} What callers get has not moved."


def _words(changes: Sequence[Change]) -> str:
    """The two that moved most."""
    return "; ".join(f"{one.name} {one.words}" for one in changes[:2])


def differs(before: dict[str, float], now: dict[str, float]) -> bool:
    """Whether the share of some version differs by a twentieth or more."""
    return any(abs(before.get(name, 0.0) - now.get(name, 0.0)) >= 0.05 for name in {*before, *now})


def shares(versions: dict[str, float]) -> str:
    """
    >>> shares({"1": 1.0}), shares({"1": 0.75, "2": 0.25})
    ('1', '1 (75%), 2 (25%)')
    """
    if len(versions) == 1:
        return next(iter(versions))
    return ", ".join(f"{version} ({share:.0%})" for version, share in versions.items()) or "none"
