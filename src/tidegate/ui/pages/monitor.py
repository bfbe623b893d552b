"""`/monitors/edit?id=`: one monitor over its past. A line is dragged; what it would have told of is said at once.

monitoring.past_values.read (once a window) --> Past, kept by the page
line dragged | field changed --backtest(Past, rule), some ms--> alarms it would have raised, beside those really raised
Save, with a reason --> monitoring.changes.put (and the project file); Undo goes back
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from nicegui import context, ui

from tidegate.errors import NotFound
from tidegate.metrics import registry
from tidegate.monitoring.changes import fresh, threshold_of
from tidegate.monitoring.ids import parse_id
from tidegate.monitoring.past_values import read
from tidegate.types.monitoring import Monitor, Rule
from tidegate.ui.components import (
    Column,
    Row,
    at,
    badge,
    box,
    button,
    card,
    empty,
    facts,
    link,
    table,
    text,
    to,
    words,
)  # fmt: skip
from tidegate.ui.frame import head, page
from tidegate.ui.pages import _monitor_acts as acts
from tidegate.ui.pages._monitor_trial import Trial
from tidegate.ui.project import layout
from tidegate.ui.url import query, with_query
from tidegate.ui.who import who
from tidegate.ui.window import window as window_of
from tidegate.views.monitors import MonitorDetail, rule_text

STATES = {"active": "ok", "muted": "muted", "retired": "muted"}


@page("/monitors/edit", title="Monitor", nav="monitors", window="7d")
async def monitor() -> None:
    id = query("id")
    head().path(("Monitors", "/monitors"))
    if not id:
        empty("Which monitor?", "Choose one from the list; its past and its threshold are shown here.")
        link("To the monitors", "/monitors")
        return
    window = window_of("7d")
    found, one = await asyncio.to_thread(_known, id)
    head().title.set_text(one.metric)
    if found is not None and who().may("operate"):
        with head().tools:
            _state_buttons(one)
    if _has_past(one.metric):
        waiting = text("Reading the past …", "tg-note")
        await context.client.connected()  # the page is seen before a long past is read
        past = await asyncio.to_thread(read, layout(), _ruled(one), start=window.start, end=window.end)
        waiting.delete()
        Trial(one, found, past, window)
    else:
        with card():
            text(one.id, "tg-mono")
            text(
                "It watches by a rule of its own, and keeps no values: there is no past to try a threshold on.",
                "tg-prose",
            )
    if found is not None:
        _told(found)


def _known(id: str) -> tuple[MonitorDetail | None, Monitor]:
    """The monitor as it is in force; of one that isn't there yet, what it would be. Errors: NotFound, ConfigError."""
    from tidegate.views.monitors import detail

    parts = parse_id(id)
    if not parts.endpoint:
        raise NotFound(f"{id!r} is no monitor: it is written ENDPOINT/METRIC, such as loan/output.null")
    try:
        found = detail(layout(), id, window=60.0)
    except NotFound:
        registry.parse(parts.metric)
        return None, fresh(parts.endpoint, parts.metric, None, version=parts.version, segment=parts.segment)
    return found, found.view.monitor


def _has_past(metric: str) -> bool:
    """Drift of labels and errors is watched by streams, whose past isn't kept."""
    return registry.exists(metric) and not metric.startswith("quality.drift.")


def _ruled(one: Monitor) -> Monitor:
    return one if one.rule is not None else msgspec.structs.replace(one, rule=Rule())


def _state_buttons(one: Monitor) -> None:
    async def then(act: Any) -> None:
        if await act(one.id):
            ui.navigate.to(with_query())

    if one.number > 1:
        button("Undo…", lambda: then(acts.undo), kind="quiet", title="Back to before the last change")
    if one.state == "muted":
        button("Unmute", lambda: then(acts.unmute))
    elif one.state == "active":
        button("Mute…", lambda: then(acts.mute))
    if one.state != "retired":
        button("Retire…", lambda: then(acts.retire), kind="danger")


def _told(found: MonitorDetail) -> None:
    """What it says and every change that was made to it."""
    one = found.view.monitor
    with box("tg-split"):
        with card("Changes", flush=True):
            columns = (("number", "Number"), ("rule", "Alarm"), ("state", "State"), ("by", "By"), ("time", "When"))
            made = table([Column(key, label, num=key == "number") for key, label in columns])
            made.fill([_change(each) for each in reversed(found.history)])
        with card("About"):
            threshold = threshold_of(one)
            file = (
                ", ".join(f"{name}: {value}" for name, value in threshold.items()) if threshold else "none of its own"
            )
            facts([
                ("What", found.help or "watched by a detector"), ("Now", found.view.shown or None),
                ("Endpoint", words(one.endpoint, href=to("endpoints", one.endpoint))), ("In the file", words(file, mono=True)),
                ("30 days", f"{found.view.alarms} alarms, {found.view.real} real, {found.view.false} false"),
            ])  # fmt: skip


def _change(one: Monitor) -> Row:
    return Row(str(one.number), {
        "number": one.number, "rule": words(rule_text(one.metric, one.rule), sub=one.reason),
        "state": badge(one.state, STATES.get(one.state, "muted")), "time": at(one.time or None),
        "by": words(one.actor or one.source, sub=one.source if one.actor else ""),
    })  # fmt: skip
