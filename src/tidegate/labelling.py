"""A person's label on a logged prediction: into the journal as one that a program sends, and into the audit.

value -> gateway.feedback (the same checks, the same line) -> journal, slot `web` -> ingest -> the log
                                                                                \\-> audit: who labelled which prediction, not as what
"""

from __future__ import annotations

import asyncio
import re
from contextlib import closing
from typing import Any

import orjson

from tidegate.errors import InvalidRequest, LogUnavailable
from tidegate.gateway.feedback import lines
from tidegate.storage.journal import JournalWriter
from tidegate.storage.layout import Layout
from tidegate.storage.state import StateStore

SLOT = "web"
"""Of the journal: gateways have their own; a slot has one writer, the web process."""

_NUMBER = re.compile(r"[+-]?(0|[1-9]\d{0,300})(\.\d+)?([eE][+-]?\d{1,2})?")
"""No `007`, which is a name, and no `nan`."""

_one_at_a_time = asyncio.Lock()


async def add_label(
    layout: Layout, endpoint: str, id: str, value: bool | float | str, *, row: int = 0, actor: str
) -> None:
    """Label one instance of a prediction. It is on disk when this returns.

    Errors: NotFound for a prediction that the log doesn't have, InvalidRequest for a row that it doesn't have or a value that no label
    can be, LogUnavailable where the journal can't be written.
    """
    from tidegate.views.predictions import open_one

    known = {one.row for one in (await asyncio.to_thread(open_one, layout, endpoint, id)).rows}
    if row not in known:
        raise InvalidRequest(f"row: prediction {id!r} has no row {row}; it has {min(known)} to {max(known)}")
    entry: dict[str, Any] = {"prediction_id": id, "kind": "label", "value": value, "row": row, "actor": actor}
    made = lines(endpoint, orjson.dumps(entry))
    async with _one_at_a_time:
        writer = JournalWriter(layout.journal, SLOT, fsync=True)
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        try:
            writer.start()
        except OSError as exc:  # no room, or a second web process on this folder
            raise LogUnavailable(
                f"the label can't be written now: {exc.strerror or exc}; nothing was kept of it, so give it again"
            ) from exc
        try:
            writer.submit(made, lambda ok: None if done.done() else done.set_result(ok))
            written = await done
        finally:
            await writer.close()
    if not written:
        raise LogUnavailable(
            "the label can't be written now (is the disk full?); nothing was kept of it, so give it again"
        )
    with closing(StateStore(layout)) as store:
        store.record(actor, "label", f"{endpoint}/{id}", None, {"row": row})


def read_value(text: str) -> bool | float | str:
    """What a person typed: a number, a truth, or a text; in quotes a text in any case. Errors: InvalidRequest for nothing.

    >>> read_value("3"), read_value("true"), read_value("spam"), read_value('"3"'), read_value("007")
    (3.0, True, 'spam', '3', '007')
    """
    words = text.strip()
    if len(words) > 1 and words[0] == words[-1] == '"':
        return words[1:-1]
    if not words:
        raise InvalidRequest('value: say what the right answer was; an empty text is ""')
    if words.lower() in ("true", "false"):
        return words.lower() == "true"
    return float(words) if _NUMBER.fullmatch(words) else words
