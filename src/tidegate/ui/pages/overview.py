"""`/`: every endpoint, what needs a person first; made to hang on a wall.

views.overview (2 s) ------> one line for all, the project's figures, a row an endpoint
views.answers.lately (30 s) -> how good the answers have been, as far as labels came
"""

from __future__ import annotations

from tidegate.metrics import registry
from tidegate.ui.components import Plain, Stat, banner, box, card, code, empty, stat, text
from tidegate.ui.components.links import to
from tidegate.ui.components.wall import Wall, WallArm, WallFigure, WallNeed, WallRollout, WallRow
from tidegate.ui.frame import page
from tidegate.ui.live import live
from tidegate.ui.project import layout
from tidegate.views.answers import Lately, lately
from tidegate.views.overview import EndpointRow, Need, Overview, Trend, overview

STATES = {"ok": "well", "warning": "look", "firing": "act", "muted": "quiet"}
YOUNG = 15
UNITS = {"share": "share", "seconds": "s", "per_second": "/s", "bytes": "bytes", "count": "count", "number": ""}


@page("/", title="Overview", nav="overview")
def show() -> None:
    """The first page."""
    known: dict[str, Lately] = {}
    newest: list[Overview] = []
    with box("tg-stack", id="overview"):
        line = text("Looking…", "tg-wall-line", "p")
        top = box("tg-grid-narrow tg-wall-top")
        with top:
            load = stat("Server load, a core", "", large=True)
            answered = stat("Answers that aren't null", "share", large=True, href="/monitors")
            missing = stat("Missing inputs", "share", large=True, href="/monitors")
            rate = stat("Requests", "/s", large=True)
            spent = stat("False alarms in 30 days", "", large=True, href="/alarms")
            incidents = stat("Open incidents", "", large=True, href="/alarms")
            rollouts = stat("Rollouts in progress", "", large=True, href="/rollouts")
        problems = box("tg-stack-tight")
        wall = Wall()
        first = _first_steps()
        first.set_visibility(False)

    def draw(view: Overview) -> None:
        newest[:] = [view]
        line.set_text(_line(view))
        line.set_classes(f"tg-wall-line tg-tone-{_level(view)}")
        rows = view.endpoints
        rate.show(
            sum(row.rate.value or 0.0 for row in rows) if rows else None,
            sub=f"{len(rows)} endpoint{'' if len(rows) == 1 else 's'}",
        )
        load.show(
            rows[0].load.value if rows else None, tone=_tone(rows[0].load) if rows else "",
            sub=_limit(rows[0].load, "") if rows else "",
        )  # fmt: skip
        _worst(answered, [(row.name, row.answered) for row in rows], lowest=True)
        _worst(missing, [(row.name, row.missing) for row in rows], lowest=False)
        over = view.watching.false > view.watching.allowed
        spent.show(
            view.watching.false, tone="firing" if over else "",
            sub=f"of {view.watching.allowed:g} allowed; {view.watching.raised} raised",
        )  # fmt: skip
        open_ = sum(row.incidents for row in rows)
        incidents.show(open_, tone=_level(view) if open_ else "", sub="the most urgent first" if open_ else "none")
        going = [row.rollout for row in rows if row.rollout is not None]
        held = sum(one.person for one in going)
        rollouts.show(
            len(going), tone="warning" if held else "", sub=f"{held} wait for a person" if held else "none waits for a person"
        )  # fmt: skip
        problems.clear()
        with problems:
            for need in [*view.problems, *_down(view)]:
                banner(need.words, need.level)
        wall.fill([_row(row, known.get(row.name)) for row in rows])
        for one in (wall, top):
            one.set_visibility(bool(rows))
        first.set_visibility(not rows)

    def draw_quality(found: dict[str, Lately]) -> None:
        known.clear()
        known.update(found)
        if newest:
            wall.fill([_row(row, known.get(row.name)) for row in newest[0].endpoints])

    live(lambda: overview(layout()), draw, key="overview")
    live(_quality, draw_quality, key="overview quality", every=30.0)


def _worst(shown: Stat, found: list[tuple[str, Trend]], *, lowest: bool) -> None:
    """The endpoint that is worst off, with what it is held against."""
    known = [(name, trend) for name, trend in found if trend.value is not None]
    if not known:
        shown.show(None, sub="no traffic yet")
        return
    name, trend = (min if lowest else max)(known, key=lambda one: one[1].value or 0.0)
    where = f"{name}{f' {trend.detail}' if trend.detail else ''}"
    shown.show(trend.value, tone=_tone(trend), sub=", ".join(part for part in (where, _limit(trend, "share")) if part))


def _quality() -> dict[str, Lately]:
    from tidegate.app import label_options

    place = layout()
    return {
        row.name: found
        for row in overview(place).endpoints
        if (found := lately(place, row.name, label_options(place, row.name)[0])) is not None
    }


def _level(view: Overview) -> str:
    levels = [row.level for row in view.endpoints] + [need.level for need in view.problems]
    return next((level for level in ("firing", "warning") if level in levels), "ok" if view.running else "muted")


def _line(view: Overview) -> str:
    """The whole project in one line."""
    if not view.endpoints:
        return "No endpoint yet"
    if view.needs:
        return f"{view.needs} thing{'s' if view.needs > 1 else ''} need{'' if view.needs > 1 else 's'} a person"
    if not view.running:
        return "The project doesn't run"
    look = [row.name for row in view.endpoints if row.level == "warning"]
    return f"Worth a look: {', '.join(look)}" if look else "All is well"


def _down(view: Overview) -> list[Need]:
    if view.running or not view.endpoints:
        return []
    return [
        Need("The project doesn't run: what you see is from before. `tidegate up` starts it.", "/settings", "muted")
    ]


def _row(row: EndpointRow, quality: Lately | None) -> WallRow:
    arms = [WallArm(arm.version, "stable" if arm.role == "baseline" else arm.role, arm.weight) for arm in row.arms]
    rollout = None
    if row.rollout is not None:
        one = row.rollout
        words = f"{one.canary}: step {min(one.step + 1, one.steps)} of {one.steps}, {one.words}"
        rollout = WallRollout(to("rollouts", one.id), words, one.step, one.steps, one.person)
    needs = [WallNeed(need.words, need.link, need.level, need.since) for need in row.needs]
    figures = [
        _figure("rate", "Requests", row.rate, "/s"),
        _figure("p99", "p99 latency", row.p99, "s"),
        _figure("errors", "Errors", row.errors, "share"),
        _figure("drift", "Most drifted", row.drift, "share", row.drift.detail),
        _figure("missing", "Missing inputs", row.missing, "share", row.missing.detail),
        _figure("answered", "With an answer", row.answered, "share"),
        _quality_figure(row, quality),
    ]
    href = to("endpoints", row.name)
    return WallRow(row.name, href, row.name, row.level, STATES[row.level], row.words, needs, arms, figures, rollout)


def _figure(key: str, label: str, trend: Trend, unit: str, detail: str = "") -> WallFigure:
    sub = "; ".join(words for words in (detail, _limit(trend, unit)) if words)
    return WallFigure(key, label, trend.value, unit, sub, _tone(trend), _course(trend.series))


def _quality_figure(row: EndpointRow, quality: Lately | None) -> WallFigure:
    kept = row.quality
    if quality is not None:
        unit = UNITS.get(registry.unit_of(quality.metric), "")
        estimated = kept.estimated if kept is not None and kept.metric == quality.metric else None
        words = [f"{quality.labels:,} labels"] if quality.realised is not None else ["no labels yet"]
        if estimated is not None:
            words.append(f"estimated {estimated:.3g}")
        tone = kept.level if kept is not None and kept.level != "ok" else ""
        value = quality.realised if quality.realised is not None else estimated
        return WallFigure("quality", quality.name, value, unit, "; ".join(words), tone, quality.series)
    if kept is not None:
        value = kept.realised if kept.realised is not None else kept.estimated
        said = f"{kept.labels:,} labels" if kept.realised is not None else "estimated"
        tone = kept.level if kept.level != "ok" else ""
        return WallFigure("quality", kept.metric.removeprefix("quality."), value, "", said, tone, kept.series)
    return WallFigure("quality", "Quality", None, "", "no labels yet", "", [])


def _course(series: list[float | None]) -> list[float | None]:
    """Of a project younger than the hour, what there is of it: at least a quarter of an hour."""
    first = next((place for place, value in enumerate(series) if value is not None), 0)
    return series[min(first, max(len(series) - YOUNG, 0)) :]


def _tone(trend: Trend) -> str:
    return "" if trend.level == "ok" else trend.level


def _limit(trend: Trend, unit: str) -> str:
    if trend.limit is None:
        return ""
    ids = {"share": "output.null", "s": "software.latency.p99", "/s": "software.throughput"}
    shown = registry.shown(ids[unit], trend.limit) if unit in ids else f"{trend.limit:.3g}"
    return f"{'at most' if trend.bound == 'max' else 'at least'} {shown}"


def _first_steps() -> Plain:
    """What stands here before there is an endpoint."""
    found = card("Nothing is served yet")
    with found, box("tg-stack"):
        empty(
            "An endpoint is the name that callers use; behind it is a version of a model, or several",
            "Write a project file beside your model, start it, and send a request: it appears here within two seconds.",
        )
        for command in ("tidegate init model.skops", "tidegate up"):
            code(command)
        text("Or see it all move first, with real accidents replayed:", "tg-note")
        code("tidegate demo")
    return found
