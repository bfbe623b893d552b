"""Versions into service and out of it: a question, the right to do it, then the function that the command line and the API call."""

from __future__ import annotations

import asyncio

from tidegate import changes
from tidegate.ui.components import ask, say
from tidegate.ui.live import forget
from tidegate.ui.project import layout
from tidegate.ui.who import who
from tidegate.views.models import ModelVersion


async def set_loaded(one: ModelVersion, loaded: bool) -> None:
    """Errors: Forbidden."""
    who().must("operate")
    name = f"{one.model} {one.version}"
    words = (
        "Its processes start, and it is ready once they have loaded it. It gets no traffic by that alone."
        if loaded
        else "Its processes end, also through a restart, until it is loaded again. Nothing of it is deleted."
    )
    verb = "Load" if loaded else "Unload"
    if await ask(f"{verb} {name}?", words, verb=verb, danger=not loaded) is None:
        return
    who().must("operate")
    await asyncio.to_thread(changes.set_loaded, layout(), one.model, one.version, loaded, actor=who().actor)
    forget()
    say(f"{name} is loaded." if loaded else f"{name} is unloaded.")
