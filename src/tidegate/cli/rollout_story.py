"""Why a rollout paused, went back, or goes on: `tidegate rollout explain`, drawn.

the metric that decided, the counts by arm, how the evidence grew up to the alarm, requests that failed, what to do
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tidegate.cli import draw
from tidegate.cli.rollout_screen import PHASE_STYLES, head
from tidegate.cli.show import ago, moment, table
from tidegate.views import explanation

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from tidegate.types.rollouts import GuardrailView, RolloutState
    from tidegate.views.explanation import Told
    from tidegate.views.rollouts import RolloutView


class Story:
    """The whole explanation, laid out for the width that there is. `metric` picks another than the one that decided."""

    def __init__(self, view: RolloutView, metric: str = "") -> None:
        self.view = view
        self.metric = metric

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        view, plain = self.view, options.ascii_only
        yield head(view.state)
        yield from _why(view)
        for metric in explanation.chosen(view, self.metric):
            yield ""
            yield from _metric(view, metric, min(options.max_width, 100), plain)
        yield from _examples(view)
        yield from _decisions(view)
        yield from _next(view.state)


def _why(view: RolloutView) -> Iterator[Any]:
    from rich.text import Text

    yield Text(explanation.why(view), style=PHASE_STYLES[view.state.phase])
    if (decision := explanation.deciding(view)) is not None:
        yield Text(f"decided {moment(decision.time)} by {decision.actor}", style="dim")


def _metric(view: RolloutView, metric: GuardrailView, width: int, plain: bool) -> Iterator[Any]:
    from rich.text import Text

    told = explanation.told(view, metric)
    title = Text(metric.name, style="bold")
    title.append(f"  {told.meaning}", style="dim")
    yield title
    yield _arms(told)
    course = next((course for course in view.courses if course.name == metric.name), None)
    if course is not None and len(course.harm) > 1:
        rows = draw.chart(course.harm, max(20, width - 10), 7, metric.harm_limit, ascii_only=plain)
        edge = "|" if plain else "│"
        labels = {0: draw.evidence(max(metric.harm_limit * 1.15, *course.harm)), len(rows) - 1: "1"}
        for number, row in enumerate(rows):
            line = Text(f"{labels.get(number, ''):>7} {edge}", style="dim")
            line.append_text(row)
            yield line
        spent = ago(max(0.0, course.times[-1] - course.times[0]))
        yield Text(f"{'':7} evidence of harm over {spent}; the line is the alarm, {draw.evidence(metric.harm_limit)}",
                   style="dim")  # fmt: skip
    harm = draw.evidence(metric.log_harm)
    limit = draw.evidence(metric.harm_limit)
    where = "an alarm" if explanation.fraction(metric.log_harm, metric.harm_limit) >= 1 else "no alarm"
    yield Text(f"evidence of harm {harm} of {limit}: {where}; of safety {draw.evidence(metric.log_safe)} of "
               f"{draw.evidence(metric.safe_limit)}")  # fmt: skip
    if metric.note:
        yield Text(metric.note, style="dim")


def _arms(told: Told) -> Any:
    """Counts by arm, with bounds that hold at every moment."""
    rows = []
    for arm in told.arms:
        if arm.rate is None or arm.low is None or arm.high is None:
            rows.append((arm.role, arm.version, f"{arm.units:,}", f"{arm.bad:,}" if arm.bad else "0", "-", "-"))
            continue
        between = f"{draw.percent(arm.low)} to {draw.percent(arm.high)}"
        rate = draw.rate(arm.bad, arm.units)
        rows.append((arm.role, arm.version, f"{arm.units:,}", f"{arm.bad:,}", rate, between))
    columns = ("arm", "version", "units", "bad", "rate", "surely between (95%)")
    return table(columns, rows, right=("units", "bad", "rate"))


def _examples(view: RolloutView) -> Iterator[Any]:
    from rich.markup import escape
    from rich.text import Text

    if not view.examples:
        return
    rows = [
        (
            moment(example.time)[11:],
            example.metric,
            f"{example.version} {example.role}",
            str(example.status),
            example.prediction_id,
            escape((example.error or "")[:120]),
        )
        for example in view.examples[-8:]
    ]
    yield ""
    yield Text("requests that counted as bad", style="bold")
    yield table(("time", "metric", "answered by", "status", "prediction id", "error"), rows)
    yield Text(
        f"tidegate log query \"select * from {view.state.endpoint} where prediction_id = '{view.examples[-1].prediction_id}'\"",
        style="dim",
    )


def _decisions(view: RolloutView) -> Iterator[Any]:
    from rich.text import Text

    if not view.decisions:
        return
    yield ""
    yield Text("decisions", style="bold")
    yield _hanging(
        [Text(f"{moment(d.time)[11:]}  {d.actor}", style="dim"), Text(explanation.decided(d))]
        for d in view.decisions[-6:]
    )


def _next(state: RolloutState) -> Iterator[Any]:
    from rich.text import Text

    steps = explanation.next_steps(state)
    if not steps:
        return
    yield ""
    yield Text("what to do", style="bold")
    yield _hanging([Text("-"), Text(step)] for step in steps)


def _hanging(rows: Iterable[list[Any]]) -> Any:
    """Lines whose second part keeps its own margin when it is broken."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        grid.add_row(*row)
    return grid
