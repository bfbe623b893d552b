"""How quality looks in a terminal.

severity · binary · 23 Oct - 22 Nov
version 2   12,410 predictions · ━━━━━━━━╌╌ 81% labelled
  metric      labels            estimate                    now
  auc         0.861 ±0.012 ▼    0.874 ±0.010  held 9 of 10
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.cli.draw import bar, percent
from tidegate.cli.show import note, out, table

if TYPE_CHECKING:
    from rich.console import Group as RichGroup
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from tidegate.types.monitoring import Value
    from tidegate.views.quality import Audit, Figure, Group, Point, QualityView

MARKS = {"better": "[green]▲ better[/]", "worse": "[red]▼ worse[/]", "": ""}
TRUST = {"trusted": "green", "unproven": "yellow", "distrusted": "red"}
SHARES = frozenset({"accuracy", "precision", "recall", "f1", "precision_at_k", "wer", "spoken_wer", "cer"})
CROWDED = frozenset({"precision", "recall", "calibration_error"})
"""Left out of the slices' table where more than WIDE metrics have a value; --json has them all."""
WIDE = 4
BLOCKS = "▁▂▃▄▅▆▇█"


def screen(view: QualityView) -> RichGroup:
    """All of a view."""
    from rich.console import Group

    return Group(*_parts(view))


def audit_screen(asked: Audit, file: Path | None) -> None:
    """Which rows to label, and what for."""
    from rich.markup import escape

    screen = out()
    name = asked.metric.removeprefix("quality.")
    screen.print(
        f"[bold]{asked.asked:,}[/] of {asked.rows:,} predictions to label: [bold]{escape(name)}[/] within "
        f"±{number(name, asked.half_width)} (95%)"
    )
    if asked.labelled:
        screen.print(f"[green]{asked.labelled:,} of them have their label already[/]")
    if file is None:
        shown = [row for row in asked.sample if not row.labelled][:20]
        rows = [(row.prediction_id, str(row.row), row.version, _when(row.time)) for row in shown]
        if rows:
            screen.print(table(("prediction id", "row", "version", "time"), rows, right=("row",)))
        left = asked.asked - asked.labelled - len(shown)
        if left > 0:
            note().print(f"and {left:,} more; --file ids.csv writes all", markup=False)
    if asked.labelled >= asked.asked:
        return
    note().print("send the labels as feedback; `tidegate quality` then corrects its estimate by them", markup=False)


def number(metric: str, value: float) -> str:
    """
    >>> number("accuracy", 0.9312), number("auc", 0.86125), number("mae", 1234.5)
    ('93.1%', '0.861', '1.23e+03')
    """
    if metric in SHARES:
        return f"{100 * value:.3g}%"
    return f"{value:.3f}" if metric in ("auc", "ndcg", "r2", "log_loss", "calibration_error") else f"{value:.3g}"


def _parts(view: QualityView) -> Iterator[RenderableType]:
    from rich.markup import escape
    from rich.padding import Padding
    from rich.text import Text

    head = f"[bold]{escape(view.endpoint)}[/] · {view.task or 'no answers found'}"
    if view.task == "binary":
        head += f" (positive: {escape(view.positive)})"
    yield f"{head} · [dim]predictions of {_when(view.start)} to {_when(view.end)}[/]"
    for group in [group for group in view.groups if not group.slice]:
        yield _title(group)
        rows = [_row(figure) for figure in group.figures if figure.value or figure.estimate or figure.corrected]
        if rows:
            columns = ["metric", "labels say", "", "estimated without labels", "its record", "audit corrects to"]
            used = [i for i in range(6) if i < 2 or any(row[i] for row in rows)]
            made = table([columns[i] for i in used], [[row[i] for i in used] for row in rows])
            yield Padding(made, (0, 0, 0, 2))
        if group.behaviour:
            done = [[cell for i, cell in enumerate(_row(figure)) if i < 3] for figure in group.behaviour]
            kept = 3 if any(row[2] for row in done) else 2
            columns = ["people", "of predictions", ""]
            yield Padding(table(columns[:kept], [row[:kept] for row in done]), (0, 0, 0, 2))
        slices = [part for part in view.groups if part.slice and part.version == group.version]
        if slices:
            yield Padding(_slices(slices), (0, 0, 0, 2))
    if view.points:
        yield from _course(view)
    if view.worst:
        found = []
        for one in view.worst:
            wrong = f"[red]{percent(one.bad / max(one.rows, 1))}[/]"
            found.append((escape(one.text), wrong, f"{percent(one.low)} to {percent(one.high)}", f"{one.rows:,}"))
        yield table(("where most is wrong", "wrong", "95%", "rows looked at"), found, right=("wrong", "rows looked at"))
    for line in view.notes:
        yield Text.from_markup(f"[yellow]•[/] {escape(line)}")


def _title(group: Group) -> Text:
    from rich.markup import escape
    from rich.text import Text

    title = Text.from_markup(
        f"\nversion [bold]{escape(group.version)}[/]" if group.version else "\n[bold]all versions[/]"
    )
    title.append(f"  {group.rows:,} predictions  ")
    title.append_text(bar(group.arrived, 12, "cyan"))
    title.append(f" {percent(group.arrived)} labelled")
    if group.matured and group.matured < group.rows:
        title.append(f", {percent(group.matured_labels / group.matured)} of those old enough", style="dim")
    return title


def _slices(slices: list[Group]) -> Table:
    """One line a slice, one column a metric; what is surely worse than the whole version is red."""
    from rich.markup import escape

    known = [figure.metric for figure in slices[0].figures]
    names = [id for id in known if any(f.value for one in slices for f in one.figures if f.metric == id)]
    names = [id for id in names if id.removeprefix("quality.") not in CROWDED or len(names) <= WIDE]
    rows = []
    for part in slices:
        cells = []
        for figure in part.figures:
            if figure.metric not in names:
                continue
            name = figure.metric.removeprefix("quality.")
            text = number(name, figure.value.value) if figure.value is not None else "-"
            if figure.value is not None and figure.value.low is not None and figure.value.high is not None:
                half = (figure.value.high - figure.value.low) / 2
                text += f" [dim]±{number(name, half)}[/]" if math.isfinite(half) else " [dim]±?[/]"
            style = {"worse": "red", "better": "green"}.get(figure.outcome)
            cells.append(f"[{style}]{text} {'▼' if style == 'red' else '▲'}[/]" if style else text)
        rows.append((escape(part.slice), f"{part.rows:,}", percent(part.arrived), *cells))
    short = [name.removeprefix("quality.") for name in names]
    made: Table = table(("slice", "rows", "labelled", *short), rows, right=("rows", "labelled"))
    return made


def _row(figure: Figure) -> list[str]:
    name = figure.metric.removeprefix("quality.")
    estimate = record = fixed = ""
    if figure.estimate is not None:
        trust = figure.trust.state if figure.trust is not None else "unproven"
        estimate = _value(name, figure.estimate)
        if trust == "distrusted":
            estimate = f"[strike dim]{estimate}[/]"
        record = f"[{TRUST[trust]}]{trust}[/]"
        if figure.trust is not None and figure.trust.compared:
            record += f" [dim]held {figure.trust.held} of {figure.trust.compared}[/]"
    if figure.corrected is not None:
        one = figure.corrected
        fixed = f"{number(name, one.value)} [dim]{number(name, one.low)} to {number(name, one.high)}, {one.labels} labels[/]"
    return [name, _value(name, figure.value), MARKS[figure.outcome], estimate, record, fixed]


def _value(name: str, value: Value | None) -> str:
    if value is None:
        return "[dim]-[/]"
    text = number(name, value.value)
    if value.low is None or value.high is None or not math.isfinite(value.high - value.low):
        return text
    return f"{text} [dim]{number(name, value.low)} to {number(name, value.high)}[/]"


def _course(view: QualityView) -> Iterator[RenderableType]:
    """The leading metric over time: a line of what labels say, a line of estimates."""
    from rich.text import Text

    lead = next((f.metric for g in view.groups for f in g.figures if f.metric in ("quality.auc", "quality.mae")), "")
    lead = lead or next((f.metric for g in view.groups for f in g.figures), "")
    for version in dict.fromkeys(point.version for point in view.points):
        points = [point for point in view.points if point.version == version]
        given = [_at(point, lead, estimated=False) for point in points]
        thought = [_at(point, lead, estimated=True) for point in points]
        known = [value for value in (*given, *thought) if value is not None]
        if not known:
            continue
        low, high = min(known), max(known)
        name = lead.removeprefix("quality.")
        yield Text(
            f"\n{name} of version {version}, each {_length(points[0])}: {number(name, low)} to {number(name, high)}"
        )
        yield Text("  labels    ") + Text(_line(given, low, high), style="cyan")
        if any(value is not None for value in thought):
            yield Text("  estimate  ") + Text(_line(thought, low, high), style="magenta")


def _at(point: Point, metric: str, *, estimated: bool) -> float | None:
    value = (point.estimates if estimated else point.values).get(metric)
    return value.value if value is not None else None


def _line(values: list[float | None], low: float, high: float) -> str:
    """
    >>> _line([0.5, None, 1.0], 0.5, 1.0)
    '▁ █'
    """
    room = (high - low) or 1.0
    return "".join(" " if v is None else BLOCKS[min(7, int((v - low) / room * 7.999))] for v in values)


def _length(point: Point) -> str:
    seconds = point.end - point.start
    for size, name in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.3g}{name}"
    return f"{seconds:.3g}s"


def _when(moment: float) -> str:
    return datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M")
