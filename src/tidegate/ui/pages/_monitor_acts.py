"""What people do with monitors: the right to do it, the act that the command line and the API call, and the project file that says so.

Each says whether it was done: False where the question was left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tidegate.monitoring import changes
from tidegate.project_file import keep_monitor
from tidegate.types.monitoring import Monitor
from tidegate.types.units import parse_duration
from tidegate.ui.components import Field, confirm, say
from tidegate.ui.live import forget
from tidegate.ui.project import layout
from tidegate.ui.who import who

SPANS = (("1h", "1 hour"), ("1d", "1 day"), ("7d", "1 week"), ("30d", "30 days"), ("", "until somebody unmutes it"))


async def put(monitor: Monitor, seen: int | None = None) -> Monitor:
    """Make this the monitor in force."""
    who().must("operate")
    actor = who().actor
    return await _kept(lambda: changes.put(layout(), monitor, actor=actor, seen=seen))


async def mute(id: str) -> bool:
    """It watches, but tells nobody for a while."""
    who().must("operate")
    span = Field("span", "For", kind="select", value="1d", options=SPANS)
    answer = await confirm(f"Mute {id}?", "It still watches, and tells nobody.", fields=[span], verb="Mute")
    if answer is not None:
        until = time.time() + parse_duration(str(answer["span"])) if answer["span"] else 0.0
        actor, reason = who().actor, str(answer["reason"])
        await _kept(lambda: changes.mute(layout(), id, until=until, reason=reason, actor=actor))
        say(f"{id} is muted.")
    return answer is not None


async def unmute(id: str) -> bool:
    """It speaks again."""
    who().must("operate")
    actor = who().actor
    await _kept(lambda: changes.unmute(layout(), id, actor=actor))
    say(f"{id} speaks again.")
    return True


async def retire(id: str) -> bool:
    """It watches no longer."""
    who().must("operate")
    answer = await confirm(
        f"Retire {id}?",
        "It watches no longer. Its history stays, and the retirement can be undone.",
        verb="Retire",
        danger=True,
    )
    if answer is not None:
        actor, reason = who().actor, str(answer["reason"])
        await _kept(lambda: changes.retire(layout(), id, reason=reason, actor=actor))
        say(f"{id} is retired.")
    return answer is not None


async def undo(id: str) -> bool:
    """Back to before the last change."""
    who().must("operate")
    said = "It becomes what it was before, as a new change."
    answer = await confirm(f"Undo the last change of {id}?", said, verb="Undo", reason=False)
    if answer is not None:
        actor = who().actor
        made = await _kept(lambda: changes.undo(layout(), id, actor=actor))
        say(f"{id} is as before (number {made.number}).")
    return answer is not None


async def _kept(act: Callable[[], Monitor]) -> Monitor:
    """In a thread, as it writes; the project file says so too."""

    def both() -> Monitor:
        made = act()
        keep_monitor(layout(), made)
        return made

    made = await asyncio.to_thread(both)
    forget()
    return made
