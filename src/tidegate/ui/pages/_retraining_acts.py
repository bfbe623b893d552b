"""Runs of retraining begun, answered and ended: a question, the right to do it, then the function that the other doors call, too."""

from __future__ import annotations

import asyncio

from nicegui import ui

from tidegate import candidates
from tidegate.app import retraining_of, stable_of
from tidegate.retraining.listing import Plan, plan
from tidegate.types.retraining import Retraining
from tidegate.types.units import parse_duration
from tidegate.ui.components import Field, ask, confirm, say, to
from tidegate.ui.live import forget
from tidegate.ui.project import layout
from tidegate.ui.who import who

WINDOW = Field("window", "Predictions of the last", placeholder="as the project file says", hint="30d, 90d")


async def start(endpoint: str) -> None:
    """Errors: Forbidden, and those of `candidates.ask`."""
    who().must("operate")
    found = await asyncio.to_thread(_plan, endpoint)
    data = found.data
    facts = [
        ("Trainer", found.trainer),
        ("Learns from", f"{data.learned:,} logged rows" + (f", {data.base_rows:,} of files" if data.base_rows else "")),
        ("Judged on", f"{data.judged:,} newer rows, beside version {found.parent}"),
        ("Labels", ", ".join(f"{name}: {count:,}" for name, count in data.labels.items())),
    ]
    words = "A candidate that is surely worse is taken out again; any other goes through the endpoint's rollout."
    if not found.enough:
        words = "There are too few labelled rows: the run will fail and say so. " + words
    given = await ask(f"Retrain {endpoint}?", words, facts=facts, fields=[WINDOW], verb="Retrain")
    if given is None:
        return
    who().must("operate")
    window = str(given.get("window") or "").strip()
    try:
        seconds = parse_duration(window) if window else 0.0
    except ValueError as exc:
        say(f"The window: {exc}", "firing")
        return
    made = await asyncio.to_thread(candidates.ask, layout(), endpoint, actor=who().actor, window=seconds)
    forget()
    ui.navigate.to(to("retraining", made.id))


def _plan(endpoint: str) -> Plan:
    options, rules = retraining_of(layout(), endpoint)
    return plan(layout(), endpoint, options, rules, stable_of(layout(), endpoint))


async def answer(run: Retraining, yes: bool) -> None:
    """Errors: Forbidden, Conflict where it waits no more."""
    who().must("operate")
    verb = "Say yes" if yes else "Say no"
    words = (
        f"The rollout of version {run.version} begins."
        if yes
        else f"Version {run.version} is taken out; version {run.parent} serves on."
    )
    given = await confirm(f"{verb} to version {run.version}?", words, verb=verb, danger=not yes)
    if given is None:
        return
    who().must("operate")
    await asyncio.to_thread(
        candidates.answer, layout(), run.id, yes, actor=who().actor, reason=str(given.get("reason") or "")
    )
    forget()
    say(f"Version {run.version}: its rollout begins." if yes else f"Version {run.version} is taken out.")


async def cancel(run: Retraining) -> None:
    """Errors: Forbidden, Conflict where it is over."""
    who().must("operate")
    if (
        await ask(
            f"Cancel retraining {run.id}?",
            "The version that serves is as it was.",
            verb="Cancel it",
            danger=True,
            cancel="Leave it",
        )
        is None
    ):
        return
    who().must("operate")
    await asyncio.to_thread(candidates.cancel, layout(), run.id, actor=who().actor)
    forget()
    say(f"Retraining {run.id} ends within a moment.")
