"""`tidegate baseline` and `tidegate evaluate`: what a model is held against, and the table that says where to work.

baseline add, remove --> evaluation/adding.py     list --> storage/baselines.py     evaluate --> evaluation/table.py --> the table
"""

from __future__ import annotations

import math
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli import FAILED, complete
from tidegate.cli.common import JsonOption, KeyOption, Place, ProjectOption, actor
from tidegate.cli.show import interactive, moment, note, out, plain_json, print_json, table
from tidegate.errors import InvalidRequest

if TYPE_CHECKING:
    from tidegate.evaluation.base import Comparison, Estimate, Evaluation, Metric
    from tidegate.evaluation.search import OfClass, Searched
    from tidegate.metrics.quality.rows import Rules
    from tidegate.storage.layout import Layout

Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT", autocompletion=complete.endpoints)]
baseline = typer.Typer(
    no_args_is_help=True, help="What a model is held against: people, the literature, a quick model, the older version."
)


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.add_typer(baseline, name="baseline")
    app.command()(evaluate)


@baseline.command()
def add(
    endpoint: Endpoint,
    human: Annotated[
        Path | None,
        typer.Option("--human", help="Raters' answers, CSV or Parquet: prediction_id or item, rater, answer."),
    ] = None,
    queue: Annotated[str, typer.Option("--queue", help="What two or more people answered in this review queue.")] = "",
    literature: Annotated[
        str, typer.Option("--literature", help='A figure and its source: "WER 4.3, Moonshine paper".')
    ] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="A model that is made of the logged labels in a moment.")
    ] = False,
    version: Annotated[str, typer.Option("--version", help="The older system: another version, local or remote.")] = "",
    name: Annotated[str, typer.Option("--name", help="What to call it; by default after its kind.")] = "",
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Add a baseline. `tidegate evaluate` shows it beside the model, slice by slice.

    [dim]Example:[/]  tidegate baseline add transcribe --human raters.csv
    [dim]Example:[/]  tidegate baseline add transcribe --literature "WER 4.3, Moonshine paper"
    """
    from tidegate.app import endpoint_named
    from tidegate.evaluation import adding

    layout = Place(project).applied()
    made = adding.add(
        layout, endpoint_named(layout, endpoint), actor=actor(), name=name, human=human, queue=queue, literature=literature,
        quick=quick, version=version,
    )  # fmt: skip
    if json:
        print_json(made)
    else:
        out().print(f"{made.name} is a baseline of {endpoint}: {made.source}", markup=False)


@baseline.command("list")
def list_(
    endpoint: Annotated[str, typer.Argument(metavar="[ENDPOINT]", autocompletion=complete.endpoints)] = "",
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show baselines: where each is from, since when and by whom.

    [dim]Example:[/]  tidegate baseline list transcribe
    """
    from tidegate.storage.baselines import BaselineStore

    with closing(BaselineStore(Place(project).applied())) as store:
        found = store.listed(endpoint)
    if json:
        print_json(found)
        return
    rows = [
        [one.endpoint, one.name, one.kind, "-" if one.value is None else f"{one.metric} {one.value:g}", one.source,
         moment(one.created), one.actor]
        for one in found
    ]  # fmt: skip
    out().print(table(["endpoint", "name", "kind", "figure", "source", "since", "by"], rows))


@baseline.command()
def remove(
    endpoint: Endpoint,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Remove a baseline, and the raters' answers that it kept.

    [dim]Example:[/]  tidegate baseline remove transcribe people
    """
    from tidegate.evaluation import adding

    layout = Place(project).applied()
    if interactive() and not yes and not json:
        typer.confirm(f"Remove {name} of {endpoint}, with what it kept?", abort=True, err=True)
    gone = adding.remove(layout, endpoint, name, actor())
    if json:
        print_json(gone)
    else:
        note().print(f"{gone.name} is no baseline of {endpoint} any more", markup=False)


def evaluate(
    endpoint: Endpoint,
    to: Annotated[
        str, typer.Option("--to", help="This version's answers to the same requests; by default what callers got.")
    ] = "",
    by: Annotated[
        str, typer.Option("--by", help="Columns of the log, by whose values to tell: condition,region.")
    ] = "",
    window: Annotated[str, typer.Option("--window", help="Predictions made in the last 7d, 90d.")] = "90d",
    against: Annotated[
        str, typer.Option("--baseline", help="The baseline whose level is the ceiling; by default people's.")
    ] = "",
    fixable: Annotated[
        list[str] | None,
        typer.Option("--fixable", help='How much of a slice\'s gap can be mended: "condition = car noise: 0.5".'),
    ] = None,
    gate: Annotated[
        bool,
        typer.Option("--gate", help="With --to: exit with 1 where a slice, or the whole, is surely worse than now."),
    ] = False,
    replay: Annotated[
        bool,
        typer.Option(
            "--replay/--no-replay", help="Give the version copies of labelled requests that it hasn't answered."
        ),
    ] = True,
    find: Annotated[
        bool, typer.Option("--find", help="Look for slices that nobody named, and for classes that are rare.")
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="Replay at most so many, evenly spread over the window.")
    ] = 10_000,
    key: KeyOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """The table that says where to work: each slice's model, people and other baselines, the gap, the share of traffic.

    [dim]Example:[/]  tidegate evaluate transcribe --by condition
    [dim]Example:[/]  tidegate evaluate transcribe --to 2 --by condition --gate
    [dim]Example:[/]  tidegate evaluate severity --find
    """
    from tidegate.app import label_options, stable_of
    from tidegate.cli.project import parse_seconds
    from tidegate.cli.replay import send
    from tidegate.evaluation.rows import missing
    from tidegate.evaluation.table import compare
    from tidegate.evaluation.table import evaluate as evaluated

    if gate and not to:
        raise InvalidRequest("--gate judges a version: name it with --to")
    place = Place(project)
    layout = place.applied()
    rules, _ = label_options(layout, endpoint)
    end = time.time()
    start = end - parse_seconds(window, "--window")
    if to and replay and place.is_running():
        unanswered = missing(layout, endpoint, rules, start=start, end=end, version=to)
        if unanswered:
            since = datetime.fromtimestamp(start, UTC)
            send(place, endpoint, to, since=since, limit=limit, key=key, quiet=json, among=unanswered)
    columns = [name.strip() for name in by.split(",") if name.strip()]
    shares = dict(_fixable(one) for one in fixable or ())
    found = evaluated(
        layout, endpoint, rules, start=start, end=end, version=to, by=columns, against=against, fixable=shares
    )
    stable = stable_of(layout, endpoint) if to else ""
    beside: Comparison | None = None
    if to and stable != to:
        try:
            beside = compare(layout, endpoint, rules, start=start, end=end, old=stable, new=to, by=columns)
        except InvalidRequest:
            if gate:
                raise
    searched, by_class = _found(layout, endpoint, rules, start, end, to) if find else (None, [])
    if json:
        more = {"found": plain_json(searched), "classes": plain_json(by_class)} if find else {}
        print_json({**plain_json(found), "comparison": None if beside is None else plain_json(beside), **more})
    else:
        show(found)
        if searched is not None:
            show_found(searched, by_class, found.metric)
        if beside is not None:
            show_changes(beside)
    if gate and beside is not None and beside.broken:
        raise typer.Exit(FAILED)


def _found(
    layout: Layout, endpoint: str, rules: Rules, start: float, end: float, version: str
) -> tuple[Searched, list[OfClass]]:
    from tidegate.evaluation.rows import judge
    from tidegate.evaluation.search import classes, search

    judged = judge(layout, endpoint, rules, start, end, version=version, inputs=True)
    return search(judged), classes(judged)


def show_found(searched: Searched, by_class: list[OfClass], metric: Metric) -> None:
    """Slices that were found, and classes that are rare."""
    from rich.markup import escape

    said = f"{searched.tried:,} conditions on half of {searched.rows:,} rows; figures are of the other half"
    if searched.found:
        rows = [
            [
                escape(one.slice),
                f"{one.share:.0%}",
                f"{one.error.rows:,}",
                bounded(one.error, metric),
                plain(metric.shown(one.shrunk), metric),
                plain(one.gain, metric),
            ]
            for one in searched.found
        ]
        names = ["found", "traffic", "rows", metric.name, "shrunk", "to gain"]
        out().print(table(names, rows, right=names[1:]))
        out().print(f"[dim]• {said}[/]")
    else:
        out().print(f"[dim]No slice is surely worse than the rest: {said}.[/]")
    rare = [one for one in by_class if one.rare]
    if rare:
        rows = [[escape(one.label), f"{one.rows:,}", f"{one.share:.1%}", f"{one.missed.error:.1%}"] for one in rare]
        out().print(table(["rare class", "rows", "share", "missed"], rows, right=["rows", "share", "missed"]))
        out().print("[dim]• a model that never says a rare class loses nothing on average: look at these apart[/]")


def _fixable(text: str) -> tuple[str, float]:
    name, _, share = text.rpartition(":")
    try:
        value = float(share)
    except ValueError:
        value = -1.0
    if not name or not 0 <= value <= 1:
        raise InvalidRequest(
            f'--fixable: {text!r} is not SLICE: SHARE from 0 to 1, such as "condition = car noise: 0.5"'
        )
    return name.strip(), value


def show(found: Evaluation) -> None:
    """The table."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    metric = found.metric
    names = [one.name for one in found.lines[0].beside]
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column("slice", overflow="fold", min_width=8)
    for name in ("traffic", "rows", "model"):
        made.add_column(name, justify="right", no_wrap=name != "model")
    for name in names:
        made.add_column(escape(name), justify="right")
        made.add_column("gap", justify="right")
    made.add_column("to gain" if found.ceiling else "errors for sure", justify="right")
    most = max((line.priority for line in found.lines[1:]), default=0.0)
    for line in found.lines:
        cells = [escape(line.slice) or "all", f"{line.share:.0%}", f"{line.model.rows:,}", bounded(line.model, metric)]
        for one in line.beside:
            cells += [bounded(one.level, metric), difference(one.gap, metric)]
        gain = "-" if not line.priority or not line.slice else plain(line.priority, metric)
        made.add_row(*cells, gain, style="bold" if line.slice and line.priority == most > 0 else "")
    of = f"version {found.version}" if found.version else "what callers got"
    out().print(f"[bold]{escape(found.endpoint)}[/]  {metric.name} of {escape(of)}")
    out().print(made)
    out().print(escape(found.next), style="bold")
    for text in found.notes:
        out().print(f"[dim]• {escape(text)}[/]")


def show_changes(found: Comparison) -> None:
    """What another version changes, slice by slice."""
    from rich.markup import escape

    metric = found.metric
    rows = []
    for one in found.changes:
        verdict = "[red]worse[/]" if one.broken else "[green]better[/]" if one.gained else "[dim]not told apart[/]"
        rows.append([escape(one.slice) or "all", f"{one.change.rows:,}", plain(metric.shown(one.old), metric),
                     plain(metric.shown(one.new), metric), difference(one.change, metric), verdict])  # fmt: skip
    out().print(f"version {escape(found.new)} beside {escape(found.old)}, on the requests that both answered")
    out().print(
        table(
            ["slice", "rows", found.old, found.new, "more errors", ""],
            rows,
            right=["rows", found.old, found.new, "more errors"],
        )
    )
    broken = [name or "all" for name in found.broken]
    if broken:
        out().print(f"[bold red]{escape(', '.join(broken))}[/]: surely worse with {escape(found.new)}")


def beside(layout: Layout, endpoint: str, rules: Rules, start: float, end: float) -> list[str]:
    """A line for each baseline, for whoever looks at the metric alone; none where there are none, or no labels."""
    from rich.markup import escape

    from tidegate.evaluation.table import evaluate as evaluated
    from tidegate.storage.baselines import BaselineStore

    with closing(BaselineStore(layout)) as store:
        if not store.listed(endpoint):
            return []
    try:
        found = evaluated(layout, endpoint, rules, start=start, end=end)
    except InvalidRequest:
        return []
    lines = [
        f"  beside   {escape(one.name)}  {bounded(one.level, found.metric)}   gap {difference(one.gap, found.metric)}"
        for one in found.lines[0].beside
    ]
    return [f"[bold]{found.metric.name}[/] {bounded(found.lines[0].model, found.metric)}", *lines]


def plain(value: float, metric: Metric) -> str:
    """A metric's value or difference."""
    return f"{value:.4g}" if metric.id == "quality.mae" else f"{100 * value:.1f}%"


def bounded(one: Estimate, metric: Metric) -> str:
    """With its bounds; a dash where nothing is known."""
    if not one.known:
        return "-"
    shown = plain(metric.shown(one.error), metric)
    if not math.isfinite(one.low) or one.low == one.high:
        return shown
    low, high = sorted((metric.shown(one.low), metric.shown(one.high)))
    return f"{shown} [dim]{plain(low, metric).rstrip('%')} to {plain(high, metric).rstrip('%')}[/]"


def difference(one: Estimate, metric: Metric) -> str:
    """Of two errors: above 0 the model is behind."""
    if not one.known:
        return "-"
    sign = "red" if one.low > 0 else "green" if one.high < 0 else ""
    text = ("+" if one.error > 0 else "") + plain(one.error, metric)
    return f"[{sign}]{text}[/]" if sign else f"[dim]{text}[/]"
