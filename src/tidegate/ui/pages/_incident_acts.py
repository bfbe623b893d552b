"""What people do with incidents and silences: a question, the right to do it, then the act that the command line and the API call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Literal

from tidegate.errors import ConfigError
from tidegate.monitoring import acts
from tidegate.types.units import parse_duration
from tidegate.ui.acting import guarded
from tidegate.ui.components import Field, ask, confirm, say
from tidegate.ui.live import forget
from tidegate.ui.project import layout
from tidegate.ui.who import who

SPANS = (("1h", "1 hour"), ("4h", "4 hours"), ("1d", "1 day"), ("3d", "3 days"), ("7d", "1 week"), ("30d", "30 days"))


async def acknowledge(id: int) -> None:
    """Take an incident on."""
    who().must("operate")
    note = Field("note", "Note", kind="long", hint="What you look at first, say; others see it.")
    answer = await ask(
        f"Take on incident {id}?", "Nobody is told of it again while you look.", fields=[note], verb="Take it on"
    )
    if answer is not None:
        await _do(acts.acknowledge, layout(), id, actor=who().actor, note=str(answer.get("note") or ""))
        say(f"Incident {id} is yours.")


async def resolve(id: int, verdict: Literal["real", "false"], ended: bool) -> None:
    """End an incident (or, of one that has ended, say what it was)."""
    who().must("operate")
    said = "It told of something real" if verdict == "real" else "It was a false alarm"
    rest = "" if ended else " What is as it is now stays quiet, for a day at most."
    answer = await confirm(
        f"{said}?", f"The verdict teaches the monitors: thresholds and shares of the budget follow it.{rest}",
        verb="Say so" if ended else "End it", danger=False,
    )  # fmt: skip
    if answer is not None:
        await _do(acts.resolve, layout(), id, verdict, actor=who().actor, note=str(answer["reason"]))
        say(f"Incident {id}: {verdict}.")


async def judge(id: int, alarm: int) -> None:
    """Say what one alarm of an incident was; it ends, the incident goes on with the others."""
    who().must("operate")
    options = (("real", "it told of something real"), ("false", "it was a false alarm"))
    answer = await confirm(
        f"What was alarm {alarm}?", "Only this alarm gets the verdict, and ends; the others of the incident stay.",
        fields=[Field("verdict", "It was", kind="select", value="real", options=options)], verb="Say so",
    )  # fmt: skip
    if answer is not None:
        verdict: Literal["real", "false"] = "false" if answer["verdict"] == "false" else "real"
        await _do(acts.resolve, layout(), id, verdict, actor=who().actor, note=str(answer["reason"]), alarm=alarm)
        say(f"Alarm {alarm}: {verdict}.")


async def new_silence(match: str) -> None:
    """Tell nobody of alarms that match, for a while."""
    who().must("operate")
    answer = await confirm(
        "Silence alarms", "They are still raised and shown; nobody is told. `*` stands for anything, such as in loan/input.*",
        fields=[
            Field("match", "Monitors or endpoint", value=match, required=True, placeholder="loan/input.*"),
            Field("span", "For", kind="select", value="1h", options=SPANS),
        ],
        verb="Silence",
    )  # fmt: skip
    if answer is not None:
        try:
            until = time.time() + parse_duration(str(answer["span"]))
        except ValueError as exc:
            raise ConfigError(f"For: {exc}") from exc
        await _do(
            acts.silence, layout(), str(answer["match"]), until=until, reason=str(answer["reason"]), actor=who().actor
        )
        say(f"{answer['match']} is silenced.")


async def _end_silence(id: str) -> None:
    who().must("operate")
    if await ask(f"End silence {id}?", "Its alarms are told again.", verb="End it") is not None:
        await _do(acts.unsilence, layout(), f"#{id}", actor=who().actor)
        say("They speak again.")


end_silence = guarded(_end_silence)


async def _do(act: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """In a thread, as it writes; what is on the pages is asked again at once."""
    await asyncio.to_thread(act, *args, **kwargs)
    forget()
