"""`/review`: every queue: what waits and how long, who answers it, how fast, and how far they agree.

review.raters.queues (2 s) -> a card a queue
"""

from __future__ import annotations

import time

from tidegate.review.raters import Queue, queues
from tidegate.ui.components import Column, Row, box, card, empty, link, num, stat, table, text, to, words
from tidegate.ui.components.cells import Cell
from tidegate.ui.frame import page
from tidegate.ui.live import live
from tidegate.ui.project import layout
from tidegate.ui.who import who

DAY = 86400.0


@page("/review", title="Review", nav="review")
def reviews() -> None:
    place = box("tg-stack")
    with box("tg-stack") as nothing:
        empty(
            "No queue yet",
            "What a model isn't sure of goes to people. Say so in the project file, and what waits for them is here:",
            "automation: {level: assist, review: {queue: inspectors}}",
        )
    drawn: dict[str, _Queue] = {}

    def draw(found: list[Queue]) -> None:
        nothing.set_visibility(not found)
        for one in found:
            if one.depth.queue not in drawn:
                with place:
                    drawn[one.depth.queue] = _Queue(one.depth.queue)
            drawn[one.depth.queue].draw(one)

    live(lambda: queues(layout(), time.time() - DAY), draw, key="queues")


class _Queue:
    """A queue's card."""

    def __init__(self, name: str) -> None:
        with card(flush=True):
            with box("tg-card-head"):
                text(name, "tg-h2", "h2")
                with box("tg-row"):
                    if who().may("review"):
                        self.settle = link("Settle what is disputed", to("review", name, disputed=1), "tg-button")
                        self.settle.set_visibility(False)
                        link("Answer", to("review", name), "tg-button tg-button-primary")
            with box("tg-grid-narrow tg-pad"):
                self.open = stat("Waiting", large=True)
                self.late = stat("Late")
                self.oldest = stat("Oldest", "s")
                self.day = stat("Answered in a day")
                self.alpha = stat("Agreement beyond chance")
            self.people = table(
                [
                    Column("who", "Who"),
                    Column("answers", "Answers", num=True),
                    Column("seconds", "Seconds each", num=True),
                    Column("agree", "Agrees with the others", num=True),
                ],
                empty="Nobody has answered here in the last day.",
            )

    def draw(self, found: Queue) -> None:
        depth = found.depth
        self.open.show(depth.open, sub=f"{depth.claimed} at somebody's desk")
        self.late.show(depth.overdue, tone="firing" if depth.overdue else "", sub="past their deadline")
        self.oldest.show(round(time.time() - depth.oldest) if depth.oldest else None, sub="since it came")
        self.day.show(found.decided, sub=f"by {len(found.raters)} people" if found.raters else "")
        low = found.alpha is not None and found.alpha < 0.667
        self.alpha.show(
            None if found.alpha is None else round(found.alpha, 2),
            tone="warning" if low else "",
            sub="Krippendorff's alpha; 0.8 is good" if found.alpha is not None else "no item was answered by two",
        )
        if who().may("review"):
            self.settle.set_visibility(depth.disputed > 0)
        rows = []
        for one in found.raters:
            cells: dict[str, Cell] = {
                "who": one.name,
                "answers": num(one.answers),
                "seconds": num(one.seconds, "s"),
                "agree": words(f"{one.agreed} of {one.shared}") if one.shared else words("–"),
            }
            rows.append(Row(one.name, cells))
        self.people.fill(rows)
