"""Pipelines: where a change begins."""

from __future__ import annotations

from typing import Annotated

import typer

from tidegate.cli import complete
from tidegate.cli.common import JsonOption, Place, ProjectOption
from tidegate.cli.log import moment_of
from tidegate.cli.show import out, plain_json, print_json

Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT", autocompletion=complete.endpoints)]


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    group = typer.Typer(no_args_is_help=True, help="Several models behind one name: which stage a change comes from.")
    group.command()(explain)
    app.add_typer(group, name="pipeline")


def explain(
    endpoint: Endpoint,
    window: Annotated[str, typer.Option("--window", "-w", help="How far back from the end.")] = "24h",
    end: Annotated[str | None, typer.Option("--end", help="A UTC time, or a duration back from now.")] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show which stage a change begins at: what each was given and what it gave, against the window before.

    [dim]Example:[/]  tidegate pipeline explain transcribe --window 24h
    """
    from tidegate.app import label_options, pipeline_stages
    from tidegate.cli.pipeline_screen import show
    from tidegate.cli.project import parse_seconds
    from tidegate.views import pipeline

    layout = Place(project).applied()
    stages, (rules, _) = pipeline_stages(layout, endpoint), label_options(layout, endpoint)
    until = moment_of(end, "--end")
    view = pipeline.explain(
        layout, endpoint, stages, end=until.timestamp() if until else None, window=parse_seconds(window, "--window"),
        rules=rules,
    )  # fmt: skip
    if json:
        print_json(plain_json(view))
    else:
        show(view, out())

