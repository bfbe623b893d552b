"""`/alarms/{id}`: one incident, from its cause to what to do about it. Prints as a report.

views.incident.report (3 s) -----------> cause, what moved, alarms, timeline, examples, what next
monitoring.past_values (20 s) ---------> the course of what it is about, with its limits
"""

from __future__ import annotations

import time

import msgspec

from tidegate.errors import TidegateError
from tidegate.metrics import registry
from tidegate.types.monitoring import Alarm, Finding, Monitor
from tidegate.ui.acting import guarded
from tidegate.ui.components import (
    Chart,
    Column,
    Limit,
    Line,
    Mark,
    Plain,
    Row,
    at,
    badge,
    bar,
    box,
    button,
    card,
    chart,
    code,
    facts,
    link,
    num,
    pill,
    several,
    table,
    text,
    to,
    words,
)
from tidegate.ui.components.cells import Cell
from tidegate.ui.frame import head, page
from tidegate.ui.live import live
from tidegate.ui.pages import _incident_acts as acts
from tidegate.ui.pages.alarms import HARM, TONES
from tidegate.ui.project import layout
from tidegate.ui.who import who
from tidegate.views.alarms import IncidentView
from tidegate.views.alarms import incident as incident_of
from tidegate.views.incident import ExampleRow, Examples, IncidentReport, examples
from tidegate.views.timeline import Moment

CHARTS = 4
BEFORE, AFTER = 900.0, 1800.0
UNITS = {"share": "share", "seconds": "s", "bytes": "bytes", "count": "count", "per_second": "/s", "number": ""}


class Course(msgspec.Struct):
    """One monitor's values around the incident: (time, value) pairs, and its limits."""

    alarm: int
    metric: str
    monitor: str
    unit: str
    points: list[tuple[float, float | None]]
    high: float | None
    low: float | None


@page("/alarms/{id}", title="Incident {id}", nav="alarms")
def incident(id: int) -> None:
    from tidegate.views.incident import report

    first = report(layout(), id, rows=False)  # so that an incident that isn't there is said at once
    head().path(("Alarms", "/alarms"))
    with head().tools:
        Plain("button", "tg-button tg-button-quiet", "Print", type="button").on(
            "click", js_handler="() => window.print()"
        )
        if who().may("operate"):
            silence = button("Silence…", lambda: acts.new_silence(_match(first)), kind="quiet")
            false = button("False…", lambda: acts.resolve(id, "false", ended()))
            real = button("Real…", lambda: acts.resolve(id, "real", ended()))
            take = button("Take on…", lambda: acts.acknowledge(id), kind="primary")
    newest = [first]

    def ended() -> bool:
        return newest[0].view.incident.state == "resolved"

    judge = guarded(lambda alarm: acts.judge(id, int(alarm)))
    with card(), box("tg-stack"):
        pills = box("tg-row")
        cause = text("", "tg-lead")
        about = facts()
    with box("tg-split"):
        with box("tg-stack"):
            moved_card = card("What moved", flush=True)
            with moved_card:
                moved = table(
                    [
                        Column("column", "Column"),
                        Column("what", "How"),
                        Column("effect", "Distance"),
                        Column("odds", "Evidence", num=True, title="Against chance"),
                    ]
                )
            charts_card = card("Around it", note="what its alarms are about")
            with charts_card:
                charts = box("tg-stack")
            with card("Alarms", flush=True, note="choose one to judge it alone" if who().may("operate") else ""):
                columns = [Column("monitor", "Monitor"), Column("state", "State"), Column("worst", "Worst", num=True)]
                columns += [Column("limit", "Limit", num=True), Column("fired", "Fired"), Column("ended", "Ended")]
                members = table(columns, on_row=judge if who().may("operate") else None)
            examples_card = card("Examples", flush=True, note="predictions to look at")
            with examples_card:
                examples_place = box()
        with box("tg-stack"):
            with card("What to do next"):
                steps = box("tg-stack-tight", "ol")
            with card("What happened when"):
                story = box("tg-timeline", "ol")

    def draw(found: IncidentReport) -> None:
        newest[0] = found
        one, view = found.view.incident, found.view
        pills.clear()
        with pills:
            pill(one.state, TONES[one.state])
            pill(one.severity, "firing" if one.severity == "page" else "muted")
            if one.verdict:
                pill("real" if one.verdict == "real" else "false alarm", "ok" if one.verdict == "real" else "warning")
            if one.harm:
                pill(_harm(one.harm), HARM[one.harm])
            if view.silenced is not None:
                pill("silenced", "muted")
            if one.endpoint != "*":
                link(one.endpoint, to("endpoints", one.endpoint))
        cause.set_text(one.cause)
        about.fill(_facts(found))
        moved.fill([_finding(one.endpoint, number, finding) for number, finding in enumerate(one.findings)])
        moved_card.set_visibility(bool(one.findings))
        members.fill([_member(alarm) for alarm in view.alarms])
        steps.clear()
        with steps:
            for step in view.next:
                with box("tg-stack-tight", "li"):
                    with box("tg-row tg-between"):
                        text(step.why[:1].upper() + step.why[1:])
                        if href := _where(step.command, one.endpoint):
                            link("Open", href, "tg-no-print")
                    code(step.command)
        story.clear()
        with story:
            for moment in found.timeline:
                _moment(moment, one.endpoint)
        if who().may("operate"):
            take.set_visibility(one.state == "firing")
            real.set_visibility(one.verdict != "real")
            false.set_visibility(one.verdict != "false")
            silence.set_visibility(one.state != "resolved")

    drawn: dict[str, Chart] = {}

    def draw_courses(found: list[Course]) -> None:
        charts_card.set_visibility(bool(found))
        one = newest[0].view.incident
        start, end = _span(newest[0].view)
        for course in found:
            if course.monitor not in drawn:
                with charts:
                    drawn[course.monitor] = chart(
                        course.metric,
                        course.unit,
                        height=130,
                        group=f"incident {id}",
                        href=to("monitors", "edit", id=course.monitor),
                    )
            limits = [
                Limit(name, value)
                for name, value in (("above", course.high), ("below", course.low))
                if value is not None
            ]
            alarms = [alarm for alarm in newest[0].view.alarms if alarm.monitor == course.monitor]
            marks = [
                Mark(alarm.fired, "alarm", f"alarm {alarm.id} fired", tone="firing") for alarm in alarms if alarm.fired
            ]
            marks += [Mark(one.opened, "decision", "the incident opened", tone="warning")]
            drawn[course.monitor].fill(
                [Line(course.metric, course.points)], start=start, end=end, limits=limits, marks=marks
            )

    def draw_examples(found: Examples) -> None:
        examples_card.set_visibility(bool(found.rows or found.gone))
        examples_place.clear()
        with examples_place:
            _examples(first.view.incident.endpoint, found)

    draw(first)
    live(lambda: report(layout(), id, rows=False), draw, key=("incident", id), every=3.0)
    live(lambda: _courses(incident_of(layout(), id)), draw_courses, key=("incident courses", id), every=20.0)
    live(lambda: _found_examples(id), draw_examples, key=("incident examples", id), every=120.0)


def _span(found: IncidentView) -> tuple[float, float]:
    one = found.incident
    began = min([one.opened, *(alarm.since for alarm in found.alarms if alarm.since)])
    length = (one.ended or time.time()) - began
    return began - max(BEFORE, length / 2), min((one.ended or time.time()) + AFTER, time.time())


def _courses(found: IncidentView) -> list[Course]:
    """Of the members that can be drawn: those of metrics of profiles; one a metric, the first that fired first."""
    from tidegate.monitoring.past_values import read
    from tidegate.views.monitors import detail

    start, end = _span(found)
    made: list[Course] = []
    for alarm in sorted(found.alarms, key=lambda one: (one.kind == "budget", one.fired)):
        if len(made) == CHARTS or alarm.monitor in {one.monitor for one in made} or not _drawable(alarm):
            continue
        try:
            monitor = detail(layout(), alarm.monitor, window=60.0).view.monitor
        except TidegateError:
            monitor = Monitor(alarm.monitor, alarm.endpoint, alarm.metric, alarm.rule, alarm.version, alarm.segment)
        past = read(layout(), msgspec.structs.replace(monitor, rule=alarm.rule), start=start, end=end)
        values = [(at_, value.value if value else None) for at_, value in zip(past.times, past.values, strict=True)]
        rule = alarm.rule if alarm.rule is not None and not alarm.rule.relative_to else None
        unit = UNITS.get(registry.unit_of(alarm.metric), "")
        made.append(
            Course(
                alarm.id,
                alarm.metric,
                alarm.monitor,
                unit,
                values,
                rule.max if rule else None,
                rule.min if rule else None,
            )
        )
    return [one for one in made if any(value is not None for _, value in one.points)]


def _drawable(alarm: Alarm) -> bool:
    return (
        alarm.kind in ("threshold", "budget")
        and registry.exists(alarm.metric)
        and registry.parse(alarm.metric).metric in registry.profile_metrics()
    )


def _facts(found: IncidentReport) -> list[tuple[str, Cell]]:
    one, view = found.view.incident, found.view
    made: list[tuple[str, Cell]] = [("Since", several(at(one.opened), words(_clock(one.opened), tone="muted")))]
    if one.ended:
        made.append(("Ended", several(at(one.ended), words(_clock(one.ended), tone="muted"))))
    made.append(("How sure", view.sure))
    if one.harm_words:
        made.append(("Harm", one.harm_words))
    if one.notified:
        made.append(("Told", words(f"as a {one.severity}")))
    if one.actor:
        made.append(("By", words(one.actor, sub=one.note)))
    if view.silenced is not None:
        made.append(("Silenced by", words(view.silenced.actor, sub=view.silenced.reason)))
    return made


def _harm(harm: str) -> str:
    return {"harmful": "answers are worse", "harmless": "answers are as good as before", "unknown": "harm unknown"}.get(
        harm, harm
    )


def _finding(endpoint: str, number: int, one: Finding) -> Row:
    import math

    href = to("drift", endpoint, column=one.column) if one.column and one.side in ("input", "output") else ""
    change = f"{one.before} → {one.now}" if one.before or one.now else ""
    where = " ".join(
        part for part in (one.side, f"of version {one.version}" if one.version else "", one.segment) if part
    )
    odds = one.log_e / math.log(10)
    return Row(str(number), {
        "column": words(one.column or one.what, href=href, sub=where), "what": words(one.what, sub=change),
        "effect": bar(one.effect, unit="") if one.effect else None,
        "odds": words(f"10{_raised(odds)} to 1" if odds >= 6 else f"{math.exp(one.log_e):,.0f} to 1") if one.log_e > 1 else None,
    })  # fmt: skip


def _raised(power: float) -> str:
    """An exponent.

    >>> _raised(156.2)
    '¹⁵⁶'
    """
    return f"{power:.0f}".translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))


def _member(one: Alarm) -> Row:
    known = registry.exists(one.metric)
    unit = UNITS.get(registry.unit_of(one.metric), "") if known and one.kind != "budget" else ""
    worst = one.worst if one.worst is not None else one.value
    return Row(str(one.id), {
        "monitor": words(one.monitor, href=to("monitors", "edit", id=one.monitor), sub=one.message, mono=True),
        "state": badge(f"{one.state}{': ' + one.verdict if one.verdict else ''}", TONES.get(one.state, "muted")),
        "worst": num(worst, unit, sub="log evidence" if one.kind == "budget" else ""), "limit": num(one.limit, unit) if one.limit else None,
        "fired": _clock(one.fired) if one.fired else None, "ended": _clock(one.ended) if one.ended else None,
    })  # fmt: skip


def _found_examples(id: int) -> Examples:
    view = incident_of(layout(), id)
    return examples(layout(), view.incident, view.alarms)


def _examples(endpoint: str, found: Examples) -> None:
    if not found.rows:
        text(f"The log has none of the {len(found.gone)} examples any more.", "tg-note tg-pad")
        return
    columns = [Column("id", "Prediction"), Column("version", "Version")]
    columns += [Column(f"c{number}", name) for number, name in enumerate(found.columns)]
    table(columns).fill([Row(row.prediction_id, _example(endpoint, found, row)) for row in found.rows])
    if found.gone:
        text(f"{len(found.gone)} more are no longer in the log.", "tg-note tg-pad")


def _example(endpoint: str, found: Examples, row: ExampleRow) -> dict[str, Cell]:
    href = to("log", endpoint, row.prediction_id)
    cells: dict[str, Cell] = {
        "id": words(row.prediction_id[-9:], mono=True, clip=True, title=row.prediction_id, href=href), "version": row.version,
    }  # fmt: skip
    for number, (name, value) in enumerate(zip(found.columns, row.values, strict=True)):
        moved = "warning" if value is None else "firing" if name in found.moved[:1] else ""
        cells[f"c{number}"] = words("missing" if value is None else value, clip=True, tone=moved)
    return cells


def _moment(one: Moment, endpoint: str) -> None:
    tone = {
        "person": "human",
        "alarm": "firing",
        "incident": "accent",
        "rollout": "canary",
        "change": "stable",
        "told": "muted",
    }[one.kind]
    with box(f"tg-moment tg-tone-{tone}", "li"):
        with box("tg-moment-words"):
            said = f"{one.actor} {one.words}" if one.kind == "person" else one.words
            if one.rollout:
                link(said, f"/rollouts/{one.rollout}#decision-{one.decision}")
            else:
                text(said)
            if one.note:
                text(one.note, "tg-note")
            if one.actor and one.kind != "person":
                text(f"by {one.actor}", "tg-note")
        Plain("time", "tg-label", _clock(one.time))


def _clock(moment: float) -> str:
    return time.strftime("%d %b %H:%M:%S UTC", time.gmtime(moment))


def _where(command: str, endpoint: str) -> str:
    """The page that shows what a command shows; none of acts, which have their buttons."""
    for start, href in (
        ("tidegate drift", to("drift", endpoint)), ("tidegate log", to("log", endpoint)), ("tidegate status", "/"),
        ("tidegate quality", to("endpoints", endpoint)), ("tidegate rollout", to("endpoints", endpoint, "rollout")),
    ):  # fmt: skip
        if command.startswith(start):
            return href
    return ""


def _match(found: IncidentReport) -> str:
    monitors = {alarm.monitor for alarm in found.view.alarms}
    return monitors.pop() if len(monitors) == 1 else f"{found.view.incident.endpoint}/*"
