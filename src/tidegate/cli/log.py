"""The prediction log: query, tail, export, erase."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from tidegate.cli import complete
from tidegate.cli.common import JsonOption, Place, ProjectOption, actor
from tidegate.cli.show import interactive, note, out, print_json, print_json_line, table
from tidegate.errors import ConfigError

log = typer.Typer(
    no_args_is_help=True, help="Query, follow, export and erase the prediction log; rebuild its profiles."
)

Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT", autocompletion=complete.endpoints)]


class Outcomes(StrEnum):
    """How a request may have ended."""

    ok = "ok"
    error = "error"
    rejected = "rejected"
    timeout = "timeout"


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.add_typer(log, name="log")


@log.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT; each endpoint is a table, and ENDPOINT_feedback another.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most rows to show in a table.")] = 100,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Ask the log in SQL; what was answered a moment ago is in it.

    [dim]Example:[/]  tidegate log query "select version, count(*) from severity group by 1"
    """
    from tidegate.views.log import query as ask

    frame = ask(Place(project).layout, sql)
    if json:
        print_json(frame.to_dicts())
        return
    rows = [tuple(_cell(value) for value in row) for row in frame.head(limit).iter_rows()]
    numeric = [name for name, kind in frame.schema.items() if kind.is_numeric()]
    out().print(table(frame.columns, rows, right=numeric))
    if frame.height > limit:
        note().print(f"{limit} of {frame.height:,} rows; --limit shows more")


@log.command()
def tail(
    endpoint: Endpoint,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as predictions come, until Ctrl-C.")] = False,
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="How many of the newest to begin with.")] = 20,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show the newest predictions of an endpoint; --json prints one object a line with every column.

    [dim]Example:[/]  tidegate log tail severity --follow
    """
    from tidegate.views.log import tail as follow_log

    screen = out()
    for row in follow_log(Place(project).layout, endpoint, follow=follow, count=count):
        if json:
            print_json_line(row)
        else:
            screen.print(_line(row), soft_wrap=True, markup=False)


@log.command()
def export(
    endpoint: Endpoint,
    file: Annotated[
        Path, typer.Option("--file", "-f", "-o", help="Where to; .parquet, .csv or .ndjson says the format.")
    ],
    where: Annotated[str, typer.Option("--where", help="A SQL condition on the log's columns.")] = "",
    since: Annotated[
        str | None, typer.Option("--since", help="From this time (2026-03-01), or the last 2h or 7d.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Up to this time, not included.")] = None,
    version: Annotated[str, typer.Option("--version", help="Only this version's predictions.")] = "",
    role: Annotated[
        str, typer.Option("--role", help="Only this role's: stable, canary, shadow, baseline, human.")
    ] = "",
    outcome: Annotated[
        Outcomes | None, typer.Option("--outcome", help="Only what ended so; rejected and timeout are errors too.")
    ] = None,
    text: Annotated[str, typer.Option("--text", help="Only rows with this in some text column.")] = "",
    labelled: Annotated[
        bool | None, typer.Option("--labelled/--unlabelled", help="Only rows with a label, or without one.")
    ] = None,
    wrong: Annotated[
        bool, typer.Option("--wrong", help="Only rows whose label says that the answer was wrong.")
    ] = False,
    differing: Annotated[bool, typer.Option("--differing", help="Only rows that a shadow answered otherwise.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Only so many, the newest.")] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Write the log of an endpoint, with labels where there are some, to one file.

    [dim]Example:[/]  tidegate log export severity -f march.parquet --since 2026-03-01 --until 2026-04-01
    [dim]Example:[/]  tidegate log export severity -f mistakes.csv --since 7d --wrong
    """
    from rich.progress import Progress

    from tidegate.app import label_options
    from tidegate.views.log import Filter
    from tidegate.views.log import export as write

    layout = Place(project).layout
    start, end = moment_of(since, "--since"), moment_of(until, "--until")
    wanted = Filter(
        start=start.timestamp() if start else None, end=end.timestamp() if end else None, version=version, role=role,
        outcome=outcome.value if outcome else "", where=where, text=text, labelled=labelled, wrong=wrong, differing=differing,
    )  # fmt: skip
    rules = label_options(layout, endpoint)[0] if wrong else None
    with Progress(console=note(), transient=True, disable=json) as progress:
        task = progress.add_task(f"exporting {endpoint}", total=None)
        rows = write(
            layout, endpoint, file, wanted, most=limit, rules=rules,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )  # fmt: skip
    if json:
        print_json({"file": str(file), "rows": rows})
    else:
        note().print(f"{rows:,} rows in {file}")


@log.command()
def erase(
    subject: Annotated[
        str, typer.Option("--subject", help="Who: the value that the endpoint's `subject` field names.")
    ],
    endpoint: Annotated[
        str | None,
        typer.Argument(metavar="[ENDPOINT]", help="All endpoints by default.", autocompletion=complete.endpoints),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go, and keep it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Erase all that is kept of one person: log, feedback, journal, payloads. It can't be undone.

    [dim]Example:[/]  tidegate log erase severity --subject u-17 --dry-run
    """
    import msgspec

    from tidegate.changes import erase_subject

    layout = Place(project).layout
    if not dry_run and not yes:
        if not interactive():
            raise ConfigError("erasure can't be undone: add --yes, or --dry-run to see what would go")
        found = erase_subject(layout, subject, endpoint, dry_run=True, actor=actor())
        note().print(_counts(found) + " would go")
        typer.confirm("Erase it for good?", abort=True, err=True)
    report = erase_subject(layout, subject, endpoint, dry_run=dry_run, actor=actor())
    if json:
        print_json(msgspec.to_builtins(report))
    else:
        note().print(_counts(report) + (" would go" if dry_run else " erased"))


@log.command()
def rebuild(
    endpoint: Endpoint,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Make an endpoint's profiles again from its log, beside a running system. Detectors go on as they are.

    For a log that is older than its profiles (after an upgrade), or columns that are profiled from now on. Each hour that the
    log has is counted anew; profiles that are older than the log stay.

    [dim]Example:[/]  tidegate log rebuild severity
    """
    import msgspec
    from rich.progress import Progress

    from tidegate.ingest.rebuild import rebuild as make_again

    layout = Place(project).layout
    with Progress(console=note(), transient=True, disable=json) as progress:
        task = progress.add_task(f"profiles of {endpoint}, hour by hour", total=None)
        report = make_again(
            layout, endpoint, lambda done, total: progress.update(task, completed=done, total=max(total, 1))
        )
    if json:
        print_json(msgspec.to_builtins(report))
    else:
        note().print(f"{report.rows:,} rows of {report.hours:,} hours are in the profiles of {endpoint}")


def _counts(report: Any) -> str:
    return (
        f"{sum(report.predictions.values()):,} predictions, {sum(report.feedback.values()):,} feedback records, "
        f"{report.journal_lines:,} journal lines, {report.blobs:,} payloads"
    )


_FRONT = ("time", "version", "role", "status", "latency_us", "prediction_id")


def _line(row: dict[str, Any]) -> str:
    """One prediction on one line: what it is first, then its values."""
    time = row.get("time")
    head = time.astimezone().strftime("%H:%M:%S.%f")[:-3] if isinstance(time, datetime) else ""
    front = f"{head}  v{row.get('version', '-')} {row.get('role', '')}  {row.get('status', '')}"
    front += f"  {row.get('latency_us', 0) / 1000:.1f} ms  {row.get('prediction_id', '')}"
    rest = " ".join(f"{key}={_cell(value)}" for key, value in row.items() if key not in _FRONT and key not in _DULL)
    return f"{front}  {rest}"


_DULL = ("model", "row", "codec", "queue_us", "infer_us", "batch", "date", "request_id", "trace")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="milliseconds")
    return str(value)


def moment_of(text: str | None, option: str) -> datetime | None:
    """A date, a time, or a duration back from now. Errors: typer.BadParameter."""
    if text is None:
        return None
    from tidegate.types.units import parse_duration

    try:
        found = datetime.fromisoformat(text)
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    except ValueError:
        pass
    try:
        return datetime.fromtimestamp(datetime.now(UTC).timestamp() - parse_duration(text), UTC)
    except ValueError as exc:
        raise typer.BadParameter(
            f"{text!r} is neither a time (2026-03-01T12:00, UTC) nor a duration (7d)", param_hint=option
        ) from exc
