"""How good the answers are: by version, slice and time; estimated where labels haven't come; and which rows to label."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from tidegate.cli import complete
from tidegate.cli.common import JsonOption, Place, ProjectOption
from tidegate.cli.show import note, out, print_json

MONTH = "30d"


def add_to(app: typer.Typer) -> None:
    """Hang this command into the tree."""
    app.command()(quality)


def quality(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", autocompletion=complete.endpoints)],
    by: Annotated[str, typer.Option("--by", help="version, slice, or columns of the log: version,region.")] = "version",
    window: Annotated[str, typer.Option("--window", help="Predictions made in the last 12h, 7d, 30d.")] = MONTH,
    until: Annotated[
        str | None, typer.Option("--until", help="The window ends at this time (2026-03-01), or so long ago (1d).")
    ] = None,
    step: Annotated[str | None, typer.Option("--step", help="The course over time, in stretches of this long.")] = None,
    slice: Annotated[
        list[str] | None,
        typer.Option("--slice", help="A column by whose values to tell; without one the worst slices are found."),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="A metric of your own, module:object; may be repeated.")
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate/--no-estimate", help="Also what is thought without labels (slower).")
    ] = True,
    audit: Annotated[
        int, typer.Option("--audit", min=0, help="Name this many predictions to label: a random sample.")
    ] = 0,
    within: Annotated[
        float,
        typer.Option("--within", min=0.0, help="With bounds this close to the value (0.02): as many as it takes."),
    ] = 0.0,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Write the sample's ids there, as CSV.")] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """How good the answers are: labels that have come, and estimates with their record beside them.

    [dim]Example:[/]  tidegate quality severity --by version,slice --window 30d
    """
    from tidegate.app import label_options
    from tidegate.views import quality as views

    layout = Place(project).applied()
    options, segments = label_options(layout, endpoint)
    end = _moment(until) if until else time.time()
    start = end - _duration(window, "--window")
    if audit or within:
        asked = views.audit(layout, endpoint, options, start=start, end=end, count=audit, half_width=within)
        if file is not None:
            _write(file, asked)
        if json:
            print_json(asked)
        else:
            from tidegate.cli.quality_screen import audit_screen

            audit_screen(asked, file)
        return
    parts = [name.strip() for name in by.split(",") if name.strip()]
    if slice:
        parts = list(dict.fromkeys([*parts, "slice"]))
    found = views.read(
        layout, endpoint, options, start=start, end=end, by=parts, estimated=estimate, custom=metric or (),
        step=_duration(step, "--step") if step else None, segments=slice or segments,
    )  # fmt: skip
    if json:
        print_json(found)
    else:
        from tidegate.cli.evaluate import beside
        from tidegate.cli.quality_screen import screen

        out().print(screen(found))
        for line in beside(layout, endpoint, options, start, end):
            out().print(line)


def _write(file: Path, asked: Any) -> None:
    import csv

    with file.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(("prediction_id", "row", "version", "labelled"))
        for row in asked.sample:
            writer.writerow((row.prediction_id, row.row, row.version, int(row.labelled)))
    note().print(f"{len(asked.sample):,} ids in {file}", markup=False)


def _duration(text: str, option: str) -> float:
    from tidegate.types.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint=option) from exc


def _moment(text: str) -> float:
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return time.time() - _duration(text, "--until")
