"""`/review/{queue}`: one item after the other, at the keys: a digit answers, and the next is there.

reviewing.claim (this one and the next) -> Desk --answer, skip, undo--> reviewing (what the API and the command line call)
"""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from typing import Any

from tidegate import reviewing
from tidegate.errors import Conflict
from tidegate.reviewing import Item
from tidegate.storage.review import ReviewStore
from tidegate.ui.components import say, tabs, to
from tidegate.ui.components.desk import Desk
from tidegate.ui.frame import head, page
from tidegate.ui.live import live
from tidegate.ui.project import layout
from tidegate.ui.who import who

AGAIN = 4.0
"""Seconds after which an empty desk asks again."""


@page("/review/{queue}", title="Review {queue}", nav="review", right="review")
async def review(queue: str, disputed: bool = False) -> None:
    name = await asyncio.to_thread(reviewing.queue_of, layout(), queue)
    head().path(("Review", "/review"))
    tabs([("Open", to("review", name), not disputed), ("Disputed", to("review", name, disputed=1), disputed)])
    person = who().actor
    state: dict[str, Any] = {"item": None, "next": None, "done": 0, "left": 0}

    async def advance() -> None:
        """The next item; the one after it is claimed with it, so that its picture is there when it is asked for."""
        found = await asyncio.to_thread(reviewing.claim, layout(), name, person, count=2, disputed=disputed)
        state["item"] = found[0] if found else None
        state["next"] = found[1] if len(found) > 1 else None
        show()

    def show() -> None:
        desk.set(
            {
                **(_data(state["item"]) if state["item"] is not None else {}),
                "done": state["done"],
                "left": state["left"],
            }
        )

    async def answer(given: dict[str, Any]) -> None:
        who().must("review")
        try:
            await asyncio.to_thread(reviewing.answer, layout(), int(given["id"]), person, given["value"])
            state["done"] += 1
            if state["next"] is not None:  # at once; what is claimed meanwhile comes behind it
                state["item"], state["next"] = state["next"], None
                show()
        except Conflict as exc:  # somebody was faster, or the time was up
            say(str(exc), "warning")
        await advance()

    async def skip(given: dict[str, Any]) -> None:
        who().must("review")
        await asyncio.to_thread(reviewing.skip, layout(), int(given["id"]), person)
        await advance()

    async def undo(_: dict[str, Any]) -> None:
        who().must("review")
        back = await asyncio.to_thread(reviewing.undo, layout(), person)
        state["done"] = max(0, state["done"] - 1)
        state["item"] = await asyncio.to_thread(reviewing.see, layout(), back)
        state["next"] = None
        show()

    desk = Desk(answer, skip, undo)

    async def draw(found: tuple[int, int]) -> None:
        state["left"] = found[0]
        if state["item"] is None and found[0]:
            await advance()
        else:
            show()

    def waiting() -> tuple[int, int]:
        """How many wait; and another number every few seconds while any do, as a lease may have ended meanwhile."""
        with closing(ReviewStore(layout())) as store:
            depth = next((one for one in store.depths() if one.queue == name), None)
        left = 0 if depth is None else depth.disputed if disputed else depth.open
        return left, int(time.time() / AGAIN) if left else 0

    await advance()
    live(waiting, lambda found: asyncio.ensure_future(draw(found)), key=("waiting", name, disputed))


def _data(item: Item) -> dict[str, Any]:
    """An item as desk.js takes it."""
    task = item.task
    columns = {one.column for one in item.media}
    pictures, sounds = [], []
    for one in item.media:
        source = to(
            "api", "log", task.endpoint, "predictions", task.prediction_id, "payload", column=one.column, row=one.row
        )
        entry: dict[str, Any] = {"src": source, "name": one.column}
        if one.type.startswith("image/"):
            if item.heat:
                entry["heat"] = item.heat
            pictures.append(entry)
        elif one.type:
            sounds.append(entry)
    number = isinstance(task.opinion, (int, float)) and not isinstance(task.opinion, bool)
    return {
        "id": task.id,
        "question": item.question,
        "choices": item.choices,
        "type": "number" if number and not item.choices else "text",
        "inputs": [
            [name, value]
            for name, value in item.inputs.items()
            if name not in columns and not _described(name, columns)
        ],
        "pictures": pictures,
        "sounds": sounds,
        "opinion": item.opinion,
        "confidence": item.confidence,
        "said": item.said,
        "missing": item.missing,
        "deadline": task.deadline,
    }


def _described(name: str, columns: set[str]) -> bool:
    """A figure made of a picture or a recording (`image_brightness`): it says nothing to who sees or hears it."""
    return any(name.startswith(f"{column}_") for column in columns)
