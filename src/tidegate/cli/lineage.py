"""`tidegate lineage`: where a version is from, or what is behind a prediction; and the model made once more from its rows.

MODEL:VERSION, prediction id --lineage.py--> lines      --verify --jobs/retrain.py--> the same file, or not
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli import FAILED, complete
from tidegate.cli.common import JsonOption, Place, ProjectOption, actor
from tidegate.cli.show import ago, moment, note, out, plain_json, print_json, size
from tidegate.errors import InvalidRequest

if TYPE_CHECKING:
    from rich.table import Table

    from tidegate.lineage import Lineage
    from tidegate.retraining.same import Same
    from tidegate.storage.layout import Layout
    from tidegate.types.retraining import Retraining


def add_to(app: typer.Typer) -> None:
    """Hang this command into the tree."""
    app.command()(lineage)


def lineage(
    target: Annotated[str, typer.Argument(metavar="MODEL:VERSION | PREDICTION_ID", autocompletion=complete.versions)],
    endpoint: Annotated[
        str, typer.Option("--endpoint", help="Whose log a prediction is in; by default every one is searched.")
    ] = "",
    rows: Annotated[
        Path | None, typer.Option("--rows", help="Write the rows that the version learned from to this Parquet file.")
    ] = None,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Learn it once more from the same rows, and compare the files byte by byte."),
    ] = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show where a version is from: rows, labels, code, parents, trigger, verdict, rollout, approvals. Or what answered a prediction.

    [dim]Example:[/]  tidegate lineage severity:3
    [dim]Example:[/]  tidegate lineage 01k9x... --endpoint severity
    [dim]Example:[/]  tidegate lineage severity:3 --verify
    """
    from rich.markup import escape

    from tidegate.lineage import of_prediction, of_version
    from tidegate.storage.state import StateStore

    layout = Place(project).applied()
    model, colon, version = target.partition(":")
    if not colon:
        if rows or verify:
            raise InvalidRequest("--rows and --verify are of a version: name it as MODEL:VERSION")
        answered = of_prediction(layout, target, endpoint)
        if json:
            print_json(plain_json(answered))
            return
        screen = out()
        screen.print(
            f"[bold]{answered.prediction_id}[/]  {answered.endpoint}, {moment(answered.time)}, {answered.role}"
        )
        known = [("label", "none yet" if answered.label is None else escape(str(answered.label)))]
        for one in answered.learned:
            word = "learned from it" if one.part == "learn" else "was judged on it"
            known.append(("since", f"{one.version or 'a candidate'} {word} (retraining {one.retraining})"))
        screen.print(facts(known))
        screen.print(f"answered by [bold]{answered.lineage.model}:{answered.lineage.version}[/]")
        _show(answered.lineage)
        return
    found = of_version(layout, model, version)
    same: Same | None = None
    if rows is not None:
        _write_rows(layout, _made(found), rows)
    if verify:
        run = _made(found)
        same = _same(layout, run, quiet=json)
        with closing(StateStore(layout)) as store:
            store.record(
                actor(),
                "lineage.verify",
                f"{run.endpoint} {target}",
                None,
                {"same": bool(same), "how": same, "run": run.id},
            )
    if json:
        print_json({**plain_json(found), **({} if same is None else {"same": bool(same), "how": same})})
    else:
        out().print(
            f"[bold]{model}:{version}[/]" + ("" if found.detail else "  [dim]no version of the project any more[/]")
        )
        _show(found)
        if same is not None:
            said = {
                "bytes": "[green]the same file, byte for byte[/]",
                "content": "[green]the same model, number for number[/]; its file differs in times and addresses alone",
                "": "[red]another model: the trainer, its environment or its rows differ[/]",
            }[same]
            out().print(f"  learned again: {said}")
    if same == "":
        raise typer.Exit(FAILED)


def _made(found: Lineage) -> Retraining:
    if found.made is None or found.made.data is None:
        raise InvalidRequest(f"{found.model}:{found.version} was made by no retraining: its rows aren't known")
    return found.made


def _write_rows(layout: Layout, run: Retraining, path: Path) -> None:
    from tidegate.lineage import data
    from tidegate.retraining import dataset

    kept = dataset.read(layout, data(run).digest)
    kept.write_parquet(path)
    note().print(f"{kept.height:,} rows are in {path}", markup=False)


def _same(layout: Layout, run: Retraining, *, quiet: bool) -> Same:
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from tidegate.jobs.retrain import again

    with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=note(), disable=quiet) as progress:
        progress.add_task("learning it once more", total=None)
        return again(layout, run)


def _show(found: Lineage) -> None:
    from rich.markup import escape

    rows: list[tuple[str, str]] = []
    if found.parents:
        rows.append(("parents", " <- ".join(found.parents)))
    if found.children:
        rows.append(("children", ", ".join(found.children)))
    if found.detail is not None:
        one = found.detail.version
        rows.append(("artifact", f"{escape(Path(one.artifact).name or one.path)}  {one.digest[:16] or 'no file'}"))
        for at, origin in enumerate(reversed(found.detail.lineage)):
            said = f"[dim]{moment(origin.time)}[/]  {escape(origin.words)}, by {escape(origin.actor)}"
            rows.append(("" if at else "history", said))
    if found.made is None:
        rows.append(("made", "[dim]by no retraining: what it learned from isn't known here[/]"))
    else:
        rows += run_facts(found.made)
        if not found.kept and found.made.data is not None:
            rows.append(("", "[yellow]the rows that it learned from are no longer kept[/]"))
    out().print(facts(rows))


def facts(rows: list[tuple[str, str]]) -> Table:
    """Names and what they are, one below the other."""
    from rich.table import Table

    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, text in rows:
        made.add_row(f"  {name}", text)
    return made


def run_facts(run: Retraining) -> list[tuple[str, str]]:
    """A run's why, rows, code, verdict, approvals, rollout; digests in short (`--json` has them whole)."""
    from rich.markup import escape

    from tidegate.lineage import data as data_of

    why = f": {escape(run.text)}" if run.text else ""
    rows = [("because of", f"{run.cause}, by {escape(run.actor)}, {moment(run.created)}{why}")]
    if run.data is not None:
        data = data_of(run)
        files = f", {data.base_rows:,} of files" if data.base_rows else ""
        delta = ", ".join(f"{name} {number}" for name, number in data.delta.items())
        labels = ", ".join(f"{name}: {count:,}" for name, count in data.labels.items())
        rows += [
            ("rows", f"{data.learned:,} learned{files}, {data.judged:,} to judge, {moment(data.start)} to {moment(data.end)}"),
            ("", f"{data.digest[:16]}, of Delta versions {delta}"),
            ("labels", escape(labels)),
        ]  # fmt: skip
        rows += [("file", f"{escape(Path(path).name)}  {digest[:16]}") for path, digest in data.base.items()]
        if data.query:
            rows.append(("query", escape(data.query)))
    if run.code is not None:
        code = run.code
        source = f"  {escape(Path(code.file).name)} {code.digest[:16]}" if code.file else ""
        changed = ", [yellow]with changes[/]" if code.commit.endswith("+") else ""
        commit = f", commit {code.commit[:12]}{changed}" if code.commit else ""
        packages = len(code.environment.get("packages", {}))
        rows.append(("code", f"{escape(code.trainer)}, seed {code.seed}{source}{commit}"))
        rows.append(
            (
                "made in",
                f"{ago(run.seconds)}, {size(run.memory)}, Python {code.environment.get('python', '?')}, {packages} packages",
            )
        )
    if run.metrics:
        rows.append(("it said", escape(", ".join(f"{name} {value:.4g}" for name, value in run.metrics.items()))))
    if run.verdict is not None:
        one = run.verdict
        word = "[green]surely better[/]" if one.better else "[red]surely worse[/]" if one.broken else "not told apart"
        name = one.metric.removeprefix("quality.")
        rows.append(
            ("judged", f"{name} {one.old:.4g} (version {run.parent}) -> {one.new:.4g} on {one.rows:,} rows: {word}")
        )
        if broken := [name for name in one.broken if name]:
            rows.append(("broken", f"[red]{escape(', '.join(broken))}[/]"))
    for said in run.approvals:
        reason = f": {escape(said.reason)}" if said.reason else ""
        rows.append(("yes" if said.yes else "no", f"{escape(said.actor)}, {moment(said.time)}{reason}"))
    if run.rollout:
        rows.append(("rollout", f"{run.rollout}" + (f", {run.outcome}" if run.outcome else "")))
    if run.tracking:
        rows.append(("MLflow", escape(run.tracking)))
    return rows
