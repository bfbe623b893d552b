"""Batches that recur: what there is, a run at once, how far one is, and its end.

list, run --> batches/listing.py     runs, cancel --> storage/batch_runs.py     (which the control API calls as well)
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli import FAILED
from tidegate.cli.common import JsonOption, Place, ProjectOption, actor
from tidegate.cli.show import ago, moment, note, out, print_json, table

if TYPE_CHECKING:
    from tidegate.storage.batch_runs import BatchStore, Run

batch = typer.Typer(
    no_args_is_help=True, help="Predict whole tables on a schedule, or now: `batches` in the project file."
)

STYLES = {"done": "green", "failed": "red", "cancelled": "yellow", "cancelling": "yellow", "running": "cyan"}


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.add_typer(batch, name="batch")


@batch.command("list")
def list_(project: ProjectOption = None, json: JsonOption = False) -> None:
    """Show the project's batches: where rows come from and answers go, when each runs, and its newest run.

    [dim]Example:[/]  tidegate batch list
    """
    from tidegate.app import batches_of
    from tidegate.batches.listing import listed

    layout = Place(project).applied()
    found = listed(layout, batches_of(layout))
    if json:
        print_json(found)
        return
    if not found:
        out().print("the project has no batches; `batches` in tidegate.yaml names them")
        return
    rows = []
    for one in found:
        rows.append([one.name, one.endpoint, one.source, one.target, one.schedule or "when asked",
                     moment(one.next), _outcome(one.last) if one.last else "-"])  # fmt: skip
    out().print(table(["batch", "endpoint", "from", "to", "schedule", "next", "last run"], rows))


@batch.command()
def run(
    name: Annotated[str, typer.Argument(metavar="BATCH")],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Show how far it is until it is over.")] = True,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Run a batch now, whatever its schedule says. Ctrl-C leaves it running.

    [dim]Example:[/]  tidegate batch run nightly
    """
    from tidegate.app import batches_of
    from tidegate.batches.listing import ask
    from tidegate.storage.batch_runs import BatchStore

    layout = Place(project).running()
    made = ask(layout, batches_of(layout), name, actor())
    with closing(BatchStore(layout)) as store:
        if wait:
            made = _followed(store, made, quiet=json)
    if json:
        print_json(made)
    elif wait:
        out().print(f"run {made.id}  {_outcome(made)}{f'  {made.target}' if made.target else ''}")
    else:
        out().print(f"run {made.id} is queued; `tidegate batch runs {name}` shows it")
    if made.state in ("failed", "cancelled"):
        raise typer.Exit(FAILED)


@batch.command()
def runs(
    name: Annotated[str, typer.Argument(metavar="[BATCH]", help="Of one batch.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many, newest first.")] = 20,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show runs: when each was due, how many rows, and what came of it.

    [dim]Example:[/]  tidegate batch runs nightly
    """
    from tidegate.storage.batch_runs import BatchStore

    with closing(BatchStore(Place(project).applied())) as store:
        found = store.listed(name, limit)
    if json:
        print_json(found)
        return
    rows = [[str(one.id), one.name, moment(one.due), one.actor, _outcome(one), one.target or "-"] for one in found]
    out().print(table(["run", "batch", "due", "by", "what came of it", "target"], rows, right=["run"]))


@batch.command()
def cancel(
    id: Annotated[int, typer.Argument(metavar="RUN")], project: ProjectOption = None, json: JsonOption = False
) -> None:
    """End a run after the part that it is at. What it has appended to a table stays there; a file doesn't appear.

    [dim]Example:[/]  tidegate batch cancel 7
    """
    from tidegate.storage.batch_runs import BatchStore

    with closing(BatchStore(Place(project).applied())) as store:
        found = store.cancel(id, actor())
    if json:
        print_json(found)
    else:
        note().print(f"run {id} of {found.name} is {found.state}")


def _followed(store: BatchStore, run: Run, *, quiet: bool) -> Run:
    """Until it is over; after Ctrl-C as it is then."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=note(), disable=quiet) as progress:
        task = progress.add_task(run.name, total=None)
        try:
            while not run.over:
                time.sleep(0.2)
                run = store.get(run.id)
                progress.update(task, completed=run.rows, total=run.total or None)
        except KeyboardInterrupt:
            note().print(f"run {run.id} goes on; `tidegate batch cancel {run.id}` ends it")
    return run


def _outcome(run: Run) -> str:
    from rich.markup import escape

    took = f" in {ago(run.ended - run.started)}" if run.ended and run.started else ""
    text = f"{run.state}, {run.rows:,}" + ("" if run.state == "done" else f" of {run.total:,}") + f" rows{took}"
    style = STYLES.get(run.state, "")
    return (f"[{style}]{text}[/]" if style else text) + (
        f": {escape(run.error)}" if run.error and run.state != "done" else ""
    )
