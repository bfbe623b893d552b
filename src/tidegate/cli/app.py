"""The tree of commands. Each noun's file says what its commands do; here they are only hung up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli import (
    alarms,
    automation,
    batch,
    data,
    demo,
    drift,
    errors,
    evaluate,
    freeze,
    keys,
    lineage,
    loadtest,
    log,
    metrics,
    models,
    monitors,
    notify,
    pipeline,
    predict,
    project,
    quality,
    ready,
    replay,
    retrain,
    review,
    rollout,
    running,
    status,
)
from tidegate.cli.common import set_front
from tidegate.cli.show import print_json

app = typer.Typer(
    name="tidegate",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Serve models, keep every prediction, and let a new model's traffic in only as far as the evidence allows.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not running, 4 SLO missed, 5 waiting for a person, "
    "6 timed out, 130 interrupted.",
)


@app.callback()
def root(
    project: Annotated[
        Path | None, typer.Option("--project", "-C", help="The project file, or the folder that holds it.")
    ] = None,
) -> None:
    """Serve models, keep every prediction, and let a new model's traffic in only as far as the evidence allows."""
    set_front(project)


@app.command()
def version(json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False) -> None:
    """Print the version of Tidegate and of Python.

    [dim]Example:[/]  tidegate version
    """
    import platform

    from tidegate import __version__

    if json:
        print_json({"tidegate": __version__, "python": platform.python_version()})
    else:
        typer.echo(f"tidegate {__version__} (Python {platform.python_version()})")


for _part in (
    project,
    running,
    status,
    rollout,
    replay,
    freeze,
    automation,
    review,
    models,
    predict,
    batch,
    loadtest,
    log,
    alarms,
    monitors,
    drift,
    quality,
    evaluate,
    errors,
    data,
    retrain,
    lineage,
    ready,
    pipeline,
    keys,
    notify,
    metrics,
    demo,
):
    _part.add_to(app)
