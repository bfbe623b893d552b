"""What other systems read: the metrics as Prometheus gets them, and the dashboard over them."""

from __future__ import annotations

import typer

from tidegate.cli.common import JsonOption, Place, ProjectOption
from tidegate.cli.show import print_json

metrics = typer.Typer(no_args_is_help=True, help="Metrics as Prometheus reads them, and a Grafana dashboard.")


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.add_typer(metrics, name="metrics")


@metrics.command()
def show(project: ProjectOption = None, json: JsonOption = False) -> None:
    """Print what GET /metrics answers now, as OpenMetrics; with --json a list of samples.

    [dim]Example:[/]  tidegate metrics show
    """
    from tidegate.exports.collect import collect
    from tidegate.exports.openmetrics import text

    families = collect(Place(project).applied())
    if json:
        samples = [sample for family in families for sample in family.samples]
        print_json([{"name": one.name, "labels": one.labels, "value": one.value} for one in samples])
    else:
        typer.echo(text(families)[0].decode(), nl=False)


@metrics.command()
def dashboard(json: JsonOption = False) -> None:
    """Print a Grafana dashboard over these metrics, to be imported in Grafana. It is JSON with or without --json.

    [dim]Example:[/]  tidegate metrics dashboard > tidegate.json
    """
    from tidegate.exports.dashboard import dashboard as made

    del json
    print_json(made())
