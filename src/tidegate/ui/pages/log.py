"""`/log/{endpoint}`: predictions, newest first; what is looked for stands in the address.

field, window -> address -> views.predictions.find (2 s while it shows the newest; once for an older page) -> table
                         -> the control API's export, as a file
"""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import msgspec
from nicegui import ui

from tidegate.app import label_options
from tidegate.ui.components import (
    Column,
    Row,
    at,
    badge,
    box,
    button,
    card,
    empty,
    field,
    link,
    num,
    table,
    tabs,
    text,
    to,
    words,
)
from tidegate.ui.components.cells import Cell
from tidegate.ui.components.links import with_values
from tidegate.ui.frame import head, page
from tidegate.ui.live import live
from tidegate.ui.pages._endpoints import with_profiles
from tidegate.ui.project import layout
from tidegate.ui.url import query, with_query
from tidegate.ui.window import Window
from tidegate.ui.window import window as window_of
from tidegate.views.log_filter import OUTCOMES, Filter, Outcome
from tidegate.views.predictions import Found, Page, find

WRONG, DIFFERING = "wrong", "differs"
ROLES = (
    ("", "all roles"),
    ("stable", "stable"),
    ("canary", "canary"),
    ("shadow", "shadow"),
    ("baseline", "baseline"),
    ("human", "human"),
)
SAID = {"": "all outcomes", "ok": "answered", "error": "failed", "rejected": "refused", "timeout": "timed out"}
LABELS = (
    ("", "with and without label"),
    ("yes", "with a label"),
    ("no", "without a label"),
    (WRONG, "wrong by its label"),
)
SHADOWS = (("", "any"), (DIFFERING, "answered otherwise"))
FORMATS = ("csv", "ndjson", "parquet")
PAGE = 50


@page("/log", title="Log", nav="log")
def log() -> None:
    known = with_profiles()
    if len(known) == 1:
        ui.navigate.to(to("log", known[0]))
    if not known:
        empty(
            "Nothing is logged yet",
            "Each answered request becomes rows of the prediction log. Send one, or:",
            "tidegate loadtest ENDPOINT --rate 10 --for 10s",
        )
    with box("tg-stack"):
        for name in known:
            link(name, to("log", name), "tg-h2")


@page("/log/{endpoint}", title="Log of {endpoint}", nav="log", window="24h")
def log_of(endpoint: str) -> None:
    head().path(("Log", "/log"))
    window, after = window_of("24h"), query("after")
    asked = _asked(window, after)
    known = with_profiles()
    if len(known) > 1:
        tabs([(name, to("log", name), name == endpoint) for name in known])
    with card(), box("tg-row"):
        field(
            "Condition",
            query("where"),
            kind="search",
            placeholder="age > 40 and status = 200",
            hint="SQL on the log's columns",
            on_value=_goes("where"),
        )
        field("Text contains", query("text"), name="contains", on_value=_goes("text"))
        field("Version", query("version"), on_value=_goes("version"))
        field("Role", query("role"), kind="select", options=ROLES, on_value=_goes("role"))
        field(
            "Outcome",
            query("outcome"),
            kind="select",
            options=[(one, SAID[one]) for one in OUTCOMES],
            on_value=_goes("outcome"),
        )
        field("Labels", query("labelled"), kind="select", options=LABELS, on_value=_goes("labelled"))
        field("Shadow", query("shadow"), kind="select", options=SHADOWS, on_value=_goes("shadow"))
    with box("tg-row tg-no-print"):
        text("Take away what is found, as", "tg-note")
        for format in FORMATS:
            link(format, _file(endpoint, asked, format))
    with card(flush=True).classes("tg-log"):
        rows = table(
            [
                Column("time", "When"),
                Column("status", "Outcome"),
                Column("who", "Version"),
                Column("latency", "Took", num=True),
                Column("outputs", "Outputs"),
                Column("label", "Label"),
                Column("inputs", "Inputs"),
                Column("id", "Prediction"),
            ],
            empty="Nothing fits in this window. Choose a longer one, or ask for less.",
        )
    with box("tg-row tg-no-print"):
        if after:
            link("Newest", with_query(after=""))
        older = button("Older", kind="quiet")
    older.set_visibility(False)
    where_next = {"after": ""}
    older.on("click", lambda _: ui.navigate.to(with_query(after=where_next["after"])))

    def draw(found: Page) -> None:
        rows.fill([_row(endpoint, one) for one in found.rows])
        older.set_visibility(bool(found.next))
        where_next["after"] = found.next

    def question() -> Page:
        rules = label_options(layout(), endpoint)[0] if asked.wrong else None
        moved = msgspec.structs.replace(asked, start=window.moved().start)
        return find(layout(), endpoint, moved, rules=rules, limit=PAGE)

    shown_window = window.name or (window.start, window.end)
    key = ("log", endpoint, shown_window, msgspec.structs.replace(asked, start=None))
    joined = asked.wrong or asked.differing
    live(question, draw, key=key, every=60.0 if after or not window.live else 15.0 if joined else 2.0)
    text("j and k walk the rows, Enter opens one. What was answered a moment ago is among them.", "tg-note tg-no-print")


def _goes(name: str) -> Callable[[object], None]:
    return lambda value: ui.navigate.to(with_query(**{name: value, "after": ""}))


def _asked(window: Window, after: str) -> Filter:
    outcome = query("outcome")
    return Filter(
        start=window.start,
        end=None if window.live else window.end,
        after=after,
        version=query("version"),
        role=query("role"),
        outcome=outcome if outcome in get_args(Outcome) else "",  # type: ignore[arg-type]
        where=query("where"),
        text=query("text"),
        labelled={"yes": True, "no": False}.get(query("labelled")),
        wrong=query("labelled") == WRONG,
        differing=query("shadow") == DIFFERING,
    )


def _file(endpoint: str, asked: Filter, format: str) -> str:
    """The control API's address of what is found, as a file."""
    without = "false" if asked.labelled is False else asked.labelled
    given = {**msgspec.structs.asdict(asked), "labelled": without, "after": "", "format": format}
    return with_values(to("api", "log", endpoint, "export"), given)


def _row(endpoint: str, one: Found) -> Row:
    good = one.status < 400
    status: Cell = badge(str(one.status), "ok" if good else "firing", title=one.error)
    return Row(
        f"{one.id} {one.row}",
        {
            "time": at(one.time),
            "id": words(one.id, href=to("log", endpoint, one.id), mono=True, sub=f"row {one.row}" if one.row else ""),
            "who": badge(
                f"{one.version} {one.role}",
                one.role if one.role in ("stable", "canary", "shadow", "human") else "muted",
            )
            if one.version
            else None,
            "status": status,
            "latency": num(one.latency_ms, "ms"),
            "inputs": words(brief(one.inputs), clip=True),
            "outputs": words(brief(one.outputs), clip=True),
            "label": _label(one),
        },
        href=to("log", endpoint, one.id),
    )


def _label(one: Found) -> Cell:
    return None if one.label is None else words(shown(one.label), clip=True)


def brief(values: dict[str, object], most: int = 6) -> str:
    """The first few, in a line."""
    return ", ".join(f"{name} {shown(value)[:40]}" for name, value in list(values.items())[:most])


def shown(value: object) -> str:
    """A value as text: numbers short, all else as it is."""
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
