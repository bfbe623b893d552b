"""`/project` and `/project/{endpoint}`: the life cycle with its ways back, and whether it is ready.

readiness (30 s; it looks at the whole state) -> cycle, report
"""

from __future__ import annotations

import msgspec

from tidegate.readiness.base import SECTIONS, TITLES, Check, Report
from tidegate.readiness.cycle import Cycle, cycle
from tidegate.readiness.evidence import collect, names
from tidegate.readiness.report import report
from tidegate.ui.components import (
    Column,
    Plain,
    Row,
    badge,
    box,
    card,
    empty,
    pill,
    stat,
    table,
    tabs,
    text,
    to,
    words,
)
from tidegate.ui.frame import page
from tidegate.ui.live import live
from tidegate.ui.project import layout

TONES = {"held": "ok", "by hand": "human", "missed": "firing", "unknown": "warning", "not asked": "muted"}
ASKED = {**TITLES, "baselines": "Baselines, data and the way back"}


class Shown(msgspec.Struct):
    """What the page shows."""

    cycle: Cycle
    report: Report


@page("/project", title="Project", nav="project")
def choose() -> None:
    from nicegui import ui

    known = names(layout(), None) if (layout().root / "state.db").exists() else []
    if known:
        ui.navigate.to(to("project", known[0]))
        return
    empty(
        "No endpoint yet",
        "The life cycle is that of what is served. Add a model, and say what it is for:",
        "tidegate init model.skops",
    )


@page("/project/{endpoint}", title="Project", nav="project")
def project(endpoint: str) -> None:
    known = names(layout(), None)
    if len(known) > 1:
        tabs([(name, to("project", name), name == endpoint) for name in known])
    place = box("tg-stack")
    drawn: list[bytes] = [b""]

    def draw(found: Shown) -> None:
        seen = msgspec.json.encode([found.cycle, found.report.questionnaire, found.report.rubric])
        if seen == drawn[0]:
            return
        drawn[0] = seen
        place.clear()
        with place:
            _cycle(found.cycle)
            _ready(found.report)

    live(lambda: _read(endpoint), draw, key=("project", endpoint), every=30.0)


def _read(endpoint: str) -> Shown:
    seen = collect(layout(), None, endpoint)
    made = report(seen)
    return Shown(cycle(seen, made), made)


def _cycle(found: Cycle) -> None:
    with card("Life cycle", note=found.goal or "what it is for isn't written down: scoping.goal"):
        with box("tg-cycle", "ol"):
            for stage in found.stages:
                done = stage.done == len(stage.parts)
                state = "tg-is-here" if stage.here else "tg-is-done" if done else ""
                with box(f"tg-cycle-stage {state}", "li"):
                    with box("tg-cycle-head"):
                        text(stage.name.capitalize(), "tg-h3", "h3")
                        text(f"{stage.done} of {len(stage.parts)}", "tg-note")
                    with box("tg-cycle-parts", "ul"):
                        for part in stage.parts:
                            Plain("li", "tg-is-done" if part.done else "", part.words, title=part.found)
        if found.back:
            with box("tg-cycle-back", "ul"):
                for way in found.back:
                    with box("tg-row", "li"):
                        pill(f"{way.origin} → {way.to}", "warning")
                        text(way.why)
                        text(way.do.replace("`", ""), "tg-note")
        else:
            text("No way back is open: no incident, no mistake with a tag, nothing that went back.", "tg-note")


def _ready(found: Report) -> None:
    with card("Readiness", note=f"{found.meaning}"), box("tg-grid-narrow"):
        faults = len(found.faults)
        stat("Questionnaire", large=True).show(
            "held" if found.ready else f"{faults} faults",
            tone="ok" if found.ready else "firing",
            sub=f"{len(found.questionnaire)} questions",
        )
        stat("ML Test Score", large=True).show(f"{found.score:g}", sub="of 7: the weakest section")
        for name in SECTIONS:
            stat(TITLES[name]).show(f"{found.sections[name]:g}", sub="of 7")
    if found.next:
        with card("What to do next", flush=True):
            table([Column("what", "What"), Column("do", "How")]).fill(
                [
                    Row(
                        check.id,
                        {
                            "what": words(check.title, sub=check.found),
                            "do": words(check.do.replace("`", ""), mono=True),
                        },
                    )
                    for check in found.next[:8]
                ]
            )
    sections: dict[str, list[Check]] = {}
    for check in found.questionnaire:
        sections.setdefault(check.section, []).append(check)
    with card("Questionnaire", flush=True, note="scoping, in the project file, against what is there"):
        _checks([(ASKED[name], checks) for name, checks in sections.items()])
    with card("ML Test Score", flush=True, note="Breck et al. 2017"):
        _checks([(TITLES[name], [check for check in found.rubric if check.section == name]) for name in SECTIONS])


def _checks(parts: list[tuple[str, list[Check]]]) -> None:
    rows = []
    for title, checks in parts:
        for check in checks:
            rows.append(
                Row(
                    check.id,
                    {
                        "section": title,
                        "what": check.title,
                        "status": badge(check.status, TONES[check.status]),
                        "found": words(check.found, sub=check.do.replace("`", "")),
                    },
                )
            )
    table(
        [
            Column("status", ""),
            Column("what", "What"),
            Column("found", "What it rests on"),
            Column("section", "Section"),
        ]
    ).fill(rows)
