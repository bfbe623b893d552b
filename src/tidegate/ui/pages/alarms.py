"""`/alarms`: what is wrong now, how much of the budget of false alarms is spent, what is silenced.

views.alarms (2 s) ----> open incidents, pending alarms, silences, whether somebody watches; ?endpoint= shows only its incidents
views.budget (10 s) ---> spent and left, by kind and day
"""

from __future__ import annotations

import msgspec

from tidegate.ui.components import (
    Column,
    Row,
    at,
    badge,
    banner,
    bars,
    box,
    button,
    card,
    link,
    num,
    stat,
    table,
    tabs,
    text,
    to,
    words,
)
from tidegate.ui.components.cells import Cell
from tidegate.ui.frame import head, page
from tidegate.ui.live import live
from tidegate.ui.pages._incident_acts import end_silence, new_silence
from tidegate.ui.project import layout
from tidegate.ui.url import query, with_query
from tidegate.ui.who import who
from tidegate.views.alarms import AlarmsView, IncidentView
from tidegate.views.budget import BudgetView, KindView, Loud
from tidegate.views.pace import duration

TONES = {"firing": "firing", "acknowledged": "warning", "resolved": "muted", "pending": "warning"}
HARM = {"harmful": "firing", "harmless": "ok", "unknown": "muted", "": "muted"}
MOST = 200


@page("/alarms", title="Alarms", nav="alarms")
def alarms() -> None:
    every, endpoint = query("show") == "all", query("endpoint")
    if who().may("operate"):
        with head().tools:
            button("Silence…", lambda: new_silence(""), title="Tell nobody of alarms that match, until then")
    watching = banner("", "warning")
    watching.set_visibility(False)
    with box("tg-grid-narrow"):
        waiting = stat("Incidents waiting for somebody", large=True)
        taken = stat("Incidents taken on", large=True)
        spent = stat("False alarms in 30 days", large=True)
        judged = stat("Alarms without a verdict", large=True)
    if endpoint:
        with box("tg-row"):
            text(f"Incidents of {endpoint} only.", "tg-label")
            link("Show all endpoints", with_query(endpoint=""))
    tabs([("Open", with_query(show=""), not every), ("All", with_query(show="all"), every)])
    with card(flush=True):
        listed = table(
            [
                Column("state", "State"), Column("cause", "What is wrong"), Column("endpoint", "Endpoint"), Column("harm", "Harm"),
                Column("alarms", "Alarms", num=True), Column("since", "Since"), Column("by", "By"),
            ],
            empty="No incident so far." if every else "Nothing is wrong. What has ended is under All.",
        )  # fmt: skip
    pending_card = card("Not yet alarms", flush=True, note="over their limit, but not for long enough")
    with pending_card:
        pending = table([Column("monitor", "Monitor"), Column("what", "What"), Column("since", "Since")])
    with box("tg-split"):
        with card("Budget of false alarms"):
            days = bars("Alarms a day, last 30 days, UTC", "count", height=150, empty="No alarm in 30 days.")
            kinds = table(
                [
                    Column("kind", "Kind"), Column("alarms", "Alarms", num=True), Column("real", "Real", num=True),
                    Column("false", "False", num=True), Column("unjudged", "No verdict", num=True),
                ]
            )  # fmt: skip
        with box("tg-stack"):
            with card("Silences", flush=True, note="choose one to end it" if who().may("operate") else ""):
                quiet = table(
                    [Column("match", "Alarms"), Column("until", "Ends"), Column("by", "By")],
                    empty="Nothing is silenced.",
                    on_row=end_silence if who().may("operate") else None,
                )
            with card("Loudest monitors", flush=True, note="30 days"):
                loud = table(
                    [
                        Column("monitor", "Monitor"),
                        Column("alarms", "Alarms", num=True),
                        Column("false", "False", num=True),
                    ],
                    empty="No monitor has told of anything in 30 days.",
                )

    def draw(view: AlarmsView) -> None:
        open_ = [one for one in view.incidents if one.incident.state != "resolved"]
        waiting.show(
            view.waiting,
            tone="firing" if view.waiting else "ok",
            sub="nobody has taken them on" if view.waiting else "all quiet",
        )
        acknowledged = sum(one.incident.state == "acknowledged" for one in open_)
        silenced = sum(one.silenced is not None for one in open_)
        taken.show(acknowledged, sub=f"{silenced} silenced" if silenced else "")
        watching.set_text(_watched(view))
        watching.set_visibility(view.watching.late or bool(view.watching.error))
        listed.fill([_row(one) for one in sorted(view.incidents, key=_order)])
        pending.fill(
            [
                Row(str(one.id), {"monitor": _monitor(one.monitor), "what": one.message or "–", "since": at(one.since)})
                for one in view.pending
            ]
        )
        pending_card.set_visibility(bool(view.pending))
        quiet.fill([
            Row(str(one.id), {"match": words(one.match, mono=True, sub=one.reason), "until": at(one.until), "by": one.actor})
            for one in view.silences
        ])  # fmt: skip

    def draw_budget(view: BudgetView) -> None:
        tone = "" if view.spent <= view.allowed else "firing"
        left = f"{view.left:.3g} of {view.allowed:.3g} left" if view.known else "the monitor process never ran"
        spent.show(view.spent, tone=tone, sub=left)
        unjudged = sum(one.counts.unjudged for one in view.kinds)
        judged.show(
            unjudged, tone="warning" if unjudged else "", sub="a verdict teaches the monitors" if unjudged else ""
        )
        some = [day for day in view.days if day.counts.alarms]
        labels = [_day(day.start) for day in view.days]
        days.fill(labels if some else [], [
            {"name": "real", "tone": "ok", "values": [day.counts.real for day in view.days]},
            {"name": "false", "tone": "firing", "values": [day.counts.false for day in view.days]},
            {"name": "no verdict", "tone": "muted", "values": [day.counts.unjudged for day in view.days]},
        ])  # fmt: skip
        kinds.fill([_kind(one) for one in view.kinds])
        loud.fill([Row(one.monitor, _loud(one)) for one in view.loudest])

    live(lambda: _asked(every, endpoint), draw, key=("alarms", every, endpoint))
    live(_budget, draw_budget, key="budget of false alarms", every=10.0)


def _asked(every: bool, endpoint: str) -> AlarmsView:
    """Without what changes at every look: the page is sent only what is news."""
    from tidegate.views.alarms import alarms as read

    view = read(layout(), open_only=not every, endpoint=endpoint or None, limit=MOST)
    watching = msgspec.structs.replace(
        view.watching, looked=round(view.watching.looked, -1) if view.watching.late else 0.0
    )
    return msgspec.structs.replace(view, time=0.0, watching=watching)


def _budget() -> BudgetView:
    from tidegate.views.budget import budget

    return msgspec.structs.replace(budget(layout()), time=0.0, since=0.0)


def _order(view: IncidentView) -> tuple[int, float]:
    """What waits for somebody first; then the newest."""
    one = view.incident
    rank = {"firing": 0, "acknowledged": 1, "resolved": 2}[one.state]
    return rank + (one.state == "firing" and view.silenced is not None), -one.opened


def _row(view: IncidentView) -> Row:
    one = view.incident
    return Row(str(one.id), {
        "state": state(view), "cause": words(one.cause, sub=view.sure), "endpoint": "all" if one.endpoint == "*" else one.endpoint,
        "harm": badge(one.harm, HARM[one.harm]) if one.harm else None, "alarms": len(view.alarms), "since": at(one.opened),
        "by": words(one.actor, sub=one.note) if one.actor else None,
    }, to("alarms", one.id))  # fmt: skip


def _kind(one: KindView) -> Row:
    counts = one.counts
    tone = "firing" if counts.false and one.kind == "budget" else ""
    cells: dict[str, Cell] = {
        "kind": one.words,
        "alarms": counts.alarms,
        "real": counts.real,
        "unjudged": counts.unjudged,
    }
    return Row(one.kind, {**cells, "false": num(counts.false, tone=tone)})


def _loud(one: Loud) -> dict[str, Cell]:
    return {"monitor": _monitor(one.monitor), "alarms": one.counts.alarms, "false": one.counts.false}


def _monitor(id: str) -> Cell:
    return words(id, href=to("monitors", "edit", id=id), mono=True)


def state(view: IncidentView) -> Cell:
    """Of an incident, with what people made of it."""
    one = view.incident
    if one.verdict:
        return badge(f"{one.state}: {one.verdict}", TONES[one.state] if one.state != "resolved" else "muted")
    return badge(
        "silenced" if view.silenced is not None else one.state,
        "muted" if view.silenced is not None else TONES[one.state],
    )


def _watched(view: AlarmsView) -> str:
    watching = view.watching
    if watching.looked < 0:
        return "Nobody watches: the monitor process never ran. tidegate up starts it."
    if watching.late:
        return f"Nobody watches: the monitor process looked last {duration(watching.looked)} ago. tidegate status says which processes run."
    return watching.error


def _day(start: float) -> str:
    import time

    return time.strftime("%d %b", time.gmtime(start))
