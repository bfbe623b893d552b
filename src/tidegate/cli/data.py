"""`tidegate data check`: a data set before a model is learned from it.

folder or table, labels --datachecks/--> findings --> terminal, JSON, HTML      --fix --> a new data set
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli import FAILED
from tidegate.cli.common import JsonOption
from tidegate.cli.show import note, out, plain_json, print_json
from tidegate.errors import InvalidRequest

if TYPE_CHECKING:
    from tidegate.datachecks.base import Data, Report
    from tidegate.datachecks.repair import Fixes

data = typer.Typer(
    no_args_is_help=True, help="Check data before a model is learned from it, and mend what is safe to mend."
)

MARKS = {"error": "[bold red]✗[/]", "warning": "[yellow]![/]", "note": "[dim]·[/]"}


def add_to(app: typer.Typer) -> None:
    """Hang this command into the tree."""
    app.add_typer(data, name="data")


@data.callback()
def _root() -> None:
    """Check data before a model is learned from it, and mend what is safe to mend."""


@data.command()
def check(
    path: Annotated[Path, typer.Argument(help="A folder of recordings, pictures or texts, or a table (CSV, Parquet).")],
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="CSV or Parquet: file, label, and rater, set, time, group where they are known."),
    ] = None,
    test: Annotated[Path | None, typer.Option("--test", help="A second set: does it know the first?")] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="The table that the model learned from: names, types, ranges.")
    ] = None,
    kind: Annotated[str, typer.Option("--kind", help="table, text, audio or image, where the files don't tell.")] = "",
    column: Annotated[
        list[str] | None, typer.Option("--column", help="What is called what: label=severity; may be repeated.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="This check alone; may be repeated.")] = None,
    origin: Annotated[
        str,
        typer.Option("--origin", help="Where the set is from: purchased, historical, collected, generated, public."),
    ] = "",
    fix: Annotated[
        Path | None, typer.Option("--fix", help="Write what is safe to mend as a new set into this folder.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --fix: say what would be done, and write nothing.")
    ] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write the report to this file as well.")] = None,
    json: JsonOption = False,
) -> None:
    """Are labels consistent? Silence, loudness, duplicates, leaks, balance, schema, age. Exits with 1 where something must be mended first.

    [dim]Example:[/]  tidegate data check clips/ --labels labels.csv
    [dim]Example:[/]  tidegate data check train.parquet --test test.parquet --column label=severity --html report.html
    [dim]Example:[/]  tidegate data check clips/ --labels labels.csv --fix clips-2/
    """
    from tidegate.datachecks.checking import check as checked
    from tidegate.datachecks.html import page

    found = _load(path, labels, test, reference, kind, column or [], quiet=json)
    with note().status("checking", spinner="dots") if not json else _Silent() as status:
        report = checked(found, only=only or (), origin=origin, progress=lambda name: status.update(f"checking {name}"))
    if html is not None:
        html.write_text(page(report))
        note().print(f"the report is in {html}", markup=False)
    fixes = _fix(found, fix, dry_run) if fix is not None else None
    if json:
        print_json({**plain_json(report), **({"fixes": plain_json(fixes)} if fixes is not None else {})})
    else:
        show(report)
        if fixes is not None:
            show_fixes(fixes, dry_run)
    if report.errors:
        raise typer.Exit(FAILED)


class _Silent:
    def __enter__(self) -> _Silent:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, text: str) -> None:
        """Nothing is shown."""


def _load(
    path: Path,
    labels: Path | None,
    test: Path | None,
    reference: Path | None,
    kind: str,
    columns: list[str],
    *,
    quiet: bool,
) -> Data:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from tidegate.datachecks.load import load

    named = {}
    for text in columns:
        ours, equals, theirs = text.partition("=")
        if not equals or not theirs:
            raise InvalidRequest(f"--column {text!r} is not of the form label=NAME")
        named[ours] = theirs
    if kind not in ("", "table", "text", "audio", "image"):
        raise InvalidRequest(f"--kind {kind!r}: table, text, audio or image")
    parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*parts, console=note(), disable=quiet, transient=True) as progress:
        task = progress.add_task("measuring files", total=None)
        return load(
            path, labels=labels, kind=kind or None, columns=named, test=test, reference=reference,  # type: ignore[arg-type]
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )  # fmt: skip


def _fix(found: Data, target: Path, dry_run: bool) -> Fixes:
    from tidegate.datachecks.repair import repair

    return repair(found, target, dry_run=dry_run)


def show(report: Report) -> None:
    """The report."""
    from rich.markup import escape
    from rich.padding import Padding
    from rich.table import Table

    screen = out()
    errors = len(report.errors)
    verdict = f"[bold red]{errors} to mend first[/]" if errors else "[green]nothing grave[/]"
    screen.print(f"[bold]{report.items:,}[/] {report.kind} items, {report.labels:,} labels   {verdict}")
    for one in report.findings:
        share = f"  [dim]{one.count:,} of {one.of:,}[/]" if one.of > 1 else ""
        screen.print(f"{MARKS[one.severity]} [bold]{escape(one.title)}[/]{share}")
        made = Table.grid(padding=(0, 2))
        made.add_column(overflow="fold")
        made.add_column(overflow="fold", style="dim")
        for example in one.examples[:4]:
            made.add_row(escape(", ".join(example.items)), escape(example.words))
        if one.examples:
            screen.print(Padding(made, (0, 0, 0, 4)))
        if one.do and one.do != "nothing":
            screen.print(
                Padding(f"→ {escape(one.do)}" + (" [green](--fix does it)[/]" if one.fixable else ""), (0, 0, 0, 2))
            )
    for name, why in report.skipped.items():
        screen.print(f"[dim]not checked: {escape(name)}: {escape(why)}[/]")


def show_fixes(fixes: Fixes, dry_run: bool) -> None:
    """What was mended."""
    would = "would be" if dry_run else "were"
    are = "would be" if dry_run else "are"
    out().print(
        f"{fixes.kept:,} of {fixes.items:,} items {are} in {fixes.target}: {len(fixes.removed):,} {would} left out, "
        f"{len(fixes.relabelled):,} labels {would} spelled alike, {len(fixes.changed):,} recordings {would} cut or levelled",
        markup=False,
    )
