"""`tidegate errors ENDPOINT [ACTION]`: mistakes one by one, tagged, counted, and what mending each kind is worth.

All of it is evaluation/mistakes.py, which the control API calls as well.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli import complete
from tidegate.cli.common import JsonOption, Place, ProjectOption, actor
from tidegate.cli.show import note, out, plain_json, print_json, table
from tidegate.errors import InvalidRequest

if TYPE_CHECKING:
    from tidegate.evaluation.fairness import Fairness, Rate
    from tidegate.evaluation.mistakes import Mistake, Summary

ACTIONS = ("list", "tag", "untag", "summary", "export", "groups", "review")
SHOWN = 4
"""Inputs of a mistake in the list."""
LETTERS = 40


def add_to(app: typer.Typer) -> None:
    """Hang this command into the tree."""
    app.command()(errors)


def errors(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", autocompletion=complete.endpoints)],
    action: Annotated[str, typer.Argument(metavar="[list|tag|untag|summary|export|groups|review]")] = "list",
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Predictions to tag: ID, or ID:ROW.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", "-t", help="A tag; of tag and untag several.")] = None,
    sort: Annotated[
        str, typer.Option("--sort", help="error (the worst first), random, newest, or confident (wrong and sure).")
    ] = "error",
    where: Annotated[
        str, typer.Option("--where", help="A SQL condition on the log's columns: \"condition = 'car noise'\".")
    ] = "",
    version: Annotated[
        str, typer.Option("--version", help="Answers of this version; by default what callers got.")
    ] = "",
    window: Annotated[str, typer.Option("--window", help="Predictions made in the last 7d, 90d.")] = "90d",
    by: Annotated[str, typer.Option("--by", help="The column whose groups are compared: groups.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="At most so many.")] = 50,
    queue: Annotated[str, typer.Option("--queue", help="review: the queue that people get them from.")] = "labels",
    raters: Annotated[int, typer.Option("--raters", min=1, max=10, help="review: how many people see each.")] = 1,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to export to: Parquet or CSV.")] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Look at what went wrong, say why, and see what mending each kind would be worth.

    [dim]Example:[/]  tidegate errors transcribe --sort random
    [dim]Example:[/]  tidegate errors transcribe tag 1a20a092878174fd58c-7c --tag "car noise"
    [dim]Example:[/]  tidegate errors transcribe summary
    [dim]Example:[/]  tidegate errors loan groups --by sex
    [dim]Example:[/]  tidegate errors transcribe export --tag "car noise" -o to-label.parquet
    [dim]Example:[/]  tidegate errors transcribe review --tag "label is wrong" --queue labels --raters 2
    """
    from tidegate.app import endpoint_named, label_options
    from tidegate.cli.project import parse_seconds
    from tidegate.evaluation import mistakes

    if action not in ACTIONS:
        raise typer.BadParameter(f"{action!r} is not one of {', '.join(ACTIONS)}", param_hint="action")
    layout = Place(project).applied()
    endpoint_named(layout, endpoint)
    names = tag or []
    if action in ("tag", "untag"):
        places = [mistakes.place(id) for id in ids or ()]
        if action == "tag":
            count = mistakes.add_tags(layout, endpoint, places, names, actor())
        else:
            count = mistakes.remove_tags(layout, endpoint, places, names)
        if json:
            print_json({"tags": count})
        else:
            note().print(f"{count} {'new ' if action == 'tag' else ''}tags{'' if action == 'tag' else ' removed'}")
        return
    rules, _ = label_options(layout, endpoint)
    end = time.time()
    start = end - parse_seconds(window, "--window")
    if len(names) > 1:
        raise InvalidRequest(f"--tag: {action} takes one")
    name = names[0] if names else ""
    if action == "summary":
        summed = mistakes.summary(layout, endpoint, rules, start=start, end=end, version=version)
        if json:
            print_json(plain_json(summed))
        else:
            show_summary(summed)
    elif action == "groups":
        from tidegate.evaluation.fairness import fairness

        if not by:
            raise InvalidRequest("--by: name the column whose groups are compared")
        compared = fairness(layout, endpoint, rules, by=by, start=start, end=end, version=version)
        if json:
            print_json(plain_json(compared))
        else:
            show_groups(compared)
    elif action == "export":
        _export(
            mistakes.exported(layout, endpoint, rules, start=start, end=end, version=version, where=where, tag=name),
            output,
        )
    else:
        found = mistakes.listed(
            layout, endpoint, rules, start=start, end=end, version=version, where=where, tag=name, sort=sort,  # type: ignore[arg-type]
            limit=limit,
        )  # fmt: skip
        if action == "review":
            made = mistakes.to_review(layout, endpoint, found, queue, raters=raters, actor=actor())
            if json:
                print_json({"tasks": made, "rows": len(found), "queue": queue})
            else:
                note().print(f"{made} new tasks in queue {queue}; `tidegate review {queue}` answers them", markup=False)
        elif json:
            print_json(plain_json(found))
        else:
            show_list(found)


def _export(rows: object, output: Path | None) -> None:
    import polars as pl

    assert isinstance(rows, pl.DataFrame)
    if output is None:
        raise InvalidRequest("--output: name the file to write, .parquet or .csv")
    if output.suffix.lower() == ".parquet":
        rows.write_parquet(output)
    elif output.suffix.lower() == ".csv":
        rows.write_csv(output)
    else:
        raise InvalidRequest(f"--output: {output.name} must end in .parquet or .csv")
    note().print(f"{rows.height:,} rows in {output}")


def show_list(found: list[Mistake]) -> None:
    """A row a mistake."""
    from rich.markup import escape

    if not found:
        out().print("no labelled row is wrong there", style="green")
        return
    inputs = telling(found)[:SHOWN]
    rows = []
    for one in found:
        id = one.prediction_id if not one.row else f"{one.prediction_id}:{one.row}"
        cells = [
            id,
            short(one.answered),
            short(one.label),
            f"{one.error:.3g}",
            "-" if one.sure is None else f"{one.sure:.2f}",
        ]
        rows.append(
            [escape(cell) for cell in [*cells, *(short(one.inputs[name]) for name in inputs), ", ".join(one.tags)]]
        )
    columns = ["id", "answered", "label", "error", "sure", *inputs, "tags"]
    made = table([escape(name) for name in columns], rows, right=["error", "sure"])
    made.columns[0].no_wrap = True
    out().print(made)
    out().print('[dim]say why with: tidegate errors ENDPOINT tag ID --tag "..."[/]')


def telling(found: list[Mistake]) -> list[str]:
    """Inputs that a person can read: not payloads, nor what describes them, where there are others."""
    names = list(found[0].inputs)
    payloads = {name for one in found for name, value in one.inputs.items() if str(value).startswith("blob:")}
    plain = [name for name in names if name not in payloads and not any(name.startswith(f"{one}_") for one in payloads)]
    return [name for name in plain if any(one.inputs[name] is not None for one in found)] or names


def show_summary(found: Summary) -> None:
    """A row a tag."""
    from rich.markup import escape

    unit = found.metric.id == "quality.mae"

    def said(value: float) -> str:
        return f"{value:.4g}" if unit else f"{value:.1%}"

    out().print(
        f"[bold]{escape(found.endpoint)}[/]  {found.metric.name} {said(found.now)} of {found.rows:,} labelled rows; {found.mistakes:,} are "
        f"wrong, {found.looked_at:,} of them were looked at"
    )
    if not found.kinds:
        out().print("nothing is tagged: look at a random sample with `--sort random`, and say why each is wrong")
        return
    rows = [
        [
            escape(one.tag),
            str(one.errors),
            f"{one.share:.0%} [dim]{100 * one.low:.0f} to {100 * one.high:.0f}[/]",
            said(one.without),
        ]
        for one in found.kinds
    ]
    out().print(
        table(
            ["tag", "errors", "share of all errors", f"{found.metric.name} without"],
            rows,
            right=["errors", "share of all errors"],
        )
    )
    why = "shares are of the mistakes that were looked at, and hold for all if those were a random sample; a row may have several tags"
    out().print(f"[dim]{why}[/]")


def show_groups(found: Fairness) -> None:
    """A row a group."""
    from rich.markup import escape

    def said(rate: Rate) -> str:
        if not rate.here.known:
            return "-"
        text = f"{rate.here.error:.1%} [dim]{100 * rate.here.low:.0f} to {100 * rate.here.high:.0f}[/]"
        return f"[bold yellow]{text}[/]" if rate.differs else text

    rows = [
        [escape(one.name), f"{one.rows:,}", f"{one.positives / one.rows:.0%}", said(one.selection), said(one.true_positive),
         said(one.false_positive), said(one.precision), "-" if one.calibration != one.calibration else f"{one.calibration:+.1%}"]
        for one in found.groups
    ]  # fmt: skip
    names = ["rows", "truly yes", "selected", "true positives", "false positives", "precision", "calibration"]
    out().print(table([escape(found.by), *names], rows, right=names))
    figures = {
        "demographic parity difference": found.demographic_parity_difference,
        "ratio": found.demographic_parity_ratio,
        "equalized odds difference": found.equalized_odds_difference,
    }
    out().print(", ".join(f"{name} {value:.3f}" for name, value in figures.items() if value == value))
    out().print("[dim]in colour: surely unlike all other groups together[/]")
    for text in found.notes:
        out().print(f"[dim]• {escape(text)}[/]")


def short(value: object) -> str:
    """On one line, and not too long."""
    text = "-" if value is None else f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= LETTERS else text[: LETTERS - 1] + "…"
