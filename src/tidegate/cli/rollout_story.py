"""Why a rollout paused, went back, or goes on: `tidegate rollout explain`, drawn.

the metric that decided, the counts by arm, how the evidence grew up to the alarm, requests that failed, what to do
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tidegate.cli import draw
from tidegate.cli.rollout_screen import PHASE_STYLES, decided, fraction, head
from tidegate.cli.show import ago, moment, table

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from tidegate.types.rollouts import GuardrailView, MetricSpec, RolloutState
    from tidegate.views.rollouts import RolloutView

MEASURES = {
    "error": "answers with a server error or a time-out (status 5xx)",
    "timeout": "answers that came too late (status 504)",
    "null": "answers that were empty, null or NaN",
    "latency": "answers slower than a limit frozen from the stable version",
    "wrong": "answers that their label, once it came, contradicts",
    "disagreement": "mirrored requests that the two versions answer differently",
    "output": "the classes that are answered",
    "score": "a score between 0 and 1",
}

NEXT_STEPS = {
    "alarm": (
        "the stable version has all traffic already; nothing is urgent",
        "look at the requests above, mend the model, add it as a new version, and `start` again",
        "`tidegate rollout diff {e}` shows where the two versions answer differently",
        "the very same artifact can't be retried, the evidence against it stands; `tidegate rollout start {e} --to {v}` begins "
        "without it, where the harm had another cause",
    ),
    "srm": (
        "the units don't arrive in the proportion in which they are drawn: a client retries, a cache or a bot sits "
        "between, or records of one version are lost. No comparison holds until that is found",
        "`tidegate rollout abort {e}` goes back; `resume` goes on once the cause is gone",
    ),
    "labels": (
        "labels return for one version more often than for the other, so their rates can't be compared",
        "see who sends the feedback, and whether it sees both versions alike; then `resume` or `abort`",
    ),
    "noData": (
        "no unit was seen for a while: is there traffic at all? `tidegate status`",
        "it goes on by itself once there is; `tidegate rollout abort {e}` ends it",
    ),
    "unhealthy": (
        "the stable version itself is in trouble: `tidegate status`; nothing is promoted meanwhile",
        "it goes on by itself once that is over; `tidegate rollout abort {e}` ends it",
    ),
    "blind": (
        "what happens can't be seen: the journal or its marks are not readable; `tidegate status` shows the processes",
        "traffic stays as it is, and it goes on by itself once it sees again; `tidegate rollout abort {e}` ends it",
    ),
    "unavailable": (
        "the new version can't be loaded; `tidegate status` says why",
        "mend it, add it as a new version, and `start` again",
    ),
    "inconclusive": (
        "there was not enough evidence in the time given, neither of harm nor of safety",
        "`tidegate rollout resume {e}` gives it the time once more; `promote {e} --full` goes on without it; `abort {e}` "
        "goes back",
    ),
    "person": ("`tidegate rollout promote {e}` goes on; `abort {e}` goes back",),
    "aborted": ("`tidegate rollout retry {e}` tries again; its evidence is kept",),
    "undone": ("`tidegate rollout history {e}` lists what was; `start` begins anew",),
    "done": ("`tidegate rollout undo {e}` goes back, at once within the rollback window",),
}


class Story:
    """The whole explanation, laid out for the width that there is. `metric` picks another than the one that decided."""

    def __init__(self, view: RolloutView, metric: str = "") -> None:
        self.view = view
        self.metric = metric

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        view, plain = self.view, options.ascii_only
        yield head(view.state)
        yield from _why(view)
        for metric in chosen(view, self.metric):
            yield ""
            yield from _metric(view, metric, min(options.max_width, 100), plain)
        yield from _examples(view)
        yield from _decisions(view)
        yield from _next(view.state)


def chosen(view: RolloutView, name: str = "") -> list[GuardrailView]:
    """The metrics to tell of: the one asked for; those with an alarm; else the one with the most evidence of harm."""
    if view.judgement is None:
        return []
    metrics = view.judgement.metrics
    if name:
        return [metric for metric in metrics if metric.name == name]
    alarms = [m for m in metrics if m.guardrail and fraction(m.log_harm, m.harm_limit) >= 1]
    if alarms:
        return alarms
    guardrails = [metric for metric in metrics if metric.guardrail]
    return sorted(guardrails, key=lambda m: fraction(m.log_harm, m.harm_limit))[-1:]


def _why(view: RolloutView) -> Iterator[Any]:
    from rich.text import Text

    state = view.state
    said = state.message or (view.judgement.message if view.judgement is not None else "")
    yield Text(said or "nothing was decided yet", style=PHASE_STYLES[state.phase])
    for decision in reversed(view.decisions):
        if decision.phase == state.phase and decision.phase != decision.phase_before:
            yield Text(f"decided {moment(decision.time)} by {decision.actor}", style="dim")
            break


def _metric(view: RolloutView, metric: GuardrailView, width: int, plain: bool) -> Iterator[Any]:
    from rich.text import Text

    state = view.state
    spec = next((spec for spec in state.plan.metrics if spec.name == metric.name), None)
    title = Text(metric.name, style="bold")
    title.append(f"  {meaning(spec, view.thresholds.get(metric.name, 0.0))}", style="dim")
    yield title
    yield _arms(state, metric)
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
    where = "an alarm" if fraction(metric.log_harm, metric.harm_limit) >= 1 else "no alarm"
    yield Text(f"evidence of harm {harm} of {limit}: {where}; of safety {draw.evidence(metric.log_safe)} of "
               f"{draw.evidence(metric.safe_limit)}")  # fmt: skip
    if metric.note:
        yield Text(metric.note, style="dim")


def meaning(spec: MetricSpec | None, threshold: float) -> str:
    """What is counted, and how it is judged. `threshold` is the frozen limit, 0 where there is none."""
    if spec is None:
        return ""
    words = MEASURES.get(spec.measure, f"as {spec.measure} says")
    if spec.measure == "latency" and (limit := spec.threshold or threshold):
        words += f" ({limit / 1000:.3g} ms)"
    if spec.source == "labels" and spec.maturation:
        words += f", {ago(spec.maturation)} after the prediction"
    return words if spec.guardrail else f"{words}; a signal, it stops nothing"


def _arms(state: RolloutState, metric: GuardrailView) -> Any:
    """Counts by arm, with bounds that hold at every moment."""
    from tidegate.stats.sequences import rate_bounds

    rows = []
    for role, version, bad, units in (
        ("canary", state.canary, metric.canary_bad, metric.canary_units),
        ("stable", state.stable, metric.stable_bad, metric.stable_units),
    ):
        if not units:
            rows.append((role, version, "0", "0", "-", "-"))
            continue
        low, high = rate_bounds(bad, units, 0.05)
        between = f"{draw.percent(low)} to {draw.percent(high)}"
        rows.append((role, version, f"{units:,}", f"{bad:,}", draw.rate(bad, units), between))
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
        [Text(f"{moment(d.time)[11:]}  {d.actor}", style="dim"), Text(decided(d))] for d in view.decisions[-6:]
    )


def _next(state: RolloutState) -> Iterator[Any]:
    from rich.text import Text

    steps = NEXT_STEPS.get(state.reason, ())
    if not steps and state.active:
        steps = ("nothing to do: it goes on by itself; `tidegate rollout status {e} --watch` shows it",)
    if not steps and state.phase == "Degraded":
        steps = NEXT_STEPS["aborted"]
    if not steps:
        return
    yield ""
    yield Text("what to do", style="bold")
    yield _hanging([Text("-"), Text(step.format(e=state.endpoint, v=state.canary))] for step in steps)


def _hanging(rows: Iterable[list[Any]]) -> Any:
    """Lines whose second part keeps its own margin when it is broken."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        grid.add_row(*row)
    return grid
