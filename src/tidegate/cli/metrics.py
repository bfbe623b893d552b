"""What other systems read: the metrics as Prometheus gets them, and the dashboard over them."""

from __future__ import annotations

import typer

from tidegate.cli.common import Place, ProjectOption

metrics = typer.Typer(no_args_is_help=True, help="Metrics as Prometheus reads them, and a Grafana dashboard.")


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.add_typer(metrics, name="metrics")


@metrics.command()
def show(project: ProjectOption = None) -> None:
    """Print what GET /metrics answers now, as OpenMetrics.

    [dim]Example:[/]  tidegate metrics show | grep requests_total
    """
    from tidegate.exports.collect import collect
    from tidegate.exports.openmetrics import text

    typer.echo(text(collect(Place(project).applied()))[0].decode(), nl=False)


@metrics.command()
def dashboard() -> None:
    """Print a Grafana dashboard (JSON) over these metrics, to be imported in Grafana.

    [dim]Example:[/]  tidegate metrics dashboard > tidegate.json
    """
    import json

    from tidegate.exports.dashboard import dashboard as made

    typer.echo(json.dumps(made(), indent=2, ensure_ascii=False))
