"""`/endpoints/{name}/rollout` (the newest) and `/rollouts/{id}` (for good; `#decision-3` is one of its decisions). Prints as a report.

views.rollouts (2 s) ---> explanation, track, what it waits for, decisions      views.forecast (30 s) -> what each step will take
views.evidence (5 s) ---> _rollout_evidence.py                                  views.shadow (20 s) ---> _rollout_pairs.py
acts -------------------> _rollout_acts.py
"""

from __future__ import annotations

import time

import msgspec
from nicegui import ui

from tidegate.types.rollouts import Decision, Example, Freeze, RolloutState
from tidegate.ui.components import (
    Column,
    Facts,
    Plain,
    Row,
    at,
    badge,
    banner,
    box,
    button,
    card,
    empty,
    facts,
    link,
    num,
    pill,
    table,
    text,
    to,
    words,
)
from tidegate.ui.components.cells import Cell
from tidegate.ui.components.track import Share, Step, track
from tidegate.ui.frame import head, page
from tidegate.ui.live import live
from tidegate.ui.pages import _rollout_acts as acts
from tidegate.ui.pages._rollout_evidence import evidence_cards
from tidegate.ui.pages._rollout_pairs import pairs_card
from tidegate.ui.pages._words import sentence
from tidegate.ui.project import layout
from tidegate.ui.who import who
from tidegate.views import explanation
from tidegate.views.forecast import Remaining, remaining
from tidegate.views.rollouts import RolloutView, history, read, read_one, short

PHASES = {"Pending": "muted", "Progressing": "accent", "Paused": "warning", "Healthy": "ok", "Degraded": "firing"}
WAITS = frozenset({"pause", "evidence", ""})
"""Reasons of Paused that are a step of the plan, not a trouble."""

TONES = {"alarm": "firing", "abort": "firing", "undo": "firing", "pause": "warning", "finish": "ok"}
SHOWN = 8


@page("/endpoints/{name}/rollout", title="Rollout of {name}", nav="rollouts")
def newest(name: str) -> None:
    if not history(layout(), name, 1):
        head().path(("Rollouts", "/rollouts"))
        empty(
            f"{name} has had no rollout",
            "A rollout lets a new version's traffic in as far as the evidence allows. Start one at a model's version.",
            f"tidegate rollout start {name} --to VERSION",
        )
        link("To the models", "/models")
        return
    view = read(layout(), name, courses=False)

    def draw(id: int) -> None:
        if id != view.state.id:  # another has begun: this address is always the newest's
            ui.navigate.reload()

    _build(view)
    live(lambda: read(layout(), name, courses=False).newest, draw, key=("newest rollout", name))


@page("/rollouts/{id}", title="Rollout {id}", nav="rollouts")
def rollout(id: int) -> None:
    _build(read_one(layout(), id))


def tone(state: RolloutState) -> str:
    """Of where it stands."""
    return phase_tone(state.phase, state.reason)


def phase_tone(phase: str, reason: str) -> str:
    """Of a phase: a pause that the plan asks for is no trouble."""
    return "accent" if phase == "Paused" and reason in WAITS else PHASES[phase]


def _build(first: RolloutView) -> None:
    id, endpoint = first.state.id, first.state.endpoint
    head().path(("Rollouts", "/rollouts"), (endpoint, to("endpoints", endpoint)))
    head().title.set_text(f"{endpoint}: {first.state.stable} → {first.state.canary}")
    newest_view = [first]
    with head().tools:
        buttons = _buttons(newest_view)

    frozen = banner("", "warning")
    with card(), box("tg-split"):
        with box("tg-stack"):
            pills = box("tg-row")
            said = text("", "tg-lead")
            why = box("tg-stack-tight")
        with box("tg-stack-tight tg-no-print"):
            steps_title = text("What to do", "tg-h3")
            steps = box("tg-next", "ul")
    with card("Where it stands", note="a station is a share of the traffic"):
        line = track()
        with box("tg-inline"):
            outlook = facts()
    evidence_cards(id, first.state.active)
    if any(spec.source == "paired" for spec in first.state.plan.metrics):
        pairs_card(first.state)
    with box("tg-split"):
        with box("tg-stack"):
            examples_card = card("Requests that counted as bad", flush=True, note="those that decided first")
            with examples_card:
                examples = table(
                    [
                        Column("id", "Prediction"), Column("metric", "Counted as"), Column("by", "Answered by"),
                        Column("status", "Status", num=True), Column("time", "When"),
                    ]
                )  # fmt: skip
            with card("Rollouts of this endpoint", flush=True):
                earlier = table(
                    [Column("id", "Rollout"), Column("phase", "Phase"), Column("why", "Why"), Column("when", "Started")]
                )
        with card("Decisions", note="each with its own address"):
            decisions = box("tg-timeline", "ol")
    drawn: dict[str, int] = {}

    def draw(view: RolloutView) -> None:
        newest_view[0] = view
        state = view.state
        told = explanation.explain(view)
        pills.clear()
        with pills:
            pill(state.phase, tone(state))
            text(f"Rollout {state.id}", "tg-note")
            text(f"{state.plan.strategy} strategy", "tg-note")
            if state.attempt > 1:
                text(f"attempt {state.attempt}", "tg-note")
            text(f"started {_clock(state.created)} by {state.actor}", "tg-note")
        said.set_text(told.headline)
        why.clear()
        with why:
            sentence(told.why, classes="tg-prose")
            for metric in told.metrics:
                sentence(f"{metric.name}: {metric.words}.", classes="tg-prose")
            if told.decision:
                link(
                    f"Decided {_clock(told.decided)} by {told.decided_by}",
                    f"/rollouts/{state.id}#decision-{told.decision}",
                )
        steps.clear()
        with steps:
            for step in told.next:
                sentence(step, "li")
        steps_title.set_visibility(bool(told.next))
        freeze = view.freeze if view.newest == state.id else None
        frozen.set_text(_frozen(freeze) if freeze is not None else "")
        frozen.set_visibility(freeze is not None)
        _outlook(outlook, view)
        for name, one in buttons.items():
            one.set_visibility(_fits(name, view))
        decided = [one.name for one in told.metrics]
        bad = sorted(view.examples, key=lambda one: (one.metric not in decided, -one.time))[:SHOWN]
        examples.fill([_example(state.endpoint, number, one) for number, one in enumerate(bad)])
        examples_card.set_visibility(bool(view.examples))
        if drawn.get("decisions") != len(view.decisions):
            drawn["decisions"] = len(view.decisions)
            decisions.clear()
            with decisions:
                for decision in reversed(view.decisions):
                    _decision(decision)
        _track()

    left: list[Remaining] = []

    def _track() -> None:
        view = newest_view[0]
        state = view.state
        needs = {step.number: step for step in left[0].steps} if left and state.active else {}
        shown = []
        for step in view.steps:
            need = needs.get(step.number)
            sub = (
                f"about {short(max(1, round(need.seconds)))}"
                if need is not None and need.seconds > 0 and step.state == "next"
                else ""
            )
            shown.append(Step(step.number, step.text, state.plan.steps[step.number].kind, step.state, sub))
        until = view.time + view.waiting.seconds if state.active and view.waiting.seconds > 0 else 0.0
        stable = "human" if state.plan.human else "stable"
        traffic = [
            Share(stable, "people" if state.plan.human else f"version {state.stable}", 100 - weight(state), f"{100 - weight(state):g}%"),
            Share("canary", f"version {state.canary}", weight(state), f"{weight(state):g}%"),
        ]  # fmt: skip
        mirror = (
            Share("shadow", f"of the requests copied to version {state.canary}", 0.0, f"{state.mirror:g}%")
            if state.mirror
            else None
        )
        line.fill(shown, traffic, mirror=mirror, until=round(until), label=f"Steps of rollout {state.id}")

    def draw_left(found: Remaining) -> None:
        left[:] = [found]
        _track()

    def draw_history(found: list[RolloutState]) -> None:
        earlier.fill([history_row(one, current=one.id == id) for one in found])

    draw(first)
    live(lambda: _still(read_one(layout(), id)), draw, key=("rollout", id), every=2.0 if first.state.active else 10.0)
    if first.state.active:
        live(lambda: remaining(layout(), id), draw_left, key=("rollout left", id), every=30.0)
    live(lambda: history(layout(), endpoint, SHOWN), draw_history, key=("rollouts of", endpoint), every=5.0)


def weight(state: RolloutState) -> float:
    """Percent of the traffic that the new version has; all of it once it has taken over."""
    return 100.0 - state.plan.holdback if state.phase == "Healthy" else state.weight


def history_row(state: RolloutState, *, current: bool = False) -> Row:
    """A line of a list of rollouts."""
    lasted = state.ended - state.created if state.ended else None
    return Row(
        str(state.id),
        {
            "id": words(f"{state.stable} → {state.canary}", sub=f"rollout {state.id}{', this one' if current else ''}"),
            "endpoint": state.endpoint,
            "phase": badge(state.phase, tone(state)),
            "why": words(explanation.headline(state), sub=state.message),
            "when": at(state.created),
            "lasted": num(lasted, "s") if lasted is not None else badge("still on", "accent"),
            "by": state.actor,
        },
        to("rollouts", state.id),
    )


def _still(view: RolloutView) -> RolloutView:
    """Of a rollout that is over: without what moves on with the clock, so that nothing is sent for nothing."""
    return view if view.state.active else msgspec.structs.replace(view, time=0.0, units_per_second=0.0)


def _buttons(newest_view: list[RolloutView]) -> dict[str, Plain]:
    """All there may be; draw() shows those that fit."""
    show = Plain("button", "tg-button tg-button-quiet", "Print", type="button")
    show.on("click", js_handler="() => window.print()")
    if not who().may("operate"):
        return {}

    def made(name: str, label: str, kind: str = "") -> Plain:
        act = getattr(acts, name)
        return button(label, lambda: act(newest_view[0].state), kind=kind)

    return {
        "freeze": button("Freeze…", lambda: acts.freeze(newest_view[0].state.endpoint, [newest_view[0].state.endpoint]), kind="quiet"),
        "unfreeze": button("End the freeze…", lambda: acts.unfreeze(_frozen_what(newest_view[0])), kind="quiet"),
        "pause": made("pause", "Pause…"),
        "resume": made("resume", "Resume…"),
        "retry": made("retry", "Retry…"),
        "undo": made("undo", "Undo…", "danger"),
        "promote_full": made("promote_full", "To the end…"),
        "abort": made("abort", "Abort…", "danger"),
        "promote": made("promote", "Promote…", "primary"),
    }  # fmt: skip


def _fits(name: str, view: RolloutView) -> bool:
    """Whether an act makes sense now; whether it may be done is for the command to say."""
    state = view.state
    if view.newest != state.id:
        return False
    stopped = state.phase == "Paused" and state.reason not in WAITS
    step = state.plan.steps[state.step] if state.step < len(state.plan.steps) else None
    return {
        "freeze": view.freeze is None,
        "unfreeze": view.freeze is not None,
        "pause": state.phase in ("Progressing", "Paused") and not stopped,
        "resume": stopped,
        "retry": state.phase == "Degraded" and state.reason != "alarm",
        "undo": state.phase == "Healthy",
        "promote_full": state.phase in ("Progressing", "Paused"),
        "abort": state.active,
        "promote": state.phase in ("Progressing", "Paused") and step is not None and not step.proof,
    }[name]


def _outlook(found: Facts, view: RolloutView) -> None:
    state = view.state
    if not state.active:
        pairs: list[tuple[str, Cell]] = [("Ended", at(state.ended or None))]
        if state.ended:
            pairs.append(("Took", num(state.ended - state.created, "s")))
        found.fill(pairs)
        return
    so_far = f"{view.units:,} units so far"
    if view.units_per_second > 0:
        so_far += f", {view.units_per_second:.3g} a second"
    pairs = [
        ("Waits for", words(view.waiting.what.replace("`", ""), sub=so_far)),
        ("In this step", num(round(state.in_step), "s")),
    ]
    if view.waiting.seconds > 0:
        pairs.append(("May move on", at(round(view.time + view.waiting.seconds))))
    found.fill(pairs)


def _example(endpoint: str, number: int, one: Example) -> Row:
    return Row(
        f"{one.prediction_id} {one.metric} {number}",
        {
            "id": words(
                one.prediction_id[-9:], mono=True, title=one.prediction_id, href=to("log", endpoint, one.prediction_id)
            ),
            "metric": words(one.metric, sub=one.error[:200]),
            "by": badge(f"version {one.version}", one.role if one.role in ("stable", "canary", "shadow") else "muted"),
            "status": num(one.status, tone="firing") if one.status >= 500 else one.status or None,
            "time": at(one.time or None),
        },
    )


def _decision(one: Decision) -> None:
    mark = TONES.get(one.event) or ("human" if one.actor != "controller" else "muted")
    with box(f"tg-moment tg-tone-{mark}", "li", id=f"decision-{one.number}"):
        with box("tg-moment-words"):
            sentence(explanation.decided(one))
            text(f"by {one.actor}", "tg-note")
        with box("tg-row tg-label"):
            Plain("time", text=_clock(one.time))
            link(f"Decision {one.number}", f"/rollouts/{one.rollout}#decision-{one.number}")


def _frozen_what(view: RolloutView) -> str:
    return view.freeze.endpoint if view.freeze is not None else view.state.endpoint


def _frozen(found: Freeze) -> str:
    what = "Everything is" if found.endpoint == acts.ALL else f"{found.endpoint} is"
    return f"{what} frozen until {_clock(found.until)} by {found.actor}: {found.reason}. Going back is still allowed."


def _clock(moment: float) -> str:
    return time.strftime("%d %b %H:%M:%S UTC", time.gmtime(moment))
