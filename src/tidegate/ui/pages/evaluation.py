"""`/evaluation/{endpoint}`: the table that says where to work: each slice beside people and other baselines, its gap, its share of traffic.

evaluation.table (60 s; it reads the log) -> lines, what to do next, notes      `?by=` columns, `?version=`, `?days=`
"""

from __future__ import annotations

import math
import time

import msgspec
from nicegui import ui

from tidegate.errors import TidegateError
from tidegate.evaluation.base import Beside, Estimate, Evaluation, Line, Metric
from tidegate.evaluation.search import OfClass, Searched, classes, search
from tidegate.ui.components import (
    Column,
    Row,
    bar,
    box,
    card,
    empty,
    field,
    link,
    num,
    stat,
    table,
    tabs,
    text,
    to,
    words,
)
from tidegate.ui.components.cells import Cell
from tidegate.ui.frame import head, page
from tidegate.ui.live import live
from tidegate.ui.pages._endpoints import with_profiles
from tidegate.ui.project import layout
from tidegate.ui.url import query, with_query

DAYS = ("7", "30", "90")
KINDS = {"human": "human", "literature": "muted", "quick": "muted", "older": "stable"}


class Asked(msgspec.Struct):
    """The table, or the words that say why there is none; and columns that slices can be made by."""

    found: Evaluation | None
    columns: list[str]
    searched: Searched | None = None
    classes: list[OfClass] = []
    problem: str = ""


@page("/evaluation", title="Where to work", nav="evaluation")
def choose() -> None:
    names = with_profiles()
    if len(names) == 1:
        ui.navigate.to(to("evaluation", names[0]))
        return
    if not names:
        empty(
            "Nothing to evaluate yet",
            "An endpoint is held against people, the literature, a quick model and the older system once its predictions have labels.",
            "tidegate baseline add ENDPOINT --quick",
        )
        return
    with card(flush=True):
        table([Column("name", "Endpoint")]).fill(
            [Row(name, {"name": words(name, href=to("evaluation", name))}, to("evaluation", name)) for name in names]
        )


@page("/evaluation/{endpoint}", title="Where to work: {endpoint}", nav="evaluation")
def evaluation(endpoint: str) -> None:
    by, version = query("by", _first(endpoint)), query("version")
    days = query("days") if query("days") in DAYS else "90"
    head().path(("Where to work", "/evaluation"))
    with head().tools:
        link("Mistakes", to("errors", endpoint), "tg-button")
    with box("tg-row tg-between"):
        tabs([(f"{each} days", with_query(days=each), each == days) for each in DAYS])
        with box("tg-row tg-no-print"):
            field(
                "Slices by", by, placeholder="columns, with commas", on_value=lambda value: _go(by=str(value).strip())
            )
            field(
                "Version",
                version,
                placeholder="what callers got",
                on_value=lambda value: _go(version=str(value).strip()),
            )
    suggested = box("tg-row")
    lead = text("Reading the log and its labels …", "tg-lead")
    place = box("tg-stack")
    drawn: list[bytes] = [b""]

    def draw(asked: Asked) -> None:
        suggested.clear()
        with suggested:
            for name in asked.columns[:8]:
                link(name, with_query(by=name), "tg-pill tg-pill-accent" if name == by else "tg-pill tg-pill-muted")
        if asked.found is None:
            lead.set_text(asked.problem[:1].upper() + asked.problem[1:])
            place.clear()
            return
        lead.set_text(
            asked.found.next.replace("`", "") if by else "Choose a column, or name several, to see where errors are."
        )
        seen = msgspec.json.encode(repr(asked.found.lines))
        if seen == drawn[0]:
            return
        drawn[0] = seen
        place.clear()
        with place:
            _whole(asked.found)
            _table(asked.found)
            if asked.searched is not None:
                _found(asked.searched, asked.classes, asked.found.metric)
            _notes(asked.found)

    live(lambda: _ask(endpoint, by, version, days), draw, key=("evaluation", endpoint, by, version, days), every=60.0)


def _go(**values: str) -> None:
    ui.navigate.to(with_query(**values))


def _ask(endpoint: str, by: str, version: str, days: str) -> Asked:
    from tidegate.app import label_options
    from tidegate.evaluation.rows import judge
    from tidegate.evaluation.table import evaluate

    rules, segments = label_options(layout(), endpoint)
    end = time.time()
    names = [name.strip() for name in by.split(",") if name.strip()]
    columns = _columns(endpoint, segments)
    try:
        found = evaluate(
            layout(), endpoint, rules, start=end - float(days) * 86400.0, end=end, version=version, by=names
        )
    except TidegateError as exc:
        return Asked(None, columns, problem=str(exc).replace("`", ""))
    judged = judge(layout(), endpoint, rules, end - float(days) * 86400.0, end, version=version, inputs=True)
    return Asked(found, columns, search(judged), classes(judged))


def _first(endpoint: str) -> str:
    """What slices are made by where nobody has said."""
    from tidegate.app import label_options

    return next(iter(_columns(endpoint, label_options(layout(), endpoint)[1])), "")


def _columns(endpoint: str, segments: list[str]) -> list[str]:
    """Segments, then inputs of few values."""
    from contextlib import closing

    from tidegate.storage.profiles import ProfileStore

    with closing(ProfileStore(layout())) as store:
        streams = [one.column for one in store.streams(endpoint) if one.side == "input" and one.kind == "category"]
    return list(dict.fromkeys([*segments, *streams]))


def _whole(found: Evaluation) -> None:
    whole, metric = found.lines[0], found.metric
    with box("tg-grid-narrow"):
        what = f"version {found.version}" if found.version else "what callers got"
        stat(metric.name.capitalize(), large=True).show(
            _said(whole.model, metric), sub=f"{what}, {whole.model.rows:,} labels"
        )
        for one in whole.beside:
            tone = "" if not one.gap.known else "firing" if one.gap.low > 0 else "ok" if one.gap.high < 0 else ""
            gap = f"gap {_points(one.gap.error, metric)}" if one.gap.known else "not on the same rows"
            stat(one.name, large=True).show(_said(one.level, metric) if one.level.known else None, tone=tone, sub=gap)


def _table(found: Evaluation) -> None:
    names = [one.name for one in found.lines[0].beside]
    columns = [
        Column("slice", "Slice"),
        Column("share", "Traffic", num=True),
        Column("rows", "Labels", num=True),
        Column("model", "Model", num=True),
    ]
    for name in names:
        columns += [Column(f"level {name}", name, num=True), Column(f"gap {name}", "Gap", num=True)]
    columns.append(
        Column(
            "gain",
            "To gain" if found.ceiling else "Errors for sure",
            num=True,
            title="Share of traffic × the least that the gap surely is × fixable",
        )
    )
    most = max((line.priority for line in found.lines[1:]), default=0.0)
    with card(
        "By slice",
        flush=True,
        note=f"95% bounds for all slices together; against {found.ceiling}"
        if found.ceiling
        else "95% bounds for all slices together",
    ):
        table(columns, empty="Name columns to see where errors are.").fill(
            [_line(line, found.metric, most, number) for number, line in enumerate(found.lines)]
        )


def _line(line: Line, metric: Metric, most: float, number: int) -> Row:
    best = bool(line.slice) and line.priority == most > 0
    cells: dict[str, Cell] = {
        "slice": words(line.slice or "all", sub="work here next" if best else "", tone="warning" if best else ""),
        "share": bar(line.share) if line.slice else num(line.share, "share"),
        "rows": num(line.model.rows),
        "model": _figure(line.model, metric),
        "gain": bar(line.priority, of=most, unit="share" if metric.id != "quality.mae" else "")
        if line.slice and line.priority
        else None,
    }
    for one in line.beside:
        cells[f"level {one.name}"] = _figure(one.level, metric)
        cells[f"gap {one.name}"] = _gap(one, metric)
    return Row(str(number), cells)


def _figure(one: Estimate, metric: Metric) -> Cell:
    if not one.known:
        return None
    low, high = sorted((metric.shown(one.low), metric.shown(one.high)))
    unit = "" if metric.id == "quality.mae" else "share"
    if math.isfinite(low) and math.isfinite(high) and low < high:
        return num(metric.shown(one.error), unit, low=low, high=high)
    return num(metric.shown(one.error), unit)


def _gap(one: Beside, metric: Metric) -> Cell:
    if not one.gap.known:
        return None
    tone = "firing" if one.gap.low > 0 else "ok" if one.gap.high < 0 else ""
    return num(
        one.gap.error, "" if metric.id == "quality.mae" else "share", tone=tone, sub="" if tone else "not told apart"
    )


def _found(searched: Searched, by_class: list[OfClass], metric: Metric) -> None:
    said = f"{searched.tried:,} conditions on half of the rows; the figures are of the other half"
    with card("Slices that nobody named", flush=True, note=said):
        table(
            [
                Column("slice", "Surely worse than the rest"),
                Column("share", "Traffic", num=True),
                Column("rows", "Labels", num=True),
                Column("model", "Model", num=True),
                Column(
                    "shrunk",
                    "Shrunk",
                    num=True,
                    title="Drawn towards the whole as far as chance alone could make the difference",
                ),
            ],
            empty="No slice is surely worse than the rest.",
        ).fill(
            [
                Row(
                    one.slice,
                    {
                        "slice": one.slice,
                        "share": bar(one.share),
                        "rows": num(one.error.rows),
                        "model": _figure(one.error, metric),
                        "shrunk": num(metric.shown(one.shrunk), "" if metric.id == "quality.mae" else "share"),
                    },
                )
                for one in searched.found
            ]
        )
    rare = [one for one in by_class if one.rare]
    if rare:
        with card("Rare classes", flush=True, note="an average hides them: look at these apart"):
            table(
                [
                    Column("label", "Class"),
                    Column("rows", "Labels", num=True),
                    Column("share", "Share", num=True),
                    Column("missed", "Missed", num=True),
                ]
            ).fill(
                [
                    Row(
                        one.label,
                        {
                            "label": one.label,
                            "rows": num(one.rows),
                            "share": num(one.share, "share"),
                            "missed": num(one.missed.error, "share"),
                        },
                    )
                    for one in rare
                ]
            )


def _notes(found: Evaluation) -> None:
    if not found.lines[0].beside:
        empty(
            "No baseline yet",
            "What could be hoped for: people, the literature, a quick model, the older system. Gaps stand here once there is one.",
            f"tidegate baseline add {found.endpoint} --quick",
        )
    if found.notes:
        with card("What to know of these figures"):
            for note in found.notes:
                text(note.replace("`", ""), "tg-prose")


def _said(one: Estimate, metric: Metric) -> str:
    return f"{metric.shown(one.error):.4g}" if metric.id == "quality.mae" else f"{100 * metric.shown(one.error):.1f} %"


def _points(value: float, metric: Metric) -> str:
    return f"{value:+.4g}" if metric.id == "quality.mae" else f"{100 * value:+.1f} points"
