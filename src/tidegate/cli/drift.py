"""Drift: what has moved since the reference, of an endpoint's log or of two files, and how fast it does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli import complete
from tidegate.cli.common import JsonOption, Place, ProjectOption
from tidegate.cli.log import moment_of
from tidegate.cli.show import out, plain_json, print_json


def add_to(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command()(drift)


def drift(
    endpoint: Annotated[
        str | None, typer.Argument(metavar="[ENDPOINT]", autocompletion=complete.endpoints, help="Whose log.")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            "-r",
            help="A Parquet or CSV file, `previous`: the window before, or `week`: a week before. Default: the stored one.",
        ),
    ] = None,
    current: Annotated[Path | None, typer.Option("--current", help="A file to compare instead of a log.")] = None,
    window: Annotated[str, typer.Option("--window", "-w", help="How far back from the end.")] = "7d",
    start: Annotated[str | None, typer.Option("--start", help="A UTC time, or a duration back from now.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="A UTC time, or a duration back from now.")] = None,
    version: Annotated[str | None, typer.Option("--version", help="Of one version.")] = None,
    compare: Annotated[
        list[str] | None, typer.Option("--compare", help="Also say what evidently or nannyml would, by their defaults.")
    ] = None,
    minimum: Annotated[str, typer.Option("--minimum", help="A smaller change is a trifle.")] = "5%",
    together: Annotated[
        bool, typer.Option("--together", help="Also all columns at once: a classifier, and PCA reconstruction.")
    ] = False,
    pace: Annotated[
        bool, typer.Option("--pace", help="How fast each column changes, and how often to retrain.")
    ] = False,
    label: Annotated[str, typer.Option("--label", help="Of files: the column with the truth.")] = "",
    score: Annotated[str, typer.Option("--score", help="Of files: the probability of the positive class.")] = "",
    answer: Annotated[str, typer.Option("--answer", help="Of files: the model's answer.")] = "",
    ignore: Annotated[list[str] | None, typer.Option("--ignore", help="A column to leave out.")] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Read the log's rows, however many.")] = False,
    every: Annotated[bool, typer.Option("--all", "-a", help="Show the columns that did not move, too.")] = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show what has moved: each feature and output by how far, of which kind, and whether it does harm.

    [dim]Example:[/]  tidegate drift severity --reference train.parquet --window 7d --compare evidently
    """
    from tidegate.cli.drift_screen import show, show_pace
    from tidegate.types.units import parse_duration, parse_share
    from tidegate.views.drift import Options, drift_of_files
    from tidegate.views.drift import drift as read

    try:
        seconds = parse_duration(window)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="--window") from exc
    try:
        options = Options(tuple(compare or ()), parse_share(minimum), together=together, ignore=tuple(ignore or ()))
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="--minimum") from exc
    if current is not None:
        if endpoint is not None or reference is None or pace:
            raise typer.BadParameter("--current takes --reference FILE, and neither an endpoint nor --pace")
        view = drift_of_files(Path(reference), current, options, label=label, score=score, answer=answer)
    else:
        if endpoint is None:
            raise typer.BadParameter("name an endpoint, or two files: --reference A --current B")
        layout = Place(project).applied()
        low, high = moment_of(start, "--start"), moment_of(end, "--end")
        begin, finish = low.timestamp() if low else None, high.timestamp() if high else None
        if pace:
            from tidegate.views.pace import pace as measure

            found = measure(layout, endpoint, start=begin, end=finish, version=version)
            print_json(plain_json(found)) if json else show_pace(found, out())
            return
        view = read(
            layout, endpoint, reference=reference, start=begin, end=finish, window=seconds, version=version,
            options=options, source="log" if exact else "auto",
        )  # fmt: skip
    if json:
        print_json(plain_json(view))
    else:
        show(view, out(), every=every)
