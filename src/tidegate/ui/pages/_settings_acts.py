"""What people do with keys and notifications: the right, a question, then the act that the command line and the API call."""

from __future__ import annotations

import asyncio

from tidegate.changes import create_key, revoke_key
from tidegate.errors import InvalidRequest
from tidegate.types.units import parse_duration
from tidegate.ui.acting import guarded
from tidegate.ui.components import Field, ask, confirm, say
from tidegate.ui.live import forget
from tidegate.ui.project import layout
from tidegate.ui.who import who

ROLES = (
    ("predict", "predict: send requests"),
    ("view", "view: also see everything"),
    ("review", "review: also answer what people are asked"),
    ("operate", "operate: also change what is served"),
    ("admin", "admin: also keys and erasure"),
)


async def new_key() -> None:
    """Create a key, and show its secret this once."""
    who().must("admin")
    answer = await ask(
        "Create a key",
        "Only a digest is kept: the secret is shown once.",
        fields=[
            Field("name", "Name", placeholder="web-shop", hint="What it is for, to know it again."),
            Field("role", "Role", kind="select", value="predict", options=ROLES),
            Field("valid", "Valid for", placeholder="90d", hint="Such as 12h or 90d; empty for a key without end."),
        ],
        verb="Create",
    )
    if answer is None:
        return
    who().must("admin")
    try:
        valid_for = parse_duration(str(answer["valid"])) if answer.get("valid") else 0.0
    except ValueError as exc:
        raise InvalidRequest(f"Valid for: {exc}") from exc
    name, role = str(answer.get("name") or ""), str(answer["role"])
    secret, stored = await asyncio.to_thread(create_key, layout(), role, name, valid_for=valid_for, actor=who().actor)
    forget()
    await ask(
        f"Key {stored.id}", "Copy the secret now: it isn't kept, and is never shown again.", code=secret,
        verb="I have it", cancel="Close",
    )  # fmt: skip


async def _revoke(id: str) -> None:
    who().must("admin")
    answer = await confirm(
        f"Revoke key {id}?", "Whoever uses it is refused within two seconds. It can't be taken back.",
        verb="Revoke", danger=True, reason=False,
    )  # fmt: skip
    if answer is not None:
        who().must("admin")
        await asyncio.to_thread(revoke_key, layout(), id, actor=who().actor)
        forget()
        say(f"Key {id} is revoked.")


revoke = guarded(_revoke)


async def send_test() -> None:
    """Send a notice through every channel, and say what came of each."""
    from tidegate.notify.trial import trial
    from tidegate.views.notify import configured

    who().must("operate")
    name, channels = await asyncio.to_thread(configured, layout())
    if not channels:
        say("Nobody is told: monitoring.notify of the project file has no channel.", "warning")
        return
    say("Sending; it takes up to 15 s.")
    for one in await asyncio.to_thread(trial, name, channels):
        say(f"{one.to}: {'arrived' if one.ok else one.error}", "ok" if one.ok else "firing")
    forget()
