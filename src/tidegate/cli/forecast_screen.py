"""What a rollout will do and about how long it will take, before it starts: a plan and a Forecast in, a table out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.cli.show import ago, table

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from tidegate.types.rollouts import RolloutState
    from tidegate.views.forecast import Forecast as Numbers
    from tidegate.views.forecast import StepForecast


class Forecast:
    """The compiled steps with what each will need."""

    def __init__(self, planned: RolloutState, numbers: Numbers) -> None:
        self.planned = planned
        self.numbers = numbers

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        planned, numbers = self.planned, self.numbers
        title = Text(f"{planned.endpoint}  {planned.stable} -> {planned.canary}", style="bold")
        title.append(f"  {planned.plan.strategy}", style="dim")
        yield title
        rows = [_row(step) for step in numbers.steps]
        yield table(("step", "", "canary units", "about", "because"), rows, right=("step", "canary units", "about"))
        guardrails = [spec.name for spec in planned.plan.metrics if spec.guardrail]
        signals = [spec.name for spec in planned.plan.metrics if not spec.guardrail]
        said = f"guardrails: {', '.join(guardrails) or 'none'}"
        yield Text(f"{said}; signals: {', '.join(signals)}" if signals else said)
        yield Text(
            f"a canary that is no worse is rolled back with a chance of at most {planned.plan.rollback_alpha:.2g}, "
            f"one that is worse is proved safe with at most {planned.plan.promote_alpha:.2g}",
            style="dim",
        )
        if numbers.units_per_second > 0:
            yield Text(
                f"reckoned for a canary as good as version {planned.stable}, at {numbers.units_per_second:,.3g} requests a "
                f"second ({numbers.requests:,} in the last day)",
                style="dim",
            )
        else:
            yield Text("no traffic in the last day: times can't be told", style="yellow")


def _row(step: StepForecast) -> tuple[str, ...]:
    units = f"{step.units:,}" if step.units > 0 else "?" if step.units < 0 else ""
    about = ago(step.seconds) if step.seconds > 0 else "?" if step.seconds < 0 else ""
    return str(step.number + 1), step.text, units, about, step.why
