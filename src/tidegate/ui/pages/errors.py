"""`/errors/{endpoint}`: mistakes one by one, tagged with one key each; what each kind of mistake is worth.

evaluation.mistakes (30 s) -> rows, summary      keys: j and k go on and back, 1 to 9 give a tag or take it      tags -> storage.tags
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

import msgspec
from nicegui import ui
from nicegui.events import KeyEventArguments

from tidegate.errors import TidegateError
from tidegate.evaluation.mistakes import Mistake, Sort, Summary, add_tags, listed, remove_tags, summary, to_review
from tidegate.ui.acting import guarded
from tidegate.ui.components import (
    Column,
    Field,
    Row,
    ask,
    badge,
    bar,
    box,
    button,
    card,
    empty,
    facts,
    field,
    link,
    num,
    say,
    several,
    table,
    tabs,
    text,
    to,
    words,
)
from tidegate.ui.components.cells import Cell
from tidegate.ui.frame import head, page
from tidegate.ui.live import forget, live
from tidegate.ui.project import layout
from tidegate.ui.url import query, with_query
from tidegate.ui.who import who

SORTS = (("error", "Largest error"), ("confident", "Most sure"), ("newest", "Newest"), ("random", "A random sample"))
WINDOW = 90 * 86400.0
MOST = 60
INPUTS = 12


class Asked(msgspec.Struct):
    """Rows and what kinds there are, or the words that say why there are none."""

    rows: list[Mistake]
    found: Summary | None
    problem: str = ""


@page("/errors/{endpoint}", title="Mistakes of {endpoint}", nav="evaluation")
def errors(endpoint: str) -> None:
    sort = query("sort") if query("sort") in dict(SORTS) else "error"
    only = query("tag")
    head().path(("Where to work", to("evaluation", endpoint)))
    with box("tg-row tg-between"):
        tabs([(said, with_query(sort=name), name == sort) for name, said in SORTS])
        if who().may("operate"):
            button(
                "Ask people…",
                lambda: _ask_people(endpoint, sort, only),
                title="Tasks of a review queue: what is right?",
            )
        if only:
            link(f"only {only}: show all", with_query(tag=""), "tg-pill tg-pill-accent")
    desks: list[_Desk] = []
    with box("tg-split"):
        with box("tg-stack"), card(flush=True):
            shown = table(
                [
                    Column("answered", "Answered"),
                    Column("label", "Right"),
                    Column("sure", "Sure", num=True),
                    Column("error", "Error", num=True),
                    Column("tags", "Why"),
                    Column("when", "When"),
                ],
                empty="No labelled prediction is wrong.",
                on_row=lambda key: desks[0].choose(key),
            )
        with box("tg-stack tg-beside"):
            desk = _Desk(endpoint, shown)
            desks.append(desk)
            with card("Kinds of mistakes", flush=True, note="choose one to see its rows"):
                kinds = table(
                    [
                        Column("tag", "Tag"),
                        Column("share", "Of all mistakes", num=True),
                        Column("without", "Without them", num=True),
                    ],
                    empty="Nothing is tagged yet: look at a random sample, and say why each is wrong.",
                )
    nothing = box("tg-stack")

    def draw(asked: Asked) -> None:
        nothing.clear()
        if asked.found is None:
            with nothing:
                empty("No mistakes to look at", asked.problem[:1].upper() + asked.problem[1:])
            return
        desk.fill(asked.rows, [kind.tag for kind in asked.found.kinds])
        unit = "" if asked.found.metric.id == "quality.mae" else "share"
        kinds.fill(
            [
                Row(
                    kind.tag,
                    {
                        "tag": words(kind.tag, sub=f"{kind.errors:,} of {asked.found.looked_at:,} looked at"),
                        "share": bar(kind.share),
                        "without": num(kind.without, unit, sub=f"now {asked.found.now:.3g}"),
                    },
                    with_query(tag=kind.tag),
                )
                for kind in asked.found.kinds
            ]
        )

    live(lambda: _ask(endpoint, sort, only), draw, key=("errors", endpoint, sort, only), every=30.0)


class _Desk:
    """The row that is looked at, and the tags that it can be given."""

    def __init__(self, endpoint: str, shown: Any) -> None:
        self.endpoint, self.shown = endpoint, shown
        self.rows: list[Mistake] = []
        self.tags: list[str] = []
        self.at = 0
        self.may = who().may("review")
        with card("This one"):
            self.title = text("", "tg-h3")
            self.facts = facts()
            with box("tg-row"):
                self.keys = box("tg-row")
            if self.may:
                self.new = field(
                    "Another tag", "", placeholder="car noise", on_value=lambda value: guarded(self.give)(str(value))
                )
                text("j and k go on and back; 1 to 9 give a tag or take it.", "tg-note")
        if self.may:
            ui.keyboard(on_key=self.key, repeating=False)

    def fill(self, rows: list[Mistake], tags: list[str]) -> None:
        """These rows from now on; the place stays with its row."""
        old = self.rows[self.at] if self.rows else None
        self.rows = rows
        self.tags = list(dict.fromkeys([*self.tags, *tags]))
        self.at = next((n for n, one in enumerate(rows) if old is not None and _key(one) == _key(old)), 0)
        self.draw()

    def draw(self) -> None:
        self.shown.fill([_row(one) for one in self.rows], selected=_key(self.rows[self.at]) if self.rows else "")
        self.keys.clear()
        if not self.rows:
            self.title.set_text("Nothing is wrong here.")
            self.facts.fill([])
            return
        one = self.rows[self.at]
        self.title.set_text(f"{self.at + 1} of {len(self.rows)}")
        made: list[tuple[str, Cell]] = [
            ("Answered", _value(one.answered)),
            ("Right", _value(one.label)),
            ("Version", one.version),
            ("Prediction", words(one.prediction_id, mono=True, href=to("log", self.endpoint, one.prediction_id))),
        ]
        made += [(name, _value(value)) for name, value in list(one.inputs.items())[:INPUTS]]
        self.facts.fill(made)
        if self.may:
            with self.keys:
                for number, name in enumerate(self.tags[:9], 1):
                    button(
                        f"{number} {name}",
                        partial(self.toggle, name),
                        kind="primary" if name in one.tags else "",
                    )

    def choose(self, key: str) -> None:
        """Look at this row."""
        self.at = next((n for n, one in enumerate(self.rows) if _key(one) == key), self.at)
        self.draw()

    async def key(self, event: KeyEventArguments) -> None:
        """A key was pressed outside of a field."""
        if not event.action.keydown or not self.rows:
            return
        name = str(event.key.name)
        if name in ("j", "ArrowDown"):
            self.at = min(self.at + 1, len(self.rows) - 1)
            self.draw()
        elif name in ("k", "ArrowUp"):
            self.at = max(self.at - 1, 0)
            self.draw()
        elif name.isdigit() and 0 < int(name) <= len(self.tags):
            await guarded(self.toggle)(self.tags[int(name) - 1])

    async def give(self, name: str) -> None:
        """A tag that isn't among the keys yet."""
        name = name.strip()
        if name and self.rows:
            await self.toggle(name)
            self.tags = list(dict.fromkeys([*self.tags, name]))
            self.new.show("")
            self.draw()

    async def toggle(self, name: str) -> None:
        """Give the row a tag, or take it."""
        who().must("review")
        one = self.rows[self.at]
        place = [(one.prediction_id, one.row)]
        if name in one.tags:
            await asyncio.to_thread(remove_tags, layout(), self.endpoint, place, [name])
            tags = [tag for tag in one.tags if tag != name]
        else:
            await asyncio.to_thread(add_tags, layout(), self.endpoint, place, [name], who().actor)
            tags = [*one.tags, name]
        self.rows[self.at] = msgspec.structs.replace(one, tags=tags)
        self.draw()
        forget()


async def _ask_people(endpoint: str, sort: str, tag: str) -> None:
    """Errors: Forbidden, InvalidRequest."""
    who().must("operate")
    rows = (await asyncio.to_thread(_ask, endpoint, sort, tag)).rows
    words = (
        f"{len(rows)} rows that are listed here become tasks. Who answers sees neither the label nor the model's answer; what they say "
        "becomes the label."
    )
    fields = [
        Field("queue", "Queue", value="labels", required=True),
        Field("raters", "People a row", kind="number", value=1),
    ]
    given = await ask("Ask people what is right?", words, fields=fields, verb="Ask")
    if given is None:
        return
    who().must("operate")
    queue, raters = str(given["queue"]).strip(), int(float(given.get("raters") or 1))
    made = await asyncio.to_thread(to_review, layout(), endpoint, rows, queue, raters=raters, actor=who().actor)
    say(f"{made} new tasks in queue {queue}.")


def _ask(endpoint: str, sort: str, tag: str) -> Asked:
    from tidegate.app import label_options

    rules, _ = label_options(layout(), endpoint)
    end = time.time()
    order: Sort = sort  # type: ignore[assignment]
    try:
        rows = listed(
            layout(),
            endpoint,
            rules,
            start=end - WINDOW,
            end=end,
            tag=tag,
            sort=order,
            limit=MOST,
        )
        return Asked(rows, summary(layout(), endpoint, rules, start=end - WINDOW, end=end))
    except TidegateError as exc:
        return Asked([], None, str(exc).replace("`", ""))


def _key(one: Mistake) -> str:
    return f"{one.prediction_id}:{one.row}"


def _row(one: Mistake) -> Row:
    return Row(
        _key(one),
        {
            "answered": _value(one.answered),
            "label": _value(one.label),
            "sure": num(one.sure, "share") if one.sure is not None else None,
            "error": num(one.error),
            "tags": several(*(badge(tag, "accent") for tag in one.tags)) if one.tags else None,
            "when": {"time": one.time},
        },
    )


def _value(value: Any) -> Cell:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return f"{value:.6g}"
    return words(str(value)[:200], clip=True, title=str(value)[:1000])
