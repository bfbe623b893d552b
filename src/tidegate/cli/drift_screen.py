"""What a drift report looks like in a terminal: the verdict, the kinds of drift, then each column that moved.

    car_value        ▇▇▇▇▌      0.43   ▁▂▅█▆▃▂▁   →   ▁▁▂▃▄▅▇█
                     higher: median 21,908 → 44,633

A bar is the effect, from 0 to 1; pictures are both sides' distributions on the same bins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tidegate.cli.draw import spark
from tidegate.cli.show import moment, table
from tidegate.views.drift_columns import PICTURE, ColumnDrift, figure, percent

if TYPE_CHECKING:
    from rich.console import Console

    from tidegate.views.drift import DriftView
    from tidegate.views.pace import PaceView

BAR = 10
_PARTS = " ▏▎▍▌▋▊▉█"
_MARKS = {"moved": "[red]●[/]", "harmful": "[red]●[/]", "steady": "[green]○[/]", "harmless": "[green]○[/]"}
_STYLES = {"drifted": "red", "gone": "red", "new": "red", "type": "red", "trifle": "yellow"}


def show(view: DriftView, console: Console, *, every: bool = False) -> None:
    """Print a report. `every` shows the columns that did not move as well."""
    from rich.markup import escape

    when = f"{moment(view.start)} to {moment(view.end)} · " if view.end else ""
    version = f" v{view.version}" if view.version else ""
    console.print(f"[bold]{escape(view.endpoint)}{version}[/] · {when}{view.source}", soft_wrap=True)
    volume = ""
    if view.volume_before:
        volume = f" ({view.rows_now / view.volume_before - 1:+.0%} on the window before)"
    console.print(
        f"{view.rows_now:,} rows{volume} against {view.rows_before:,} of {escape(view.reference)}", soft_wrap=True
    )
    console.print(f"\n{escape(view.verdict)}\n", style="bold")
    kinds = (
        ("covariate", view.covariate.outcome, view.covariate.words),
        ("label", view.label.outcome, view.label.words),
        ("concept", view.concept.outcome, view.concept.words),
        ("harm", view.harm.outcome, view.harm.words),
    )
    for name, outcome, words in kinds:
        console.print(f"  {_MARKS.get(outcome, '[dim]·[/]')} {name:10} {escape(words)}")
    console.print()
    shown = [column for column in view.columns if every or column.moved]
    room = max((len(column.name) for column in shown), default=0)
    room = min(max(room, 12), 26)
    ascii_only = console.encoding.lower() not in ("utf-8", "utf8")
    for column in shown:
        for line in _column(column, room, ascii_only):
            console.print(line, soft_wrap=True)
    _rest(view, console, every)
    if view.told is not None:
        by = f", by {', '.join(list(view.told.by)[:4])}" if view.told.by else ""
        console.print(
            f"together: a classifier tells the two apart with AUC {view.told.auc:.3f} "
            f"({view.told.low:.3f} to {view.told.high:.3f}){escape(by)}"
        )
    if view.reconstruction is not None:
        found = view.reconstruction
        console.print(
            f"          PCA reconstruction error {found.shift:+.2f} sd ({found.low:+.2f} to {found.high:+.2f})"
        )
    if view.compared:
        console.print(_compared(view))


def _column(column: ColumnDrift, room: int, ascii_only: bool) -> Iterable[str]:
    from rich.markup import escape

    style = _STYLES.get(column.outcome, "green")
    name = escape(_cut(column.name, room))
    pictures = ""
    if column.before is not None and column.now is not None and column.before.picture and column.now.picture:
        top = max(*column.before.picture, *column.now.picture)
        both = [
            spark(side.picture, min(len(side.picture), PICTURE), top, ascii_only=ascii_only)
            for side in (column.before, column.now)
        ]
        pictures = f"  [dim]{both[0]:{PICTURE}}[/]  →  [{style}]{both[1]}[/]"
    pad = " " * (room - len(_cut(column.name, room)))
    yield f"  {name}{pad}  [{style}]{_bar(column.effect, ascii_only)}[/] {column.effect:4.2f}{pictures}"
    bounds = "" if column.outcome in ("gone", "new", "type") else f"  [dim]({column.low:.2f} to {column.high:.2f})[/]"
    word = {"drifted": "", "trifle": "a trifle: ", "steady": "", "unclear": "too few rows to say: "}.get(
        column.outcome, ""
    )
    yield f"  {' ' * room}  {word}{escape(column.what)}{bounds}"


def _bar(share: float, ascii_only: bool) -> str:
    """Ten cells for 0 to 1."""
    eighths = max(round(min(max(share, 0.0), 1.0) * BAR * 8), 1 if share > 0 else 0)
    if ascii_only:
        return ("#" * -(-eighths // 8)).ljust(BAR)
    return ("█" * (eighths // 8) + (_PARTS[eighths % 8] if eighths % 8 else "")).ljust(BAR)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def _rest(view: DriftView, console: Console, every: bool) -> None:
    from rich.markup import escape

    if not every:
        for outcome, words in (
            ("trifle", f"changed by less than {percent(view.minimum)}"),
            ("unclear", "too few rows to say"),
            ("steady", "steady"),
        ):
            names = [column.name for column in view.columns if column.outcome == outcome]
            if names:
                more = f" and {len(names) - 8} more" if len(names) > 8 else ""
                console.print(f"  [dim]{words}: {escape(', '.join(names[:8]))}{more}[/]")
    if view.left_out:
        console.print(f"  [dim]left out: {escape(', '.join(view.left_out))}[/]")


def _compared(view: DriftView) -> object:
    """Ours beside what others say by their defaults: figure, and whether that is drift to them."""
    rows, methods = [], dict[str, str]()
    for column in view.columns:
        if not column.peers:
            continue
        cells = [_cut(column.name, 26), _told(column.moved, f"{column.effect:.3f}")]
        for tool in view.compared:
            score = next((peer for peer in column.peers if peer.tool == tool), None)
            if score is None:
                cells += ["", "-"]
                continue
            sign = methods.setdefault(score.method, "abcdefgh"[len(methods)])
            of = f" {score.alarms}/{score.chunks}" if score.chunks else ""
            cells += [sign, _told(score.drifted, f"{figure(score.value)} of {figure(score.threshold)}{of}")]
        rows.append(cells)
    heads = ["column", "ours"]
    for tool in view.compared:
        heads += ["", tool]
    legend = "; ".join(f"{sign}: {method}" for method, sign in methods.items())
    made = table(heads, rows, title="Beside others, by their defaults (red: drift to them; figure of threshold)")
    made.caption = f"{legend}; n/m: chunks that alarm"
    made.caption_justify = "left"
    return made


def _told(drifted: bool, text: str) -> str:
    return f"[red]{text} ●[/]" if drifted else text


def show_pace(view: PaceView, console: Console) -> None:
    """Print how fast each column changes."""
    from rich.markup import escape

    when = f"{moment(view.start)} to {moment(view.end)}"
    console.print(f"[bold]{escape(view.endpoint)}[/] · pace over {when}, {view.windows} windows", soft_wrap=True)
    console.print(f"\n{escape(view.verdict)}\n", style="bold")
    ascii_only = console.encoding.lower() not in ("utf-8", "utf8")
    styles = {"sudden": "red", "fast": "red", "slow": "yellow", "stable": "green", "unclear": "dim"}
    rows = [
        (
            escape(column.name),
            f"[{styles[column.pace]}]{column.pace}[/]",
            escape(column.words),
            spark(
                [1 - value for value in column.similarity], min(len(column.similarity), 16), 1.0, ascii_only=ascii_only
            ),
        )
        for column in view.columns
    ]
    console.print(table(("column", "pace", "half-life of similarity", "distance from the first"), rows))
