"""A monitor's rule tried on its past, on the page: lines to drag, fields to type, what it would have told of, and Save."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import msgspec
from nicegui import ui

from tidegate.errors import ConfigError
from tidegate.metrics import registry
from tidegate.metrics.software.host import GAUGES
from tidegate.monitoring.backtest import Backtest, Would, backtest, points
from tidegate.monitoring.changes import duration
from tidegate.monitoring.past_values import Past, read
from tidegate.types.monitoring import Monitor, Rule
from tidegate.types.units import parse_duration, parse_threshold
from tidegate.ui.components import (
    Column,
    Limit,
    Line,
    Mark,
    Row,
    badge,
    box,
    button,
    card,
    chart,
    confirm,
    field,
    num,
    say,
    stat,
    table,
    text,
    words,
)  # fmt: skip
from tidegate.ui.components.cells import Cell
from tidegate.ui.pages import _monitor_acts as acts
from tidegate.ui.project import layout
from tidegate.ui.url import with_query
from tidegate.ui.who import who
from tidegate.ui.window import Window
from tidegate.views.monitors import MonitorDetail, rule_text

UNITS = {"share": "share", "seconds": "s", "bytes": "bytes", "count": "count", "per_second": "/s", "number": ""}
VERDICTS = {"real": "ok", "false": "firing", "": "muted"}
RELATIVE = (
    ("", "as it is"),
    ("reference", "against the reference"),
    ("week", "against a week before"),
    ("stable", "canary against stable"),
)
SHOWN = 50


class Trial:
    """The page's state: the rule as it is being tried, and what is drawn of it."""

    def __init__(self, one: Monitor, found: MonitorDetail | None, past: Past, window: Window) -> None:
        self.one = one
        self.known = found is not None
        self.past = past
        self.window = window
        self.unit = UNITS.get(registry.unit_of(one.metric), "")
        self.rule = one.rule or _first(past)
        self.severity = one.severity
        self.may = who().may("operate")
        self.shown_unit = "share" if self.rule.relative_to else self.unit
        with card():
            with box("tg-row tg-between"):
                with box("tg-stack-tight"):
                    text(one.id, "tg-mono tg-note")
                    self.words = text("", "tg-lead")
                if self.may:
                    with box("tg-row tg-no-print"):
                        self.save_button = button("Save…", self.save, kind="primary")
            if found is None:
                text("It isn't watched yet. Drag the line to where it should tell, then save.", "tg-note")
            elif one.rule is None:
                text(
                    "It is on the budget: a detector tells when it has moved. A threshold saved here replaces that.",
                    "tg-note",
                )
        with card():
            self.chart = chart(
                one.metric, self.unit, height=300, on_limit=self.dragged, on_zoom=_zoom, group="monitor",
                empty="Its past isn't kept: type where it should tell." if one.metric in GAUGES
                else "There is no value in this window. Choose a longer one, or send requests.",
                note="■ really raised   ◇ would have been raised",
            )  # fmt: skip
            with box("tg-row tg-controls"):
                self.max = field(
                    "Alarm above",
                    self._text(self.rule.max),
                    on_value=lambda value: self.bound("max", value),
                    placeholder="no limit",
                )
                self.min = field(
                    "Alarm below",
                    self._text(self.rule.min),
                    on_value=lambda value: self.bound("min", value),
                    placeholder="no limit",
                )
                field(
                    "Held for",
                    duration(self.rule.hold),
                    on_value=lambda value: self.span("hold", value),
                    hint="How long it must last, such as 10m",
                )
                field(
                    "Over",
                    duration(self.rule.over),
                    on_value=self.over,
                    hint="The window that a value is taken over, such as 10m",
                )
                field("Compared", self.rule.relative_to, kind="select", options=RELATIVE, on_value=self.relative)
                field(
                    "Tells",
                    self.severity,
                    kind="select",
                    options=(("ticket", "as a ticket"), ("page", "as a page")),
                    on_value=self.told,
                )
        with box("tg-grid-narrow"):
            self.alarms = stat("Alarms it would have raised", large=True)
            self.real = stat("Real incidents told of", large=True)
            self.noise = stat("In false alarms", large=True)
            self.lasted = stat("Lasting together", "s", large=True)
        with box("tg-split"):
            with card("What it would have told of", flush=True):
                self.would = table(
                    [
                        Column("start", "From"),
                        Column("lasted", "For", num=True),
                        Column("worst", "Worst", num=True),
                        Column("incident", "Incident then"),
                        Column("verdict", "Verdict"),
                    ],
                    empty="Nothing, at this threshold.",
                )
            with card("What was really told", flush=True):
                self.was = table(
                    [
                        Column("start", "From"),
                        Column("worst", "Worst", num=True),
                        Column("verdict", "Verdict"),
                        Column("again", "Told again"),
                    ],
                    empty="No alarm of this monitor in this window.",
                )
        self.try_out(drawn=True)

    # -- trying -----------------------------------------------------------------------------------------------------

    def try_out(self, *, drawn: bool) -> None:
        """Say what the rule would have told of. The chart is drawn anew only when a drag is over: it mustn't jump under the hand."""
        found = backtest(self.past, self.rule)
        text_ = rule_text(self.one.metric, self.rule)
        self.words.set_text(f"Tells {text_}. {found.words}")
        self.alarms.show(
            len(found.would),
            tone="warning" if found.alone else "",
            sub=f"{found.alone} of them alone" if found.alone else "",
        )
        of = found.real + len(found.missed)
        self.real.show(
            f"{found.real} of {of}" if of else "–",
            tone="firing" if found.missed else "",
            sub=_missed(found) if of else "nobody called one real here",
        )
        self.noise.show(found.noise, tone="firing" if found.noise else "")
        self.lasted.show(found.seconds, sub=f"{found.windows} windows of {duration(self.past.step)}")
        self.would.fill([self._would(one) for one in found.would[::-1][:SHOWN]])
        self.was.fill([self._was(number, found) for number in range(len(found.was) - 1, -1, -1)][:SHOWN])
        if drawn:
            self.draw(found)

    def draw(self, found: Backtest) -> None:
        """Values, the line to drag, alarms as marks."""
        course = points(self.past, self.rule)
        lines = [Line(self.one.metric, [(point.time, point.value) for point in course])]
        limits = []
        if self.rule.relative_to:  # its level moves with what it is compared with: drawn, not dragged
            for name, values in (("above", [p.high for p in course]), ("below", [p.low for p in course])):
                if any(value is not None for value in values):
                    lines.append(Line(name, list(zip(self.past.times, values, strict=True)), tone="firing", muted=True))
        else:
            for name, value in (("above", self.rule.max), ("below", self.rule.min)):
                if value is not None:
                    limits.append(Limit(f"alarm {name}", value, drag=self.may))
            held = self.one.rule
            for now, tried in (
                ((held.max, self.rule.max), (held.min, self.rule.min))
                if held is not None and not held.relative_to
                else ()
            ):
                if now is not None and now != tried:
                    limits.append(Limit("in force", now, tone="muted"))
        marks = [Mark(one.start, "decision", "it would have told", tone="warning") for one in found.would]
        marks += [
            Mark(
                one.start,
                "alarm",
                f"alarm {one.alarm}{': ' + one.verdict if one.verdict else ''}",
                f"/alarms/{one.incident}" if one.incident else "",
                "firing",
            )
            for one in found.was
        ]
        self.chart.fill(lines, start=self.past.start, end=self.past.end, limits=limits, marks=marks)

    def dragged(self, place: int, value: float, done: bool) -> None:
        """A line was moved to `value`."""
        if not math.isfinite(value):
            return
        names = [name for name, limit in (("max", self.rule.max), ("min", self.rule.min)) if limit is not None]
        if place >= len(names):
            return
        rounded = float(f"{value:.3g}")
        self.rule = msgspec.structs.replace(self.rule, **{names[place]: rounded})
        (self.max if names[place] == "max" else self.min).show(self._text(rounded))
        self.try_out(drawn=done)

    def bound(self, name: str, value: Any) -> None:
        """Typed: `5%`, `0.05`, `500ms`; empty for none."""
        try:
            limit = parse_threshold(str(value)) if str(value).strip() else None
        except ValueError as exc:
            raise ConfigError(f"Alarm {'above' if name == 'max' else 'below'}: {exc}") from exc
        self.rule = msgspec.structs.replace(self.rule, **{name: limit})
        self.try_out(drawn=True)

    def span(self, name: str, value: Any) -> None:
        """Typed: `10m`."""
        self.rule = msgspec.structs.replace(self.rule, **{name: _seconds("Held for", value)})
        self.try_out(drawn=True)

    async def over(self, value: Any) -> None:
        """Another window of a value: the past is read anew."""
        seconds = _seconds("Over", value)
        if seconds < 60:
            raise ConfigError("Over: a value needs a window of at least 1m")
        self.rule = msgspec.structs.replace(self.rule, over=seconds)
        await self.again()

    async def relative(self, value: Any) -> None:
        """Compared with something else: the past is read anew; bounds are changes then, and mean something else."""
        if value not in {name for name, _ in RELATIVE} or value == self.rule.relative_to:
            return
        self.rule = msgspec.structs.replace(self.rule, relative_to=value, max=0.2 if value else None, min=None)
        await self.again()
        if not value:
            self.rule = _first(self.past)
            self.try_out(drawn=True)
        self.max.show(self._text(self.rule.max))
        self.min.show(self._text(self.rule.min))

    async def again(self) -> None:
        """Read the past with the rule's window and comparison."""
        one = msgspec.structs.replace(self.one, rule=self.rule)
        self.past = await asyncio.to_thread(read, layout(), one, start=self.window.start, end=self.window.end)
        self.try_out(drawn=True)

    def told(self, value: Any) -> None:
        """Whom it goes to."""
        self.severity = "page" if value == "page" else "ticket"

    # -- keeping ----------------------------------------------------------------------------------------------------

    async def save(self) -> None:
        """With a reason; it is in force at once."""
        who().must("operate")
        if self.rule.max is None and self.rule.min is None:
            raise ConfigError("a threshold needs a limit: drag one, or type one above or below")
        if self.rule.max is not None and self.rule.min is not None and self.rule.min >= self.rule.max:
            raise ConfigError("the limit below must lie under the limit above")
        found = backtest(self.past, self.rule)
        was = rule_text(self.one.metric, self.one.rule) if self.known else "not watched"
        pairs: list[tuple[str, Cell]] = [
            ("Was", was),
            ("Becomes", rule_text(self.one.metric, self.rule)),
            ("In this past", found.words),
        ]
        answer = await confirm(
            f"Save {self.one.id}?", "It is in force at once, and can be undone.", facts=pairs, verb="Save"
        )
        if answer is None:
            return
        made = msgspec.structs.replace(
            self.one,
            rule=self.rule,
            severity=self.severity,
            reason=str(answer["reason"]),
            source="person",
            state="active",
            until=0.0,
        )
        kept = await acts.put(made, self.one.number if self.known and self.one.actor else None)
        say(f"{kept.id}: {rule_text(kept.metric, kept.rule)}.")
        ui.navigate.to(with_query())

    # -- in words ---------------------------------------------------------------------------------------------------

    def _text(self, value: float | None) -> str:
        if value is None:
            return ""
        if self.rule.relative_to or self.unit == "share":
            return f"{100 * value:.4g}%"
        return f"{value:.4g}"

    def _would(self, one: Would) -> Row:
        href = f"/alarms/{one.incident}" if one.incident else ""
        return Row(f"{one.start}", {
            "start": words(_moment(one.start), sub="still so" if one.open else ""), "lasted": num(one.end - one.start, "s"),
            "worst": num(one.worst, self.unit), "incident": words(f"incident {one.incident}", href=href) if href else "none open",
            "verdict": badge(one.verdict or "none", VERDICTS[one.verdict]) if href else None,
        })  # fmt: skip

    def _was(self, number: int, found: Backtest) -> Row:
        one = found.was[number]
        href = f"/alarms/{one.incident}" if one.incident else ""
        again = badge("yes", "ok") if one.again else badge("no", "warning")
        return Row(str(one.alarm), {
            "start": words(_moment(one.start), href=href, sub="" if one.end else "still open"),
            "worst": num(one.worst, self.unit) if one.kind == "threshold" else "on the budget",
            "verdict": badge(one.verdict or "none", VERDICTS[one.verdict]), "again": again,
        })  # fmt: skip


def _first(past: Past) -> Rule:
    """Where a line may begin: a little beyond all that was seen, on the side that is worse."""
    seen = [value.value for value in past.values if value is not None]
    metric = registry.quality_metrics().get(past.monitor.metric)
    if metric is not None and metric.higher_is_better:
        low = min(seen, default=0.5)
        return Rule(min=float(f"{low - max(abs(low) * 0.1, 1e-6):.3g}"), over=past.over)
    top = max(seen, default=0.1)
    return Rule(max=float(f"{top + max(abs(top) * 0.1, 1e-6):.3g}"))


def _missed(found: Backtest) -> str:
    if not found.missed:
        return "none missed"
    return f"missed {', '.join(str(id) for id in found.missed[:3])}" + (
        f" and {len(found.missed) - 3} more" if len(found.missed) > 3 else ""
    )


def _zoom(start: float, end: float) -> None:
    ui.navigate.to(with_query(**{"from": f"{start:.0f}", "to": f"{end:.0f}", "window": ""}))


def _seconds(label: str, value: Any) -> float:
    try:
        return parse_duration(str(value).strip() or "0")
    except ValueError as exc:
        raise ConfigError(f"{label}: {exc}") from exc


def _moment(at_: float) -> str:
    return time.strftime("%d %b %H:%M UTC", time.gmtime(at_))
