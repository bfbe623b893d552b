"""How incidents look in a terminal: a line each in the list, a card each when somebody looks closer.

    IncidentView --line--> ● 3  severity  PAGE firing  12 m  input age is higher than usual (median 40 -> 52)
    IncidentView --Card--> cause, since when, how sure, what moved with before -> now, alarms, examples, what to do next

Readable without colour, in plain ASCII, and at 80 columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tidegate.cli import draw
from tidegate.cli.show import ago, moment

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

    from tidegate.types.monitoring import Alarm, Finding
    from tidegate.views.alarms import AlarmsView, IncidentView, Watching

STYLES = {
    "firing": "bold red", "acknowledged": "yellow", "resolved": "green", "pending": "yellow", "inactive": "dim",
}  # fmt: skip
MARKS = {"firing": ("●", "*"), "acknowledged": ("◐", "o"), "resolved": ("○", ".")}
HARM = {
    "harmful": ("harmful: answers are worse", "bold red"),
    "harmless": ("harmless so far: answers are as good as before", "green"),
}


def listed(view: AlarmsView, every: bool) -> Iterator[Any]:
    """The list: two lines an incident, then what is pending, what is silenced, and how the watching does."""
    for one in view.incidents:
        yield Line(one, view.time)
    if not view.incidents:
        yield _text("no incidents" if every else "nothing is wrong: no incident is open", "" if every else "green")
    for alarm in view.pending:
        line = _text("  pending  ", "yellow")
        line.append(f"{alarm.monitor}", style="")
        line.append(f"  {alarm.message}, for {ago(max(view.time - alarm.since, 0.0))}", style="dim")
        yield line
    for silence in view.silences:
        yield _text(
            f"  silent   {silence.match} until {moment(silence.until)} by {silence.actor}: {silence.reason} (#{silence.id})",
            "dim",
        )
    yield watching(view.watching)


def watching(found: Watching) -> Text:
    """How the monitor process does, in a line."""
    if found.looked < 0:
        return _text("nobody watches: the monitor process has not looked yet", "yellow")
    if found.late:
        return _text(f"nobody watches: the monitor process looked last {ago(found.looked)} ago", "bold red")
    line = _text(f"{found.monitors} monitors", "dim")
    if found.streams:
        line.append(
            f", {found.streams} detectors on a budget of {found.allowed:g} false alarms a month "
            f"({found.raised} raised, {found.false} called false)",
            style="dim",
        )
    if found.error:
        line.append(f"; {found.error}", style="yellow")
    return line


class Line:
    """An incident in two lines."""

    def __init__(self, view: IncidentView, now: float) -> None:
        self._view, self._now = view, now

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        one = self._view.incident
        line = _text(f"{MARKS[one.state][options.ascii_only]} ", STYLES[one.state])
        line.append(f"{one.id:<4}", style="bold")
        line.append(f"{_where(one.endpoint)}  ")
        line.append(f"{one.severity}  ", style="bold" if one.severity == "page" else "dim")
        line.append("silenced" if self._view.silenced else one.state, style=STYLES[one.state])
        until = one.ended if one.state == "resolved" else self._now
        line.append(f"  {ago(max(until - one.opened, 0.0))}, since {moment(one.opened)[:16]}", style="dim")
        if one.verdict:
            line.append(f"  {one.verdict}", style="dim")
        if one.actor:
            line.append(f"  {one.actor}", style="dim")
        yield line
        yield _indented(f"{one.cause}", 6)


class Card:
    """An incident in full."""

    def __init__(self, view: IncidentView, now: float) -> None:
        self._view, self._now = view, now

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich import box
        from rich.console import Group
        from rich.panel import Panel

        one = self._view.incident
        title = _text(f" incident {one.id} ", "bold")
        title.append(f" {_where(one.endpoint)} ")
        title.append(f" {one.severity} ", style="bold" if one.severity == "page" else "dim")
        title.append(f" {one.state} ", style=STYLES[one.state])
        width = options.max_width - 4
        yield Panel(
            Group(*self._parts(width, options.ascii_only)), title=title, title_align="left",
            border_style=STYLES[one.state].split()[-1], box=box.ASCII if options.ascii_only else box.ROUNDED, padding=(0, 1),
        )  # fmt: skip

    def _parts(self, width: int, plain: bool) -> Iterator[Any]:
        one, alarms = self._view.incident, self._view.alarms
        yield _text(one.cause, "bold")
        yield _text("")
        yield from self._facts()
        if one.findings:
            yield _head("what moved")
            for finding in one.findings:
                yield from moved(finding, width, plain)
        if alarms:
            yield _head("alarms")
            for alarm in alarms:
                yield _alarm(alarm, self._now)
        if one.examples:
            yield _head("examples (prediction ids)")
            yield _indented("  ".join(one.examples), 2)
        if self._view.next:
            yield _head("what to do next")
            for step in self._view.next:
                line = _text(f"  {step.why}: ")
                line.append(step.command, style="cyan")
                yield line

    def _facts(self) -> Iterator[Any]:
        one = self._view.incident
        rows = [("since", f"{moment(one.opened)}, {ago(max(self._now - one.opened, 0.0))} ago", "")]
        if one.state == "resolved":
            rows.append(("ended", f"{moment(one.ended)}, it lasted {ago(max(one.ended - one.opened, 0.0))}", ""))
        rows.append(("how sure", self._view.sure, ""))
        harm, style = HARM.get(one.harm, ("unknown so far", "dim"))
        rows.append(("harm", f"{harm} ({one.harm_words})" if one.harm_words else harm, style))
        if one.notified:
            rows.append(("told", f"{moment(one.notified)}: {one.told.replace(':', ', ')}", ""))
        else:
            rows.append(("told", "nobody yet", "dim"))
        if self._view.silenced is not None:
            by = self._view.silenced
            rows.append(("silenced", f"until {moment(by.until)} by {by.actor}: {by.reason}", "yellow"))
        if one.actor:
            rows.append(("by", one.actor + (f": {one.note}" if one.note else ""), ""))
        if one.verdict:
            rows.append(("it was", one.verdict, "bold"))
        yield _grid([(_text(name, "dim"), _text(value, style)) for name, value, style in rows])


def moved(finding: Finding, width: int, plain: bool) -> Iterator[Any]:
    """One line of what moved: how far as a bar, how sure as odds; below it before -> now."""
    line = _text("  ")
    line.append_text(draw.bar(min(finding.effect, 0.999), 11, _far(finding.effect), ascii_only=plain))
    line.append(f" {finding.column}", style="bold")
    of = f"{finding.side} of version {finding.version}" if finding.version else finding.side
    line.append(f"  {of}", style="dim")
    line.append(f"  {finding.what}")
    yield line
    arrow = "->" if plain else "→"
    parts = [f"{finding.before} {arrow} {finding.now}"] if finding.before and finding.now else []
    parts.append(f"distance {finding.effect:.2f}, evidence {draw.evidence(finding.log_e)}")
    yield _indented(";  ".join(parts), 14, "dim")


def _far(effect: float) -> str:
    return "red" if effect >= 0.25 else "yellow" if effect >= 0.1 else "green"


def _alarm(alarm: Alarm, now: float) -> Any:
    line = _text(f"  {alarm.state:<12} ", STYLES[alarm.state])
    line.append(f"{alarm.monitor} ")
    lasted = ago(max((alarm.ended if not alarm.open else now) - alarm.since, 0.0))
    line.append(f"(alarm {alarm.id}, {lasted}", style="dim")
    line.append((f", {alarm.verdict}" if alarm.verdict else "") + ")", style="dim")
    if alarm.message:
        line.append(f"\n{' ' * 15}{alarm.message}", style="dim")
    if alarm.note:
        line.append(f"\n{' ' * 15}{alarm.note}", style="dim")
    return line


def _where(endpoint: str) -> str:
    return "the project" if endpoint == "*" else endpoint


def _grid(rows: list[tuple[Text, Text]]) -> Any:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _head(text: str) -> Any:
    return _text(f"\n{text}", "dim")


def _indented(text: str, by: int, style: str = "") -> Any:
    from rich.padding import Padding

    return Padding(_text(text, style), (0, 0, 0, by))


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(text, style=style)
