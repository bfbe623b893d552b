"""How two versions on the same requests look side by side: a DiffReport in, one Rich renderable out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tidegate.cli import draw
from tidegate.cli.show import moment, table

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from tidegate.views.shadow import DiffExample, DiffReport, Quality


class Difference:
    """The whole report, laid out for the width that there is."""

    def __init__(self, report: DiffReport) -> None:
        self.report = report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        report = self.report
        title = Text(report.endpoint, style="bold")
        title.append(f"  {report.canary} beside {report.stable}", style="bold")
        if report.since is not None and report.until is not None:
            span = f"  requests of {moment(report.since.timestamp())} to {moment(report.until.timestamp())}"
            title.append(span, style="dim")
        yield title
        yield ""
        yield _headline(report, min(options.max_width, 100), options.ascii_only)
        if report.outputs:
            yield ""
            yield _outputs(report)
        yield _arms(report)
        for quality in report.quality:
            yield _quality(quality, report)
        if report.slices:
            yield ""
            yield from _slices(report)
        if report.examples:
            yield ""
            yield Text("newest differing rows", style="bold")
            for example in report.examples:
                yield from _example(example, report)


def _headline(report: DiffReport, width: int, plain: bool) -> Any:
    from rich.text import Text

    text = Text()
    text.append_text(
        draw.shares(
            [(1 - report.rate, "green", "="), (report.rate, "yellow", "#")], min(30, width // 3), ascii_only=plain
        )
    )
    text.append(
        f"  {draw.rate(report.differing, report.pairs)} of {report.pairs:,} requests are answered differently; "
    )
    text.append(f"surely between {draw.percent(report.low)} and {draw.percent(report.high)}", style="dim")
    return text


def _outputs(report: DiffReport) -> Any:
    rows = [
        (
            output.name,
            output.tolerance,
            f"{output.rows:,}",
            draw.rate(output.rows, output.of),
            f"{output.mean:.3g}" if output.kind == "number" else "",
            f"{output.greatest:.3g}" if output.kind == "number" else "",
        )
        for output in report.outputs[:20]
    ]
    columns = ("output", "tolerance", "rows beyond", "share", "mean gap", "greatest")
    return table(columns, rows, right=columns[2:])


def _arms(report: DiffReport) -> Any:
    """One column a version, so that there is room on 80 columns."""
    arms = (report.stable_arm, report.canary_arm)
    rows = [
        ("requests", *(f"{arm.requests:,}" for arm in arms)),
        (
            "server errors (surely up to)",
            *(f"{draw.rate(arm.errors, arm.requests)} ({draw.percent(arm.high)})" for arm in arms),
        ),
        ("latency p50 / p90 / p99 ms", *(_times(arm.p50_ms, arm.p90_ms, arm.p99_ms) for arm in arms)),
        ("in the model p50 / p99 ms", *(_times(arm.infer_p50_ms, arm.infer_p99_ms) for arm in arms)),
    ]
    columns = ("", f"{report.stable} (callers)", f"{report.canary} (copies)")
    return table(columns, rows, right=columns[1:])


def _times(*values: float) -> str:
    return " / ".join("-" if math.isnan(value) else f"{value:.3g}" for value in values)


def _quality(quality: Quality, report: DiffReport) -> Any:
    from rich.text import Text

    if quality.kind == "absolute error":
        said = f"mean absolute error of {quality.output}: {report.stable} {quality.stable:.4g}, {report.canary} "
        return Text(f"{said}{quality.canary:.4g} ({quality.rows:,} labelled rows)")
    rows = quality.rows
    text = Text(
        f"wrong by label ({rows:,} rows): version {report.stable} {draw.rate(int(quality.stable), rows)}, "
        f"version {report.canary} {draw.rate(int(quality.canary), rows)}"
    )
    text.append(
        f"; only {report.canary} wrong on {quality.only_canary_wrong:,}, only {report.stable} on "
        f"{quality.only_stable_wrong:,}",
        style="dim",
    )
    return text


def _slices(report: DiffReport) -> Iterator[Any]:
    from rich.text import Text

    yield Text("where they differ most", style="bold")
    rows = [
        (
            part.text,
            f"{part.rows:,}",
            draw.rate(part.bad, part.rows),
            f"{draw.percent(part.low)} to {draw.percent(part.high)}",
            "surely" if part.clear else "perhaps",
        )
        for part in report.slices
    ]
    yield table(("inputs", "rows", "differ", "between (95%)", "worse than all"), rows, right=("rows", "differ"))
    yield Text("found on half of the requests, told from the other half", style="dim")


def _example(example: DiffExample, report: DiffReport) -> Iterator[Any]:
    from rich.text import Text

    head = Text(f"  {moment(example.time.timestamp())}  {example.prediction_id}", style="dim")
    if example.row:
        head.append(f" row {example.row}")
    yield head
    names = [name for name in example.stable if example.canary.get(name) != example.stable[name]]
    names += [name for name in example.canary if name not in example.stable]
    for name in names[:4]:
        line = Text(f"    {name}: ")
        line.append(f"v{report.stable} {_cell(example.stable.get(name))}", style="green")
        line.append("   ")
        line.append(f"v{report.canary} {_cell(example.canary.get(name))}", style="yellow")
        yield line
    inputs = ", ".join(f"{name}={_cell(value)}" for name, value in list(example.inputs.items())[:12])
    yield Text(f"    {inputs}{' ...' if len(example.inputs) > 12 else ''}", style="dim")


def _cell(value: Any) -> str:
    if value is None:
        return "nothing"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
