"""What a pipeline's change looks like in a terminal: a line a stage, the one where it begins marked.

  stage    is given      gives                                version    failed   rows
▶ vad      as before     length lower: median 2.1 → 0.9       1 → 2      0.0%     1,204 (1,180)
  asr      segment ...   text shorter                         1          0.0%     1,204 (1,180)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidegate.cli.show import moment, table
from tidegate.views.pipeline import CALLERS, Change, PipelineView, StageView, differs, shares

if TYPE_CHECKING:
    from rich.console import Console

    from tidegate.views.attribution import Attribution, Figure


def show(view: PipelineView, console: Console) -> None:
    """Print where a change begins."""
    from rich.markup import escape

    console.print(
        f"[bold]{escape(view.endpoint)}[/] · {moment(view.start)} to {moment(view.end)}, against as long just before",
        soft_wrap=True,
    )
    console.print(f"\n{escape(view.verdict)}\n", style="bold")
    rows = [_line(one, view.begins == one.stage) for one in view.stages]
    rows.append(_line(view.whole, view.begins == CALLERS))
    console.print(table(("", "stage", "is given", "gives", "version", "failed", "rows (before)"), rows))
    if view.quality is not None:
        metric, before, now = view.quality
        console.print(f"{escape(metric)}, by the labels that came: {_figure(before)} → {_figure(now)}")


def show_shares(found: Attribution, console: Console) -> None:
    """Print whose a change is."""
    from rich.markup import escape

    console.print(f"\n{escape(found.verdict)}\n", style="bold")
    rows = [
        (escape(one.stage), f"{escape(one.before)} → {escape(one.after)}", *_share(one.share)) for one in found.shares
    ]
    rows.append(("[bold]together[/]", "", *_share(found.change)))
    console.print(table(("stage", "version", f"its part in {found.metric}", "95%"), rows, right=("95%",)))
    console.print(table(("versions", found.metric), [
        (escape("+".join(f"{stage}:{version}" for stage, version in one.versions.items())), f"{one.value:.4g}") for one in found.mixes
    ], right=(found.metric,)))  # fmt: skip
    left_out = f"; {found.left_out:,} were not answered under every mix" if found.left_out else ""
    console.print(f"{found.requests:,} requests{left_out}")


def _share(figure: Figure) -> tuple[str, str]:
    style = "bold" if figure.clear else "dim"
    return f"[{style}]{figure.value:+.4g}[/]", f"{figure.low:+.4g} to {figure.high:+.4g}"


def _line(one: StageView, begins: bool) -> tuple[str, ...]:
    from rich.markup import escape

    before, now = one.versions
    version = f"{shares(before)} → [red]{shares(now)}[/]" if differs(before, now) else shares(now)
    if not one.stage:
        version = ""
    failed = f"{one.failed[1]:.1%}"
    if abs(one.failed[1] - one.failed[0]) >= 0.01:
        failed = f"{one.failed[0]:.1%} → [red]{failed}[/]"
    given, gives = _side(one.inputs, one), _side(one.outputs, one)
    if not one.stage:
        given = f"callers send: {given}"
        gives = f"callers get: {gives}"
    return (
        "[red]▶[/]" if begins else " ", escape(one.stage or "the whole"), given, gives, version, failed,
        f"{one.rows[1]:,} ({one.rows[0]:,})",
    )  # fmt: skip


def _side(changes: Sequence[Change], one: StageView) -> str:
    from rich.markup import escape

    if not changes:
        return "[dim]can't be told[/]" if one.part == "unclear" else "[green]as before[/]"
    more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
    return f"[red]{escape(changes[0].name)} {escape(changes[0].words.partition(', ')[0])}[/]{more}"


def _figure(value: float | None) -> str:
    return "no labels" if value is None else f"{value:.3f}"
