"""`/endpoints/{name}/automation`: who decides here, people or the model; on what evidence; and moves between the degrees.

review.degrees.standing (3 s) -> the degrees as a track, errors, load; what each higher degree asks for; how it came here
"""

from __future__ import annotations

import asyncio

from tidegate.app import automation_of
from tidegate.errors import Conflict
from tidegate.review import degrees
from tidegate.review.degrees import Standing
from tidegate.storage.automation import Move
from tidegate.types.traffic import Level
from tidegate.ui.components import (
    Column,
    Field,
    Row,
    ask,
    at,
    badge,
    box,
    button,
    card,
    confirm,
    link,
    say,
    stat,
    table,
    text,
    to,
    words,
)
from tidegate.ui.components.cells import Cell
from tidegate.ui.components.track import Share, Step, track
from tidegate.ui.frame import head, page
from tidegate.ui.live import forget, live
from tidegate.ui.project import layout
from tidegate.ui.who import who

WORDS: dict[Level, str] = {
    "human": "People decide; the model isn't asked.",
    "shadow": "People decide; nobody sees what the model says.",
    "assist": "People decide, and see what the model says.",
    "partial": "The model decides what it is sure of, people the rest.",
    "full": "The model decides.",
}


@page("/endpoints/{name}/automation", title="Who decides at {name}", nav="overview")
def automation(name: str) -> None:
    head().path(("Overview", "/"), (name, to("endpoints", name)))
    state: list[Standing] = [_read(name)]
    with head().tools:
        link("Answer what waits", to("review", state[0].queue), "tg-button")
        if who().may("operate"):
            button("Move…", lambda: _move(state[0]), kind="primary")
    with card("Degree of automation"), box("tg-stack"):
        lead = text("", "tg-lead")
        line = track()
    with box("tg-grid-narrow"):
        errors = stat("Errors of the model", "share", large=True)
        decides = stat("Decides from confidence")
        decided = stat("Errors of what it decides", "share")
        waits = stat("Waiting for people", href=to("review", state[0].queue))
        delay = stat("Until people decide", "s")
    with box("tg-split"):
        with card("What more would ask for", flush=True, note="bounds hold at 95%, however often one looks"):
            gates = table(
                [Column("level", "Degree"), Column("open", "Now"), Column("why", "Because")],
                empty="It is at the highest degree.",
            )
        with card("How it came here", flush=True):
            moves = table(
                [Column("when", "When"), Column("what", "What"), Column("by", "By")],
                empty="It was never moved: it is where the project file puts it.",
            )

    def draw(found: Standing) -> None:
        state[:] = [found]
        seen, here = found.evidence, degrees.LEVELS.index(found.level)
        lead.set_text(WORDS[found.level])
        steps = [
            Step(place, level, "setWeight", "now" if place == here else "done" if place < here else "next")
            for place, level in enumerate(degrees.LEVELS)
        ]
        share = 1.0 if found.level == "full" else seen.share if found.level == "partial" else 0.0
        line.fill(steps, _shares(share), label="Degrees of automation")
        errors.show(
            seen.errors.rate if seen.errors.n else None,
            sub=f"{seen.errors.bad:,} of {seen.errors.n:,}, {_between(seen.errors)}"
            if seen.errors.n
            else "nothing is compared yet",
        )
        decides.show(
            f"{seen.in_force:g}" if seen.in_force is not None else None,
            sub=f"{seen.share:.0%} of all rows" if seen.in_force is not None else "no evidence for any yet",
        )
        bad = seen.decided.low > found.target_error
        decided.show(
            seen.decided.rate if seen.decided.n else None,
            tone="firing" if bad else "",
            sub=f"{seen.decided.n:,} audited; target {found.target_error:.2%}"
            if seen.decided.n
            else "nothing is audited since the last move",
        )
        waits.show(seen.open, sub=f"{seen.day:,} decided in a day")
        delay.show(
            round(seen.delay[0], 1) if seen.delay[1] else None,
            sub=f"90% within {seen.delay[1]:.0f} s" + (f", {seen.late:.0%} late" if seen.late else "")
            if seen.delay[1]
            else "",
        )
        gates.fill([_gate(gate) for gate in found.gates if degrees.LEVELS.index(gate.level) > here])
        moves.fill([_moved(one) for one in reversed(found.moves)])

    draw(state[0])
    live(lambda: _read(name), draw, key=("automation", name), every=3.0)


def _read(name: str) -> Standing:
    one = automation_of(layout(), name)
    return degrees.standing(layout(), name, one.options, one.version)


def _shares(share: float) -> list[Share]:
    model, people = 100 * share, 100 - 100 * share
    return [
        Share("human", "people decide", people, f"{people:.0f}%"),
        Share("stable", "the model decides", model, f"{model:.0f}%"),
    ]


def _between(rate: degrees.Rate) -> str:
    return f"{rate.low:.1%} to {rate.high:.1%}"


def _gate(gate: degrees.Gate) -> Row:
    cells: dict[str, Cell] = {
        "level": words(gate.level),
        "open": badge("open", "ok") if gate.open else badge("shut", "muted"),
        "why": gate.why,
    }
    return Row(gate.level, cells)


def _moved(one: Move) -> Row:
    by = f"{one.actor}, against the evidence" if one.forced else one.actor
    cells: dict[str, Cell] = {
        "when": at(one.time),
        "what": words(f"{one.before} → {one.after}", sub=one.reason),
        "by": by,
    }
    return Row(f"{one.time}", cells)


async def _move(found: Standing) -> None:
    """Choose a degree, give a reason; what the evidence doesn't allow says so, and is asked for once more with that said."""
    who().must("operate")
    others = [
        (level, f"{level}: {WORDS[level].rstrip('.').lower()}") for level in degrees.LEVELS if level != found.level
    ]
    here = degrees.LEVELS.index(found.level)
    ahead = degrees.LEVELS[min(here + 1, len(degrees.LEVELS) - 1)]
    choice = Field(
        "level", "Degree", kind="select", value=ahead if ahead != found.level else others[-1][0], options=others
    )
    answer = await confirm(
        f"Who decides at {found.endpoint}?", "Up it goes one degree at a time, as far as the evidence allows; down at once.",
        fields=[choice], verb="Move",
    )  # fmt: skip
    if answer is None:
        return
    who().must("operate")
    one = await asyncio.to_thread(automation_of, layout(), found.endpoint)
    level, reason = str(answer["level"]), str(answer["reason"])

    def put(force: bool) -> Standing:
        return degrees.move(
            layout(), found.endpoint, one.options, one.version, level, actor=who_moves, reason=reason, force=force
        )

    who_moves = who().actor
    try:
        await asyncio.to_thread(put, False)
    except Conflict as exc:
        if await ask("The evidence doesn't allow it", str(exc), verb="Set it aside and move", danger=True) is None:
            return
        who().must("operate")
        await asyncio.to_thread(put, True)
    forget()
    say(f"{found.endpoint}: {WORDS[level]}")  # type: ignore[index]
