"""`tidegate retrain`, `tidegate retraining`: a model learned anew, and what came of it.

retrain --> candidates.ask (which the control API calls as well) --> the monitor process      list, show --> retraining/listing.py
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli import FAILED, WAITING, complete
from tidegate.cli.common import JsonOption, Place, ProjectOption, actor
from tidegate.cli.show import ago, moment, note, out, plain_json, print_json, table
from tidegate.errors import InvalidRequest

if TYPE_CHECKING:
    from tidegate.retraining.listing import Plan
    from tidegate.storage.retraining import RetrainingStore
    from tidegate.types.retraining import Retraining

retraining = typer.Typer(no_args_is_help=True, help="Runs of retraining: look at them, say yes or no, end them.")

STYLES = {
    "done": "green", "rejected": "yellow", "failed": "red", "cancelled": "dim", "waiting": "bold yellow", "rolling": "cyan",
}  # fmt: skip
Run = Annotated[int, typer.Argument(metavar="RUN", help="Its number: `tidegate retraining list` shows them.")]
Reason = Annotated[str, typer.Option("--message", "-m", help="Why; the audit keeps it.")]


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.command()(retrain)
    app.add_typer(retraining, name="retraining")


def retrain(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", autocompletion=complete.endpoints)],
    window: Annotated[
        str, typer.Option("--window", help="Predictions of the last 30d, 90d; by default as the project file says.")
    ] = "",
    query: Annotated[
        str, typer.Option("--query", help="SQL over them: \"select * from data where region = 'EU'\".")
    ] = "",
    auto: Annotated[
        str,
        typer.Option(
            "--auto", help="Instead of a run: what starts one from now on: drift,quality,schedule,labels, or none."
        ),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the rows that it would learn from; change nothing.")
    ] = False,
    message: Reason = "",
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Show how far it is until its rollout begins, or it is over.")
    ] = True,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Learn a new version from what came of the predictions, hold it against the one that serves, and let it in by the endpoint's rollout.

    The project file names the function: endpoints.ENDPOINT.retraining.trainer. Ctrl-C leaves the run going.
    Exit codes: 1 failed or rejected, 5 a person has to say yes.

    [dim]Example:[/]  tidegate retrain severity --window 90d
    [dim]Example:[/]  tidegate retrain severity --auto drift,quality,schedule
    """
    from tidegate import candidates
    from tidegate.cli.project import parse_seconds
    from tidegate.storage.retraining import RetrainingStore

    place = Place(project)
    if auto:
        _set_auto(place, endpoint, auto, dry_run, json)
        return
    seconds = parse_seconds(window, "--window") if window else 0.0
    if dry_run:
        _dry(place, endpoint, seconds, query, json)
        return
    layout = place.running()
    run = candidates.ask(layout, endpoint, actor=actor(), window=seconds, query=query, reason=message)
    with closing(RetrainingStore(layout)) as store:
        if wait:
            run = _followed(store, run, quiet=json)
    if json:
        print_json(plain_json(run))
    else:
        out().print(outcome(run))
        if run.state == "rolling":
            note().print(f"`tidegate rollout status {endpoint} --watch` follows it", markup=False)
    if run.state in ("failed", "rejected", "cancelled"):
        raise typer.Exit(FAILED)
    if run.state == "waiting":
        raise typer.Exit(WAITING)


@retraining.command("list")
def list_(
    endpoint: Annotated[str, typer.Argument(metavar="[ENDPOINT]", autocompletion=complete.endpoints)] = "",
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="Runs at most of each endpoint, newest first.")
    ] = 20,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show what is retrained, what asks for a run and why it waits, and the runs.

    [dim]Example:[/]  tidegate retraining list severity
    """
    from rich.markup import escape

    from tidegate.app import endpoint_named, retrained_of
    from tidegate.retraining.listing import endpoints

    layout = Place(project).applied()
    known = retrained_of(layout)
    if endpoint:
        known = {endpoint_named(layout, endpoint): known[endpoint]} if endpoint in known else {}
    found = endpoints(layout, known, limit)
    if json:
        print_json(plain_json(found))
        return
    if not found:
        out().print("nothing is retrained; endpoints.NAME.retraining in tidegate.yaml says how, and by whose function")
    for one in found:
        when = ", ".join(one.auto) or "when asked"
        due = f", next {moment(one.next)}" if one.next else ""
        spent = f"   {one.spent} of {one.budget} automatic runs in {ago(one.per)}" if one.auto else ""
        out().print(f"[bold]{escape(one.endpoint)}[/]  {escape(one.trainer)}   {when}{due}{spent}")
        for wish in one.asked:
            out().print(f"  [yellow]{wish.cause}[/]  {escape(wish.text)}: {escape(wish.held)}")
        rows = [
            [str(run.id), moment(run.created), run.cause, run.version or "-", _figures(run), outcome(run, short=True)]
            for run in one.runs
        ]
        if rows:
            out().print(table(["run", "began", "because of", "version", "beside its parent", "what came of it"], rows))


@retraining.command()
def show(id: Run, project: ProjectOption = None, json: JsonOption = False) -> None:
    """Show one run: its rows, its code, the verdict, who said yes.

    [dim]Example:[/]  tidegate retraining show 3
    """
    from tidegate.cli.lineage import facts, run_facts
    from tidegate.storage.retraining import RetrainingStore

    with closing(RetrainingStore(Place(project).applied())) as store:
        run = store.get(id)
    if json:
        print_json(plain_json(run))
        return
    out().print(outcome(run))
    out().print(facts(run_facts(run)))


@retraining.command()
def log(id: Run, project: ProjectOption = None, json: JsonOption = False) -> None:
    """Print what a run's training has printed.

    [dim]Example:[/]  tidegate retraining log 3
    """
    from tidegate.retraining.listing import log_text

    text = log_text(Place(project).applied(), id)
    if json:
        print_json({"run": id, "log": text})
    else:
        typer.echo(text, nl=False)


@retraining.command()
def approve(id: Run, message: Reason = "", project: ProjectOption = None, json: JsonOption = False) -> None:
    """Say yes to a candidate that waits: its rollout begins.

    [dim]Example:[/]  tidegate retraining approve 3 -m "looked at the slices"
    """
    _answer(Place(project), id, True, message, json)


@retraining.command()
def reject(id: Run, message: Reason = "", project: ProjectOption = None, json: JsonOption = False) -> None:
    """Say no to a candidate that waits: it is taken out.

    [dim]Example:[/]  tidegate retraining reject 3 -m "too few night scenes"
    """
    _answer(Place(project), id, False, message, json)


@retraining.command()
def cancel(id: Run, project: ProjectOption = None, json: JsonOption = False) -> None:
    """End a run. The version that serves is as it was.

    [dim]Example:[/]  tidegate retraining cancel 3
    """
    from tidegate import candidates

    found = candidates.cancel(Place(project).applied(), id, actor=actor())
    if json:
        print_json(plain_json(found))
    else:
        said = "is cancelled" if found.over else "ends within a moment"
        note().print(f"retraining {id} of {found.endpoint} {said}")


def _answer(place: Place, id: int, yes: bool, reason: str, json: bool) -> None:
    from tidegate import candidates

    found = candidates.answer(place.applied(), id, yes, actor=actor(), reason=reason)
    if json:
        print_json(plain_json(found))
    else:
        then = "its rollout begins" if yes else "it is taken out"
        note().print(f"version {found.version} of {found.model}: {then}")


def _set_auto(place: Place, endpoint: str, auto: str, dry_run: bool, json: bool) -> None:
    from tidegate import project_file
    from tidegate.app import pin
    from tidegate.cli.project import apply_and_wait
    from tidegate.config import parse_project
    from tidegate.plugins import nearest
    from tidegate.retraining.options import TRIGGERS
    from tidegate.storage.layout import write_atomic

    place.needs_file()
    wanted = [] if auto == "none" else [name.strip() for name in auto.split(",") if name.strip()]
    for name in wanted:
        if name not in TRIGGERS:
            hint = nearest(name, TRIGGERS)
            raise InvalidRequest(f"--auto: {name!r} is no trigger.{hint} Known: {', '.join(TRIGGERS)}, or none")
    text = project_file.set_auto(place.file.read_text(), endpoint, wanted)
    pin(parse_project(text, str(place.file)), place.file.parent, place.layout, copy=False)
    if not dry_run:
        write_atomic(place.file, text.encode(), place.file.stat().st_mode & 0o777)
    if not json:
        what = "is retrained on " + ", ".join(wanted) if wanted else "is retrained by hand alone"
        note().print(f"{endpoint} {what}{': nothing was written' if dry_run else ''}")
    if place.is_running() and not dry_run:
        apply_and_wait(place, timeout="60s", json=json)
    elif json:
        print_json({"endpoint": endpoint, "auto": wanted, "file": str(place.file)})


def _dry(place: Place, endpoint: str, window: float, query: str, json: bool) -> None:
    from tidegate.app import retraining_of, stable_of
    from tidegate.retraining.listing import plan

    layout = place.applied()
    options, rules = retraining_of(layout, endpoint)
    update = {**({"window": window} if window else {}), **({"query": query} if query else {})}
    found = plan(layout, endpoint, options.model_copy(update=update), rules, stable_of(layout, endpoint))
    if json:
        print_json(plain_json(found))
    else:
        _show_plan(found, options.min_rows)


def _show_plan(found: Plan, least: int) -> None:
    data = found.data
    screen = out()
    screen.print(f"[bold]{found.endpoint}[/]  {found.trainer}, beside version {found.parent}")
    screen.print(f"  learns from  {data.learned:,} logged rows, {moment(data.start)} to {moment(data.cut)}")
    if data.base_rows:
        screen.print(f"               {data.base_rows:,} rows of {len(data.base)} files")
    screen.print(f"  judged on    {data.judged:,} rows, the newest, to {moment(data.end)}")
    screen.print(f"  inputs       {', '.join(data.inputs)}", markup=False)
    screen.print(
        f"  labels       {', '.join(f'{name}: {count:,}' for name, count in data.labels.items())}", markup=False
    )
    if not found.enough:
        screen.print(f"[yellow]too few: it takes {least:,} logged rows (minRows)[/]")


def _followed(store: RetrainingStore, run: Retraining, *, quiet: bool) -> Retraining:
    """Until it needs somebody, rolls out or is over; after Ctrl-C as it is then."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=note(), disable=quiet, transient=True) as progress:
        task = progress.add_task(run.endpoint, total=None)
        try:
            while not run.over and run.state not in ("waiting", "rolling"):
                time.sleep(0.2)
                run = store.get(run.id)
                text = run.said or run.message
                progress.update(task, description=f"{run.state}  {text}", completed=run.done, total=run.total or None)
        except KeyboardInterrupt:
            note().print(f"retraining {run.id} goes on; `tidegate retraining cancel {run.id}` ends it")
    return run


def outcome(run: Retraining, *, short: bool = False) -> str:
    """What came of a run, or how far it is."""
    from rich.markup import escape

    style = STYLES.get(run.state, "")
    word = run.outcome or run.state
    text = f"[{style}]{word}[/]" if style else word
    said = run.error or run.message
    if not short:
        named = f"version {run.version}, " if run.version else ""
        text = f"retraining {run.id} of {escape(run.endpoint)}: {named}{text}"
    return text + (f": {escape(said)}" if said else "")


def _figures(run: Retraining) -> str:
    if run.verdict is None:
        return "-"
    name = run.verdict.metric.removeprefix("quality.")
    return f"{name} {run.verdict.old:.4g} -> {run.verdict.new:.4g}"
