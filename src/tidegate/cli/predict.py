"""Batch prediction: a file in, a file out, through the gateway and into the log like any request."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli import complete
from tidegate.cli.common import JsonOption, KeyOption, Place, ProjectOption, UrlOption
from tidegate.cli.show import note, print_json
from tidegate.errors import ConfigError


def add_to(app: typer.Typer) -> None:
    """Hang this command into the tree."""
    app.command()(predict)


def predict(
    endpoint: Annotated[str, typer.Argument(autocompletion=complete.endpoints)],
    source: Annotated[Path, typer.Argument(metavar="ROWS", help="Parquet or CSV file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Parquet or CSV file to write.")],
    batch_rows: Annotated[int, typer.Option("--batch-rows", min=1, help="Rows in one request.")] = 1000,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, help="Requests at once.")] = 4,
    url: UrlOption = None,
    key: KeyOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Predict every row of a file. Interrupted, it goes on where it was when run again.

    [dim]Example:[/]  tidegate predict severity rows.parquet -o out.parquet
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from tidegate.client import Client
    from tidegate.client.batch import predict_file

    if not source.is_file():
        raise ConfigError(f"there is no {source}")
    address = Place(project).gateway(url)
    began = time.monotonic()
    done = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Client(address, key=key) as client, Progress(*columns, console=note(), disable=json) as progress:
        task = progress.add_task(f"predicting {endpoint}", total=None)

        def tell(rows: int, total: int) -> None:
            nonlocal done
            done = rows
            progress.update(task, completed=rows, total=total)

        predict_file(client, endpoint, source, output, batch_rows=batch_rows, concurrency=concurrency, progress=tell)
    seconds = time.monotonic() - began
    if json:
        print_json({"rows": done, "seconds": round(seconds, 3), "file": str(output)})
    else:
        note().print(f"{done:,} rows in {output} ({done / max(seconds, 1e-9):,.0f} rows/s)")
