"""Load test: requests on schedule, latencies from when each was due, and a verdict on the SLO."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli import FAILED, SLO_MISSED, complete
from tidegate.cli.common import JsonOption, KeyOption, Place, ProjectOption, UrlOption
from tidegate.cli.show import note, out, print_json, table


def add_to(app: typer.Typer) -> None:
    """Hang this command into the tree."""
    app.command()(loadtest)


def loadtest(
    endpoint: Annotated[str, typer.Argument(autocompletion=complete.endpoints)],
    rate: Annotated[float, typer.Option("--rate", "-r", min=0.1, help="Requests a second.")] = 100.0,
    duration: Annotated[str, typer.Option("--for", help="How long.")] = "10s",
    slo: Annotated[
        str | None, typer.Option("--slo", help="99 of 100 answers within this, and no error; else exit 4.")
    ] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Rows in one request.")] = 1,
    reference: Annotated[
        Path | None,
        typer.Option("--reference", help="Rows to send (Parquet, CSV); made up from the signature by default."),
    ] = None,
    connections: Annotated[int, typer.Option("--connections", min=1, help="Connections to send over.")] = 64,
    url: UrlOption = None,
    key: KeyOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Send requests at a fixed rate, however slow the answers. What is sent is logged like any request.

    [dim]Example:[/]  tidegate loadtest severity --rate 1000 --for 60s --slo 500ms
    """

    from tidegate.cli.project import parse_seconds
    from tidegate.client import Client
    from tidegate.client.loadtest import make_bodies, run

    seconds = parse_seconds(duration, "--for")
    limit = parse_seconds(slo, "--slo") if slo else None
    address = Place(project).gateway(url)
    with Client(address, key=key) as client:
        bodies = make_bodies(client.metadata(endpoint), reference, rows)
    if not json:
        note().print(f"{endpoint}: {rate:g} requests/s for {seconds:g} s over {connections} connections ...")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    report = run(address, f"/v2/models/{endpoint}/infer", bodies, rate, seconds, connections, headers, limit)
    failed = sum(report.errors.values())
    if json:
        print_json(report)
    else:
        names = [field for field in report.__struct_fields__ if field.endswith("_ms") and field not in ("slo_ms",)]
        values = [(name.removesuffix("_ms").replace("_", " "), f"{getattr(report, name):.2f} ms") for name in names]
        rates = [
            ("sent", f"{report.sent:,}"),
            ("answered well", f"{report.ok:,}"),
            ("rate", f"{report.achieved_rate:,.1f} /s"),
        ]
        errors = [(f"[red]error {kind}[/]", f"{count:,}") for kind, count in report.errors.items()]
        out().print(table(("", "value"), [*rates, *errors, *values], right=("value",)))
        if report.slo_met is not None:
            mark = "[green]SLO met[/]" if report.slo_met else "[red]SLO missed[/]"
            out().print(f"{mark}: p99 within {slo}, no error")
    if report.slo_met is False:
        raise typer.Exit(SLO_MISSED)
    if failed and limit is None:
        raise typer.Exit(FAILED)
