"""How a rollout looks in a terminal: a RolloutView in, one Rich renderable out. Reads nothing, asks nothing.

    severity  1 -> 2  Progressing                       who, and where it stands
    ✓ mirror 100%  ✓ 5%  ▶ pause 10m  ○ 50%             the track
    ████████████████▓▓                                  the traffic
    error     ━━━━━╌╌╌╌╌┃  ━━━╌╌╌╌╌╌╌┃  ▁▂▃             evidence of harm and of safety, each against its line
    waits for ...                                       and when it may move on

Fits 80 columns; says in words what it says in colour.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tidegate.cli import draw
from tidegate.cli.show import ago, moment
from tidegate.views.explanation import decided, fraction

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

    from tidegate.types.rollouts import Decision, GuardrailView, RolloutState
    from tidegate.views.rollouts import Course, RolloutView

PHASE_STYLES = {
    "Pending": "yellow", "Progressing": "cyan", "Paused": "yellow", "Healthy": "green", "Degraded": "red",
}  # fmt: skip

MARKS = {"done": ("✓", "+", "green"), "now": ("▶", ">", "bold cyan"), "next": ("○", ".", "dim"),
         "failed": ("✗", "x", "bold red")}  # fmt: skip

HUMAN = "a person decides; the model is beside them"


class Screen:
    """The whole view, laid out for the width that there is."""

    def __init__(self, view: RolloutView) -> None:
        self.view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        view = self.view
        plain = options.ascii_only
        yield head(view.state)
        waits = view.state.message.startswith("waits for")  # which is said below, with more
        if view.state.message and not waits and (not view.state.active or view.state.phase == "Paused"):
            yield _styled(view.state.message, PHASE_STYLES[view.state.phase])
        yield ""
        yield from track(view, options.max_width, plain)
        yield ""
        yield traffic(view.state, min(options.max_width, 100), plain)
        if view.judgement is not None and view.judgement.metrics:
            yield ""
            yield evidence(view, options.max_width, plain)
        yield ""
        yield from outlook(view)
        if view.decisions:
            yield last(view.decisions[-1], view.time)


def head(state: RolloutState) -> Text:
    """Who, from what to what, and where it stands."""
    from rich.text import Text

    text = Text(state.endpoint, style="bold")
    text.append(f"  {state.stable} -> {state.canary}", style="bold")
    text.append(f"  {state.plan.strategy}", style="dim")
    text.append("  ")
    text.append(f" {state.phase} ", style=f"bold reverse {PHASE_STYLES[state.phase]}")
    text.append(f"  rollout {state.id}", style="dim")
    if state.attempt > 1:
        text.append(f", attempt {state.attempt}", style="dim")
    return text


def track(view: RolloutView, width: int, plain: bool) -> Iterator[Text]:
    """The steps on a line, or some: done, now, next. A step's words stay together."""
    from rich.text import Text

    text = Text()
    for step in view.steps:
        mark, letter, style = MARKS[step.state]
        piece = Text(f"{letter if plain else mark} {step.text}", style=style)
        if text and len(text) + 2 + len(piece) > width:
            yield text
            text = Text()
        if text:
            text.append("  ")
        text.append_text(piece)
    yield text


def traffic(state: RolloutState, width: int, plain: bool) -> Text:
    """Who answers: stable and canary as one bar; the mirror beside it."""
    from rich.text import Text

    stable = 100.0 - state.weight
    words = f" {state.stable} {stable:g}%  {state.canary} {state.weight:g}%"
    if state.mirror:
        words += f"  mirror {state.mirror:g}%"
    if state.plan.human:
        words = f" {HUMAN}"
    room = max(10, width - len(words) - 10)
    text = Text("traffic  ", style="dim")
    text.append_text(draw.shares([(stable, "green", "="), (state.weight, "yellow", "#")], room, ascii_only=plain))
    text.append(words)
    return text


def evidence(view: RolloutView, width: int, plain: bool) -> Any:
    """One line a metric: evidence of harm up to the alarm, of safety up to proof, its course, the counts."""
    from rich.console import Group
    from rich.table import Table

    judgement = view.judgement
    assert judgement is not None
    courses = {course.name: course for course in view.courses}
    names = min(max([6, *(len(metric.name) for metric in judgement.metrics)]), 16 if width < 100 else 28)
    spare = max(0, min(width, 130) - names - 3 * 6 - 2 * 5 - 9)
    harm, proof = max(8, spare * 2 // 5), max(7, spare * 3 // 10)
    course = max(5, spare - harm - proof)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("metric", width=names, overflow="ellipsis", no_wrap=True)
    table.add_column("harm", width=harm, no_wrap=True, overflow="crop")
    table.add_column("E", width=5, justify="right", no_wrap=True, overflow="crop")
    table.add_column("proof", width=proof, no_wrap=True, overflow="crop")
    table.add_column("E", width=5, justify="right", no_wrap=True, overflow="crop")
    table.add_column("course", width=course, no_wrap=True, style="cyan", overflow="crop")
    table.add_column("units", width=6, justify="right", no_wrap=True)
    for version in (view.state.canary, view.state.stable):
        label = f"in {version}"
        table.add_column(label if len(label) <= 6 else version[:6], width=6, justify="right", no_wrap=True)
    alone = {spec.name for spec in view.state.plan.metrics if spec.measure == "disagreement"}
    for metric in judgement.metrics:
        if metric.name in alone and metric.log_harm == metric.log_safe == 0:
            table.add_row(*_seen(metric))
        else:
            table.add_row(*_line(metric, courses.get(metric.name), (harm, proof, course), plain))
    notes = [_styled(f"{metric.name}: {metric.note}", "dim") for metric in judgement.metrics if metric.note]
    return Group(table, *notes)


def _line(metric: GuardrailView, course: Course | None, widths: tuple[int, int, int], plain: bool) -> list[Any]:
    from rich.text import Text

    harm = fraction(metric.log_harm, metric.harm_limit)
    safe = fraction(metric.log_safe, metric.safe_limit)
    alarm = metric.guardrail and harm >= 1
    values = course.harm if course is not None else []
    return [
        Text(metric.name, style="bold red" if alarm else "" if metric.guardrail else "dim"),
        draw.bar(harm, widths[0], draw.level_style(harm) if metric.guardrail else "dim", ascii_only=plain),
        Text("ALARM", style="bold red") if alarm else Text(draw.evidence(metric.log_harm), style="dim"),
        draw.bar(safe, widths[1], "green" if safe >= 1 else "blue", ascii_only=plain),
        Text("proof", style="green") if safe >= 1 else Text(draw.evidence(metric.log_safe), style="dim"),
        draw.spark(values, widths[2], metric.harm_limit, ascii_only=plain),
        compact(metric.canary_units),
        Text(draw.rate(metric.canary_bad, metric.canary_units), style="bold red" if alarm else ""),
        draw.rate(metric.stable_bad, metric.stable_units),
    ]


def _seen(metric: GuardrailView) -> list[Any]:
    """A rate that nothing is compared with."""
    from rich.text import Text

    found = draw.rate(metric.canary_bad, metric.canary_units)
    return [Text(metric.name, style="dim"), "", "", "", "", "", compact(metric.canary_units), found, ""]


def outlook(view: RolloutView) -> Iterator[Text]:
    """What it waits for, and when it may move on."""
    from rich.text import Text

    if view.freeze is not None:
        yield _styled(
            f"frozen until {moment(view.freeze.until)} by {view.freeze.actor}: {view.freeze.reason}", "yellow"
        )
    if not view.state.active:
        return
    text = Text("waits for ", style="dim")
    text.append(view.waiting.what)
    yield text
    so_far = f"{view.units:,} units and {ago(view.state.in_step)} in this step"
    if view.units_per_second > 0:
        so_far += f", {view.units_per_second:.3g} units a second"
    yield _styled(so_far, "dim")
    if view.waiting.seconds > 0:
        when = Text("may move on in about ", style="dim")
        when.append(ago(view.waiting.seconds))
        when.append(f", at {moment(view.time + view.waiting.seconds)[11:]}", style="dim")
        yield when
    said = view.judgement.message if view.judgement is not None else ""
    if view.state.phase == "Progressing" and said and not said.startswith("waits for"):
        yield _styled(said, "dim")


def last(decision: Decision, now: float) -> Text:
    """The newest decision, in a line."""
    from rich.text import Text

    text = Text("last: ", style="dim")
    text.append(f"{ago(max(0.0, now - decision.time))} ago, {decision.actor}: {decided(decision)}", style="dim")
    return text


def history_lines(states: list[RolloutState]) -> Iterator[Text]:
    """Rollouts, newest first: a line of facts each, and a line of why."""
    from rich.text import Text

    for state in states:
        line = Text(f"{state.id:>4}  ", style="bold")
        line.append(f"{moment(state.created)[:16]}  ", style="dim")
        line.append(f"{state.endpoint}  {state.stable} -> {state.canary}  ")
        line.append(state.phase, style=PHASE_STYLES[state.phase])
        undo = f"  undo to {state.revision_before}" if state.revision_before else ""
        line.append(f"  {_lasted(state)}  {state.actor}{undo}", style="dim")
        yield line
        if why := state.message or state.reason:
            yield Text(f"      {why}", style="dim")


def decisions_table(decisions: list[Decision]) -> Any:
    """Every decision of one rollout, oldest first."""
    from tidegate.cli.show import table

    rows = [(str(d.number), moment(d.time), d.actor, _escaped(decided(d))) for d in decisions]
    return table(("no.", "when", "who", "what"), rows, right=("no.",))


def compact(count: int) -> str:
    """A count in few signs.

    >>> compact(950), compact(12_400), compact(3_210_000)
    ('950', '12.4k', '3.21M')
    """
    for size, letter in ((1_000_000, "M"), (10_000, "k")):
        if count >= size:
            return f"{count / (1000 if letter == 'k' else size):.3g}{letter}"
    return f"{count:,}"


def _styled(text: str, style: str) -> Text:
    from rich.text import Text

    return Text(text, style=style)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _lasted(state: RolloutState) -> str:
    return ago(state.ended - state.created) if state.ended else "still on"
