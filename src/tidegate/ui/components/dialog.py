"""A question before an act. `await ask(...)` gives what was filled in, or None when it was left.

>>> async def abort() -> None:                                                        # doctest: +SKIP
...     answer = await confirm("Abort the rollout?", "All traffic goes back to version 1.", verb="Abort", danger=True)
...     if answer is not None:
...         commands.abort(layout(), "severity", actor=who().actor, reason=answer["reason"])
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from nicegui import context

from tidegate.ui.components.cells import Cell
from tidegate.ui.components.table import _first
from tidegate.ui.components.widget import Widget


class Field(msgspec.Struct, omit_defaults=True):
    """One thing to fill in. Kinds: text, long, number, password, select (options (value, words)), check, datetime-local."""

    name: str
    label: str
    kind: str = "text"
    value: Any = ""
    options: Sequence[tuple[str, str]] = ()
    required: bool = False
    hint: str = ""
    placeholder: str = ""


REASON = Field("reason", "Reason", kind="long", required=True, hint="It is kept with the decision.")


class Dialog(Widget, component="dialog.js"):
    """One a question; it is gone once it is answered."""

    def __init__(self, data: dict[str, Any]) -> None:
        super().__init__()
        self.answer: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()
        self._data = data
        self.set({**data, "open": True})
        self.on("submit", lambda event: self._end(dict(_first(event))))
        self.on("cancel", lambda _: self._end(None))

    def _end(self, answer: dict[str, Any] | None) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)
            self.set({**self._data, "open": False})

    def _handle_delete(self) -> None:
        if not self.answer.done():
            self.answer.set_result(None)
        super()._handle_delete()


async def ask(
    title: str,
    words: str = "",
    *,
    fields: Sequence[Field] = (),
    facts: Sequence[tuple[str, Cell]] = (),
    verb: str = "OK",
    danger: bool = False,
    code: str = "",
    cancel: str = "Cancel",
) -> dict[str, Any] | None:
    """Show a dialog and wait. The values by field's name, or None. `code` shows something to copy, such as a new key."""
    data: dict[str, Any] = {
        "title": title,
        "words": words,
        "verb": verb,
        "tone": "danger" if danger else "",
        "fields": list(fields),
        "cancel": cancel,
    }
    if facts:
        data["facts"] = [list(pair) for pair in facts]
    if code:
        data["code"] = code
    client = context.client
    with client.content:
        dialog = Dialog(data)
    answer = await dialog.answer
    if not dialog.is_deleted:
        dialog.delete()
    return answer


async def confirm(
    title: str,
    words: str = "",
    *,
    verb: str = "Do it",
    danger: bool = False,
    reason: bool = True,
    fields: Sequence[Field] = (),
    facts: Sequence[tuple[str, Cell]] = (),
) -> dict[str, Any] | None:
    """As `ask`, with a reason to fill in (answer["reason"]) unless `reason` is False."""
    return await ask(
        title, words, fields=[*fields, REASON] if reason else fields, facts=facts, verb=verb, danger=danger
    )
