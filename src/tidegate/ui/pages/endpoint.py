"""`/endpoints/{name}`: the loop as it flows, then what its metrics did, version by version.

    views.loop (2 s) ----------> traffic -> versions -> outcomes
    views.series (2 s or more) -> charts of software, input and output, with limits and the comparison
    views.answers (30 s) ------> charts of quality and behaviour
    views.marks (5 s) ---------> incidents, rollouts, splits on every chart's time axis

The charts shown are in the address (`?charts=...`), as are window and comparison; a drag across one chart zooms all of them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from nicegui import ui

from tidegate.metrics import registry
from tidegate.reviewing import has_people
from tidegate.ui.components import Chart, Limit, Line, Mark, box, button, card, chart, empty, field, tabs, text
from tidegate.ui.components.links import to
from tidegate.ui.components.loop import LoopDrawing, LoopOutcome, LoopStream
from tidegate.ui.frame import head, page
from tidegate.ui.live import live
from tidegate.ui.project import layout
from tidegate.ui.url import query, set_query, with_query
from tidegate.ui.window import Window, window
from tidegate.views import answers as views_answers
from tidegate.views import limits as views_limits
from tidegate.views import marks as views_marks
from tidegate.views import series as views_series
from tidegate.views.loop import Loop, Stream, loop

UNITS = {"share": "share", "seconds": "s", "per_second": "/s", "bytes": "bytes", "count": "count", "number": ""}
GROUPS = (
    ("software", "Software", "how the serving does"),
    ("input", "Inputs", "what came in"),
    ("output", "Outputs", "what was answered"),
)
COMPARISONS = (("", "nothing"), ("week", "the week before"), ("reference", "the reference"))
TITLES = {"software.throughput": "Requests", "output.null": "Answers without a value", "input.volume": "Rows"}
LEVELS = {"ok": "ok", "warning": "warning", "firing": "firing"}
LATER = 30.0
"""Seconds between two looks at labels and events."""


@page("/endpoints/{name}", title="{name}", nav="overview", window="1h", comparisons=COMPARISONS)
def endpoint(name: str) -> None:
    """One endpoint."""
    head().path(("Overview", "/"))
    _flow(name, loop(layout(), name))
    chosen = window("1h")
    shown = _shown(name)
    if not shown:
        empty(
            "No figures yet",
            "Nothing has been asked of this endpoint. Send it a request: its charts appear within a minute.",
            f"curl localhost:8080/v2/models/{name}/infer -d @request.json",
        )
        return
    charts = _charts(name, chosen, shown)
    _more(name, shown)
    _answers(name, chosen)
    _follow(name, chosen, [id for ids in shown.values() for id in ids], charts)


def _flow(name: str, now: Loop) -> None:
    """The loop, and the ways to the endpoint's other pages."""
    tabs(
        [
            ("Endpoint", to("endpoints", name), True),
            ("Rollout", to("endpoints", name, "rollout"), False),
            ("Drift", to("drift", name), False),
            ("Log", to("log", name), False),
            ("Monitors", to("monitors", endpoint=name), False),
            *([("Who decides", to("endpoints", name, "automation"), False)] if has_people(layout(), name) else []),
        ]
    )
    with card("The loop now", note="shares of the last ten minutes"):
        drawing = LoopDrawing()

    def draw(view: Loop) -> None:
        drawing.fill(
            view.rate, f"{view.requests:,} in ten minutes", [_stream(one) for one in view.streams], _outcomes(view),
            moving=view.rate > 0,
            empty="No traffic in the last ten minutes, and no version that would get any: `tidegate up` starts the project.",
        )  # fmt: skip

    draw(now)
    live(lambda: loop(layout(), name), draw, key=("loop", name))


def _stream(one: Stream) -> LoopStream:
    lines = [f"{100 * one.share:.3g}% of traffic" if one.role != "shadow" else f"{100 * one.share:.3g}% mirrored"]
    if one.weight >= 0 and abs(one.weight - 100 * one.share) > 2 and one.requests:
        lines.append(f"split says {one.weight:g}%")
    if one.p99 is not None:
        lines.append(f"p99 {registry.shown('software.latency.p99', one.p99)}")
    if one.errors is not None:
        lines.append(f"errors {registry.shown('software.errors', one.errors)}")
    state = "" if one.state in ("", "READY") else one.state.lower()
    return LoopStream(
        f"{one.version} {one.role}", one.version, one.role, one.share, lines, "", state, "firing" if one.failing else ""
    )


def _outcomes(view: Loop) -> list[LoopOutcome]:
    found = [LoopOutcome("answered", "Answered", "ok", view.answered or 0.0, view.answered, "share")]
    for key, name, tone, value, sub in (
        ("empty", "Answered without a value", "warning", view.empty, ""),
        ("failed", "Failed", "firing", view.failed, "by our fault"),
        ("refused", "Refused", "muted", view.refused, "the caller's mistake"),
    ):
        if value or key == "failed":
            found.append(LoopOutcome(key, name, tone, value or 0.0, value, "share", sub))
    if view.open:
        found.append(
            LoopOutcome(
                "open", "Open incidents", "warning", 0.0, float(view.open), "", "", to("alarms", endpoint=view.endpoint)
            )
        )
    return found


def _shown(name: str) -> dict[str, list[str]]:
    """Charts by group: those of the address, else those that tell most."""
    asked = [id for id in query("charts").split(",") if id and registry.exists(id)][: views_series.MOST_METRICS]
    if not asked:
        return views_series.telling(layout(), name)
    found: dict[str, list[str]] = {}
    for id in asked:
        group = registry.parse(id).group
        if group in ("software", "input", "output"):
            found.setdefault(group, []).append(id)
    return found


def _charts(name: str, chosen: Window, shown: dict[str, list[str]]) -> dict[str, Chart]:
    made: dict[str, Chart] = {}
    for group, words, note in GROUPS:
        if group not in shown:
            continue
        with card(words, note=note), box("tg-charts"):
            for id in shown[group]:
                made[id] = _chart(id, chosen)
    return made


def _chart(id: str, chosen: Window) -> Chart:
    hint = (
        f"Nothing came in this window ({chosen.text.lower()}). Choose a longer one at the top."
        if registry.parse(id).group == "software"
        else "No value in this window: nothing came, or this metric has no meaning for what came."
    )
    return chart(_title(id), UNITS.get(registry.unit_of(id), ""), empty=hint, note=registry.help_of(id), on_zoom=_zoom)


def _title(id: str) -> str:
    """A metric as people say it.

    >>> _title("input.missing.Humidity"), _title("software.latency.p99"), _title("quality.auc")
    ('Humidity: missing', 'Latency p99', 'AUC')
    """
    if id in TITLES:
        return TITLES[id]
    target = registry.parse(id)
    kind = target.metric.partition(".")[2].replace(".", " ").replace("_", " ")
    column = target.column + (f" = {target.value}" if target.value else "")
    if column:
        return f"{column}: {kind}"
    return kind.upper() if len(kind) <= 4 and target.group == "quality" else kind.capitalize()


def _zoom(start: float, end: float) -> None:
    ui.navigate.to(with_query(window="", **{"from": int(start), "to": int(end) + 1}))


def _follow(name: str, chosen: Window, ids: Sequence[str], charts: dict[str, Chart]) -> None:
    """Ask again and again, and draw what changed; marks and series come at a pace of their own."""
    compare: views_series.Compare = (
        "week" if chosen.compare == "week" else "reference" if chosen.compare == "reference" else ""
    )
    marks: list[views_marks.Mark] = []
    newest: list[views_series.SeriesView] = []

    def question() -> views_series.SeriesView:
        now = chosen.moved()
        return views_series.series(layout(), name, ids, start=now.start, end=now.end, compare=compare)

    def draw(view: views_series.SeriesView) -> None:
        newest[:] = [view]
        for one in view.series:
            if one.metric in charts:
                _fill(charts[one.metric], one, view, marks)

    def draw_marks(view: views_marks.MarksView) -> None:
        if marks == view.marks:
            return
        marks[:] = view.marks
        for found in newest:
            draw(found)

    key = (name, chosen.name, *(() if chosen.live else (chosen.start, chosen.end)))
    every = min(max(chosen.step / 30.0, 2.0), 60.0) if chosen.live else 60.0
    live(question, draw, key=("series", *key, compare, *ids), every=every)
    live(lambda: _marks(name, chosen), draw_marks, key=("marks", *key), every=5.0)


def _marks(name: str, chosen: Window) -> views_marks.MarksView:
    """Of the window; its own bounds move, which is no news."""
    now = chosen.moved()
    found = views_marks.marks(layout(), name, start=now.start, end=now.end)
    found.start = found.end = 0.0
    return found


def _fill(
    found: Chart, one: views_series.Series, view: views_series.SeriesView, marks: Sequence[views_marks.Mark]
) -> None:
    lines = [_line(line, view) for line in one.lines]
    if one.usual is not None:
        lines.append(_line(one.usual, view, muted=True))
    found.fill(
        lines, start=view.start, end=max(view.end, view.start + view.step), limits=_limits(one.limits), marks=_marked(marks),
        note=view.note,
    )  # fmt: skip


def _line(line: views_series.Line, view: views_series.SeriesView, *, muted: bool = False) -> Line:
    def points(values: Sequence[float | None]) -> list[tuple[float, float | None]]:
        return list(zip(view.times, values, strict=True))

    made = Line(line.name, points(line.values), tone="muted" if muted else _tone(line), muted=muted)
    if line.low and line.high and not muted:
        made.low, made.high = points(line.low), points(line.high)
    return made


def _tone(line: views_series.Line) -> str:
    return line.role if line.role in ("stable", "canary", "shadow", "human") else ""


def _limits(found: Sequence[views_limits.Limit]) -> list[Limit]:
    """The strictest few: a chart full of limits says nothing."""
    return [
        Limit(one.words + (f" ({one.version})" if one.version else ""), one.value, "firing" if one.severity == "page" else "warning")
        for one in found[:3]
    ]  # fmt: skip


def _marked(marks: Sequence[views_marks.Mark]) -> list[Mark]:
    return [Mark(one.time, one.kind, one.words, one.link, LEVELS.get(one.level, "")) for one in marks]


def _more(name: str, shown: dict[str, list[str]]) -> None:
    """Any other metric, and back to those chosen by themselves."""
    have = [id for ids in shown.values() for id in ids]
    there = [id for ids in views_series.choices(layout(), name).values() for id in ids if id not in have]

    def add(id: str) -> None:
        if id:
            set_query(charts=",".join([*have, id]))
            ui.navigate.to(with_query())

    with box("tg-row tg-no-print"):
        field(
            "Another chart",
            "",
            kind="select",
            options=[("", "choose a metric"), *((id, id) for id in there)],
            on_value=add,
        )
        if query("charts"):
            button("Only those that tell most", lambda: ui.navigate.to(with_query(charts="")), kind="quiet")


def _answers(name: str, chosen: Window) -> None:
    """Quality and behaviour: charts are made as metrics turn up, and stay."""
    surface = card("Quality and behaviour", note="from labels and events, by time of prediction")
    with surface:
        note = text("Looking for labels and events…", "tg-note")
        place = box("tg-charts")
    charts: dict[str, Chart] = {}

    def question() -> views_series.SeriesView:
        from tidegate.app import label_options

        now = chosen.moved(time.time() // LATER * LATER)
        return views_answers.answers(layout(), name, label_options(layout(), name)[0], start=now.start, end=now.end)

    def draw(view: views_series.SeriesView) -> None:
        told = bool(view.series)
        note.set_text(
            view.note or ("" if told else "No label and no event has come for the predictions of this window.")
        )
        for one in view.series[:12]:
            if one.metric not in charts:
                with place:
                    charts[one.metric] = _chart(one.metric, chosen)
            _fill(charts[one.metric], one, view, ())

    key = (name, chosen.name, *(() if chosen.live else (chosen.start, chosen.end)))
    live(question, draw, key=("answers", *key), every=LATER)
