"""What people do with rollouts: a question with a reason, the right to do it, then the function that the command line and the API call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui

from tidegate.errors import ConfigError, Conflict
from tidegate.rollout import commands
from tidegate.types.rollouts import RolloutState
from tidegate.types.units import parse_duration
from tidegate.ui.acting import guarded
from tidegate.ui.components import Field, ask, confirm, num, say, to, words
from tidegate.ui.components.cells import Cell
from tidegate.ui.live import forget
from tidegate.ui.project import layout
from tidegate.ui.who import who
from tidegate.views.forecast import Forecast, StepForecast, forecast
from tidegate.views.rollouts import read

SPANS = (("1h", "1 hour"), ("4h", "4 hours"), ("1d", "1 day"), ("3d", "3 days"), ("7d", "1 week"))
ALL = "*"


async def promote(state: RolloutState) -> None:
    """Go on to the next step."""
    await _ask_and(
        commands.promote, state, "Go on to the next step?",
        f"Version {state.canary} gets the next step's share now; alarms still go back.", "Promote", "It goes on.",
    )  # fmt: skip


async def promote_full(state: RolloutState) -> None:
    """All traffic, without proof."""
    await _ask_and(
        commands.promote, state, f"Give version {state.canary} all traffic now?",
        f"Every step that is left is skipped, and so is its proof. It can be aborted until it is done, and undone after that. "
        f"Now it has {state.weight:g}% of {state.endpoint}.",
        "Give it all traffic", "It goes to the end.", danger=True, full=True,
    )  # fmt: skip


async def pause(state: RolloutState) -> None:
    """Stay where it is."""
    words = f"Version {state.canary} stays at {state.weight:g}% until somebody resumes; an alarm still goes back."
    await _ask_and(commands.pause, state, "Pause the rollout?", words, "Pause", "Paused.")


async def resume(state: RolloutState) -> None:
    """Go on after a pause."""
    await _ask_and(
        commands.resume, state, "Resume the rollout?", "It goes on from the step it is in.", "Resume", "It goes on."
    )


async def abort(state: RolloutState) -> None:
    """All traffic back."""
    await _ask_and(
        commands.abort, state, "Abort the rollout?",
        f"All traffic of {state.endpoint} goes back to version {state.stable}, at once.",
        "Abort", f"Version {state.stable} has all traffic.", danger=True,
    )  # fmt: skip


async def retry(state: RolloutState) -> None:
    """Once more, with its evidence."""
    words = f"Version {state.canary} begins at the first step again; the evidence so far is kept."
    await _ask_and(commands.retry, state, "Try it once more?", words, "Retry", "It begins again.")


async def undo(state: RolloutState) -> None:
    """Back to the split before."""
    await _ask_and(
        commands.undo, state, "Undo the rollout?",
        f"{state.endpoint} goes back to version {state.stable}: at once while that is still watched, else by a rollout of its own.",
        "Undo", "It goes back.", danger=True,
    )  # fmt: skip


async def freeze(endpoint: str, endpoints: Sequence[str]) -> None:
    """Nobody starts or promotes for a while."""
    who().must("operate")
    options = [*((name, name) for name in endpoints), (ALL, "every endpoint")]
    answer = await confirm(
        "Freeze", "Nobody starts or promotes until then, the controller included. Going back is always allowed.",
        fields=[
            Field("endpoint", "What", kind="select", value=endpoint or ALL, options=options),
            Field("span", "For", kind="select", value="4h", options=SPANS),
        ],
        verb="Freeze",
    )  # fmt: skip
    if answer is None:
        return
    try:
        until = time.time() + parse_duration(str(answer["span"]))
    except ValueError as exc:
        raise ConfigError(f"For: {exc}") from exc
    who().must("operate")
    reason, what = str(answer["reason"]), str(answer["endpoint"])
    await _do(commands.freeze, layout(), what, until=until, reason=reason, actor=who().actor)
    say("Frozen.")


async def _unfreeze(endpoint: str) -> None:
    who().must("operate")
    what = "everything" if endpoint == ALL else endpoint
    if await ask(f"End the freeze of {what}?", "Rollouts may start and go on again.", verb="End it") is not None:
        who().must("operate")
        await _do(commands.unfreeze, layout(), endpoint, actor=who().actor)
        say("The freeze has ended.")


unfreeze = guarded(_unfreeze)


async def start(endpoints: Sequence[str], version: str) -> None:
    """Choose an endpoint, see the plan and what it will need, give a reason, begin."""
    who().must("operate")
    if not endpoints:
        raise ConfigError(
            "no endpoint serves this model: add one under `endpoints` of the project file, then `tidegate apply`"
        )
    endpoint = endpoints[0]
    if len(endpoints) > 1:
        choice = Field(
            "endpoint", "Endpoint", kind="select", value=endpoint, options=[(name, name) for name in endpoints]
        )
        chosen = await ask(f"Roll version {version} out", "On which endpoint?", fields=[choice], verb="See the plan")
        if chosen is None:
            return
        endpoint = str(chosen["endpoint"])
    actor = who().actor
    planned = await asyncio.to_thread(commands.start, layout(), endpoint, version, actor=actor, dry_run=True)
    numbers = await asyncio.to_thread(forecast, layout(), planned)
    answer = await confirm(
        f"{endpoint}: version {planned.stable} → {version}?", _plan_words(planned, numbers),
        facts=[_step(step) for step in numbers.steps], verb="Start the rollout",
    )  # fmt: skip
    if answer is None:
        return
    who().must("operate")
    await _do(commands.start, layout(), endpoint, version, actor=who().actor, reason=str(answer["reason"]))
    ui.navigate.to(to("endpoints", endpoint, "rollout"))


def _plan_words(planned: RolloutState, numbers: Forecast) -> str:
    guards = ", ".join(spec.name for spec in planned.plan.metrics if spec.guardrail)
    pace = (
        f"Reckoned for a version as good as {planned.stable}, at {numbers.units_per_second:,.3g} requests a second."
        if numbers.units_per_second > 0
        else "There was no traffic in the last day: times can't be told."
    )
    return (
        f"A {planned.plan.strategy} rollout in {len(planned.plan.steps)} steps. Guardrails: {guards or 'none'}. A version that is no "
        f"worse is rolled back with a chance of at most {planned.plan.rollback_alpha:.2g}. {pace}"
    )


def _step(step: StepForecast) -> tuple[str, Cell]:
    units = f"{step.units:,} units" if step.units > 0 else "" if step.units == 0 else "units can't be told"
    why = "as many as the step asks for" if step.why == "minUnits" else step.why
    said = ", ".join(part for part in (units, why) if part)
    if step.seconds > 0:
        return f"{step.number + 1}. {step.text}", num(step.seconds, "s", sub=said)
    return f"{step.number + 1}. {step.text}", words("at once" if step.seconds == 0 else "open", sub=said)


async def _ask_and(
    act: Callable[..., Any], state: RolloutState, title: str, text: str, verb: str, done: str, *, danger: bool = False,
    **options: Any,
) -> None:  # fmt: skip
    who().must("operate")
    answer = await confirm(title, text, verb=verb, danger=danger)
    if answer is not None:
        who().must("operate")  # a key may have ended while the question stood
        await asyncio.to_thread(_is_newest, state)
        await _do(act, layout(), state.endpoint, actor=who().actor, reason=str(answer["reason"]), **options)
        say(done)


def _is_newest(state: RolloutState) -> None:
    """Commands are about an endpoint's newest rollout. Errors: Conflict where that is another by now."""
    newest = read(layout(), state.endpoint, courses=False).newest
    if newest != state.id:
        raise Conflict(f"rollout {newest} of {state.endpoint} has begun meanwhile; look at it first")


async def _do(act: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """In a thread, as it writes; what is on the pages is asked again at once."""
    await asyncio.to_thread(act, *args, **kwargs)
    forget()
