"""`/monitors`: what is watched, what it says now, what came of it, and what else should be watched.

views.monitors.overview (3 s) -------------> value, limit, state, alarms of 30 days
monitoring.past.records (10 min) ---------> which earned their place
monitoring.past.suggestions, when asked ---> monitors to add, one by one
"""

from __future__ import annotations

import asyncio

import msgspec

from tidegate.errors import ConfigError
from tidegate.metrics import registry
from tidegate.monitoring.adapt import Adaptation
from tidegate.monitoring.suggest import Candidate, Suggestion
from tidegate.monitoring.usefulness import Usefulness
from tidegate.types.monitoring import Monitor
from tidegate.ui.acting import guarded
from tidegate.ui.components import (
    Column,
    Field,
    Row,
    ask,
    badge,
    box,
    button,
    card,
    confirm,
    field,
    say,
    several,
    spark,
    table,
    tabs,
    text,
    to,
    words,
)
from tidegate.ui.components.cells import Cell
from tidegate.ui.frame import head, page
from tidegate.ui.live import live
from tidegate.ui.pages._endpoints import with_profiles
from tidegate.ui.pages._monitor_acts import put
from tidegate.ui.project import layout
from tidegate.ui.url import query, set_query, with_query
from tidegate.ui.who import who
from tidegate.views.monitors import MonitorView, rule_text

STATES = {
    "firing": "firing",
    "acknowledged": "warning",
    "pending": "warning",
    "active": "ok",
    "muted": "muted",
    "retired": "muted",
}
PROPOSALS = {
    "keep": ("earned its place", "ok"), "tune": ("tune it", "warning"), "retire": ("retire it?", "warning"),
    "label": ("judge its alarms", "accent"), "wait": ("too early", "muted"),
}  # fmt: skip


@page("/monitors", title="Monitors", nav="monitors")
def monitors() -> None:
    chosen, retired = query("endpoint"), query("show") == "retired"
    operates = who().may("operate")
    if operates:
        with head().tools:
            button("Add…", add, title="Watch one more metric")
    useful: dict[str, Usefulness] = {}
    courses: dict[str, list[float | None]] = {}
    newest: list[list[MonitorView]] = [[]]
    endpoints = with_profiles()
    with box("tg-row tg-between"):
        tabs([("Watching", with_query(show=""), not retired), ("Retired too", with_query(show="retired"), retired)])
        if len(endpoints) > 1:
            options = [("", "All endpoints"), *((name, name) for name in endpoints)]
            field("Endpoint", chosen, kind="select", options=options, on_value=lambda value: _choose(str(value)))
    with card(flush=True):
        listed = table(
            [
                Column("monitor", "Monitor"), Column("rule", "Alarm"), Column("course", "Last hour"),
                Column("value", "Now", num=True), Column("state", "State"),
                Column("alarms", "30 days", num=True, title="Alarms, of which real and false"), Column("worth", "Worth it?"),
            ],
            empty="Nothing is watched yet: monitors are made when an endpoint gets traffic, and by hand with Add.",
        )  # fmt: skip
    adapted = _Adapted()
    if operates:
        for name in [chosen] if chosen else endpoints:
            _suggested(name)

    def draw(found: list[MonitorView]) -> None:
        newest[0] = found
        mine = [one for one in found if not chosen or one.monitor.endpoint == chosen]
        listed.fill([_row(one, useful.get(one.monitor.id), courses.get(one.monitor.id)) for one in mine])

    def draw_courses(found: dict[str, list[float | None]]) -> None:
        courses.update(found)
        draw(newest[0])

    def draw_useful(found: list[Usefulness]) -> None:
        useful.update({one.monitor: one for one in found})
        draw(newest[0])

    live(lambda: _asked(retired), draw, key=("monitors", retired), every=3.0)
    live(_courses, draw_courses, key="monitors' courses", every=20.0)
    live(_useful, draw_useful, key="usefulness", every=600.0)
    live(_adaptations, adapted.draw, key="adaptations", every=600.0)


def _asked(retired: bool) -> list[MonitorView]:
    from tidegate.views.monitors import overview

    return overview(layout(), retired=retired)


def _courses() -> dict[str, list[float | None]]:
    from tidegate.views.monitor_courses import courses

    return courses(layout())


def _useful() -> list[Usefulness]:
    from tidegate.monitoring.past import records
    from tidegate.monitoring.usefulness import judge_all

    return judge_all(records(layout(), window=90 * 86400.0))


def _choose(endpoint: str) -> None:
    from nicegui import ui

    set_query(endpoint=endpoint)
    ui.navigate.to(with_query())


def _row(view: MonitorView, useful: Usefulness | None, course: list[float | None] | None) -> Row:
    one = view.monitor
    where = ", ".join(
        part for part in (one.endpoint, f"version {one.version}" if one.version else "", one.segment) if part
    )
    state = view.alarm or one.state
    pills: list[Cell] = [badge(state, STATES.get(state, "muted"))]
    if view.alarm and one.state != "active":
        pills.append(badge(one.state, "muted"))
    counts = f"{view.real} real, {view.false} false" if view.real or view.false else ""
    share = f", {one.weight:g} shares" if one.rule is None and one.weight != 1.0 else ""
    return Row(one.id, {
        "monitor": words(one.metric, href=to("monitors", "edit", id=one.id), sub=where, mono=True),
        "rule": words(view.rule + share, sub="page" if one.severity == "page" else ""),
        "course": spark(course, "firing" if view.alarm == "firing" else "accent") if course else None,
        "value": words(view.shown, tone="firing" if view.alarm in ("firing", "acknowledged") else "") if view.shown else None,
        "state": several(*pills), "alarms": words(str(view.alarms), sub=counts) if view.alarms else "0",
        "worth": badge(*PROPOSALS[useful.proposal], title=useful.why) if useful is not None else None,
    }, to("monitors", "edit", id=one.id))  # fmt: skip


# -- what verdicts speak for --------------------------------------------------------------------------------------------


class _Adapted:
    """Changes that people's verdicts speak for, to be made one by one; hidden while there are none."""

    def __init__(self) -> None:
        self.found: dict[str, Adaptation] = {}
        self.card = card("What the verdicts speak for", flush=True, note="choose a row to make the change")
        columns = [
            Column("monitor", "Monitor"),
            Column("was", "Is"),
            Column("becomes", "Would be"),
            Column("why", "Why"),
        ]
        with self.card:
            self.table = table(columns, on_row=guarded(self.make) if who().may("operate") else None)
        self.card.set_visibility(False)

    def draw(self, found: list[Adaptation]) -> None:
        """These from now on."""
        self.found = {one.before.id: one for one in found}
        self.card.set_visibility(bool(found))
        self.table.fill([Row(one.before.id, self._cells(one)) for one in found])

    def _cells(self, one: Adaptation) -> dict[str, Cell]:
        monitor = words(one.before.id, mono=True)
        return {"monitor": monitor, "was": _held(one.before), "becomes": _held(one.after), "why": one.why}

    async def make(self, id: str) -> None:
        """Make one, with a yes."""
        who().must("operate")
        one = self.found[id]
        pairs: list[tuple[str, Cell]] = [
            ("Is", _held(one.before)),
            ("Would be", _held(one.after)),
            ("Because", one.why),
        ]
        if (
            await confirm(
                f"Change {id}?",
                "It is in force at once, and can be undone.",
                facts=pairs,
                verb="Change it",
                reason=False,
            )
            is not None
        ):
            await put(one.after, one.before.number)
            say(f"{id}: {_held(one.after)}.")


def _held(one: Monitor) -> str:
    share = f", {one.weight:g} shares of it" if one.rule is None else ""
    return rule_text(one.metric, one.rule) + share


def _adaptations() -> list[Adaptation]:
    from tidegate.monitoring.past import adaptations

    return adaptations(layout())


# -- what else could go wrong -------------------------------------------------------------------------------------------


def _suggested(endpoint: str) -> None:
    """A card that thinks when it is asked to: it reads a month of profiles."""
    found: dict[str, Suggestion] = {}
    with card(f"What else could go wrong at {endpoint}?", flush=True):
        place = box("tg-pad tg-stack-tight")

        async def accept(id: str) -> None:
            who().must("operate")
            one = found[id]
            if await _accept(one):
                found.pop(id)
                rows.fill([_offer(each) for each in found.values()])

        rows = table(
            [
                Column("wrong", "What could go wrong"),
                Column("limit", "Proposed"),
                Column("usual", "Usually", num=True),
                Column("past", "Past"),
            ],
            on_row=guarded(accept),
        )
        rows.set_visibility(False)

        async def think() -> None:
            from tidegate.monitoring.past import suggestions

            words_.set_text("Reading the past …")
            made = await asyncio.to_thread(suggestions, layout(), endpoint)
            found.update({one.monitor.id: one for one in made})
            rows.fill([_offer(one) for one in made])
            rows.set_visibility(bool(made))
            words_.set_text(
                "A row opens the thresholds to choose from. Nothing is watched before you say so." if made
                else "Nothing to add: what can be thought of from this past is watched, or there is too little past."
            )  # fmt: skip
            ask_.set_visibility(False)

        with place:
            words_ = text(
                "Monitors with thresholds from this endpoint's own past, each with the alarms it would have raised.",
                "tg-note",
            )
            with box("tg-row"):
                ask_ = button("Suggest monitors", think)


def _offer(one: Suggestion) -> Row:
    metric = one.monitor.metric
    low, high = (registry.shown(metric, value) if value is not None else "" for value in (one.low, one.high))
    chosen = [each for each in one.candidates if _is(one, each)]
    alarms = sum(each.alarms for each in chosen)
    past = f"{alarms} alarm{'s' if alarms != 1 else ''} in {one.windows} windows"
    return Row(one.monitor.id, {
        "wrong": words(one.wrong, sub=metric), "limit": rule_text(metric, one.monitor.rule),
        "usual": words(registry.shown(metric, one.usual), sub=f"{low} to {high}") if one.usual is not None else None,
        "past": words(past, href=to("monitors", "edit", id=one.monitor.id)),
    })  # fmt: skip


def _is(one: Suggestion, candidate: Candidate) -> bool:
    rule = one.monitor.rule
    return rule is not None and candidate.threshold == (rule.max if candidate.bound == "max" else rule.min)


def _candidate(metric: str, one: Candidate) -> str:
    return f"{registry.shown(metric, one.threshold)}: {one.alarms} alarms in the past, {one.real} of real incidents"


async def _accept(one: Suggestion) -> bool:
    """Ask which threshold, then add it."""
    metric, rule = one.monitor.metric, one.monitor.rule
    assert rule is not None
    fields = []
    for bound, label in (("max", "Alarm above"), ("min", "Alarm below")):
        options = [(repr(each.threshold), _candidate(metric, each)) for each in one.candidates if each.bound == bound]
        proposed = rule.max if bound == "max" else rule.min
        value = repr(proposed) if proposed is not None else ""
        if options:
            fields.append(Field(bound, label, kind="select", value=value, options=[*options, ("", "no limit")]))
    wrong = one.wrong[:1].upper() + one.wrong[1:]
    why = one.why[:1].upper() + one.why[1:]
    fields.append(
        Field("reason", "Reason", kind="long", value=wrong, required=True, hint="It is kept with the monitor.")
    )
    answer = await ask(wrong, f"{one.statistic} {why}.", fields=fields, verb="Watch it")
    if answer is None:
        return False
    bounds = {bound: float(answer[bound]) if answer.get(bound) else None for bound in ("max", "min") if bound in answer}
    if not any(value is not None for value in bounds.values()):
        raise ConfigError("a monitor needs a limit: choose one above or below")
    made = msgspec.structs.replace(
        one.monitor, rule=msgspec.structs.replace(rule, **bounds), reason=str(answer["reason"]), source="suggested"
    )
    await put(made)
    say(f"{made.id} is watched: {rule_text(metric, made.rule)}.")
    return True


async def add() -> None:
    """Choose a metric; its past and a threshold come next."""
    from nicegui import ui

    who().must("operate")
    names = with_profiles()
    if not names:
        raise ConfigError("there is nothing to watch yet: send an endpoint some requests first")
    options = [(name, name) for name in names]
    hint = "As in `tidegate metrics list`; a column is named as in the log."
    answer = await ask(
        "Watch a metric",
        "Its past comes next: drag the threshold to where it should tell.",
        fields=[
            Field("endpoint", "Endpoint", kind="select", value=query("endpoint") or names[0], options=options),
            Field("metric", "Metric", required=True, placeholder="input.missing.age", hint=hint),
        ],
        verb="Look at its past",
    )
    if answer is None:
        return
    endpoint, metric = str(answer["endpoint"]), str(answer["metric"]).strip()
    await asyncio.to_thread(_check, endpoint, metric)
    ui.navigate.to(to("monitors", "edit", id=f"{endpoint}/{metric}"))


def _check(endpoint: str, metric: str) -> None:
    from contextlib import closing

    from tidegate.monitoring.ids import parse_id
    from tidegate.storage.profiles import ProfileStore

    with closing(ProfileStore(layout())) as store:
        registry.check(parse_id(metric).metric, store.columns(endpoint) or None)
