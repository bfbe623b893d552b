"""Status and audit: what is, and who made it so."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli import NOT_RUNNING
from tidegate.cli.common import JsonOption, Place, ProjectOption
from tidegate.cli.show import ago, moment, out, print_json, print_json_line, size, state, table

if TYPE_CHECKING:
    from tidegate.views.status import StatusView, Traffic


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.command()(status)
    app.command()(audit)


def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it anew every second, until Ctrl-C.")] = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show endpoints, versions, processes, requests a second, p50 and p99, errors, and how far the log is behind.

    [dim]Example:[/]  tidegate status --watch
    """
    from tidegate.views.status import StatusView, gather

    place = Place(project)

    def look() -> StatusView:
        return gather(place.layout) if place.layout.root.is_dir() else StatusView(False, time.time())

    if not watch:
        view = look()
        if json:
            print_json(view)
        else:
            out().print(render(view))
        if not view.running:
            raise typer.Exit(NOT_RUNNING)
        return
    if json:
        while True:
            import msgspec

            print_json_line(msgspec.to_builtins(look()))
            time.sleep(1.0)
    from rich.live import Live

    with Live(render(look()), console=out(), auto_refresh=False) as live:
        while True:
            time.sleep(1.0)
            live.update(render(look()), refresh=True)


def audit(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="How many, newest first.")] = 30,
    since: Annotated[str | None, typer.Option("--since", help="Only of the last such time, as 2h or 7d.")] = None,
    find: Annotated[str, typer.Option("--find", help="Only with this in who, what or on what.")] = "",
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show who changed what, newest first; --json has each change before and after.

    [dim]Example:[/]  tidegate audit --since 7d --find rollout
    """
    from tidegate.cli.project import parse_seconds
    from tidegate.storage.state import StateStore

    start = time.time() - parse_seconds(since, "--since") if since else 0.0
    place = Place(project)
    entries = []
    if (place.layout.root / "state.db").exists():
        with closing(StateStore(place.layout)) as store:
            entries = store.audit(limit, start, find=find)
    if json:
        print_json(entries)
    elif not entries:
        out().print("nothing was changed yet" if not since and not find else "no change like that is found")
    else:
        rows = [(moment(e.time), e.actor, e.action, e.target) for e in entries]
        out().print(table(("when", "who", "what", "on"), rows))


def render(view: StatusView) -> Any:
    """The whole status as one Rich renderable."""
    from rich.console import Group
    from rich.text import Text

    if not view.running:
        return Text.from_markup("[yellow]not running[/]; `tidegate up` starts it")
    parts: list[Any] = [
        Text.from_markup(
            f"[bold]{view.project}[/]  {_revision(view)}  {view.traffic.rps:,.1f} requests/s, "
            f"{view.in_flight} in flight, {size(view.rss)} in all"
        ),
        Text.from_markup(
            f"[dim]HTTP[/] {view.http}  [dim]gRPC[/] {view.grpc or 'off'}  [dim]control[/] {view.control or 'off'}"
        ),
        _endpoints(view),
        _versions(view),
        _processes(view),
        _log(view),
    ]
    parts += [Text(f"waiting: {reason}", style="yellow") for reason in view.waiting]
    parts += [Text(f"failed: {reason}", style="red") for reason in view.failed]
    said = [*view.waiting, *view.failed]
    whole = {v.reason: f"{v.model}:{v.version}" for v in view.versions}
    whole = {p.reason: p.name for p in view.processes if p.kind != "runner"} | whole
    cut = {reason: name for reason, name in whole.items() if _short(reason) != reason}
    parts += [Text(f"{n}: {r}", style="red") for r, n in cut.items() if not any(r in line for line in said)]
    return Group(*parts)


def _revision(view: StatusView) -> str:
    if view.in_force:
        return f"revision {view.revision} [green]in force[/]"
    return f"revision {view.revision} [{'red' if view.failed else 'yellow'}]not in force yet[/]"


def _traffic(traffic: Traffic) -> tuple[str, ...]:
    errors = f"[red]{traffic.errors:,}[/]" if traffic.errors else "0"
    quiet = not traffic.rps
    return (
        f"{traffic.requests:,}",
        f"{traffic.rps:,.1f}",
        "-" if quiet else f"{traffic.p50_ms:.1f}",
        "-" if quiet else f"{traffic.p99_ms:.1f}",
        errors,
    )


_TRAFFIC = ("requests", "per s", "p50 ms", "p99 ms", "errors")


def _endpoints(view: StatusView) -> Any:
    rows: list[tuple[str, ...]] = []
    for endpoint in view.endpoints:
        rows.append((f"[bold]{endpoint.name}[/]", endpoint.model, "", "", *_traffic(endpoint.traffic)))
        for arm in endpoint.arms:
            rows.append(
                (
                    f"  version {arm.version}",
                    f"{arm.weight:g}% {arm.role}",
                    state(arm.state),
                    "",
                    *_traffic(arm.traffic),
                )
            )
    rows = [(r[0], r[1], r[2], *r[4:]) for r in rows]
    return table(("endpoint", "model / share", "state", *_TRAFFIC), rows, right=_TRAFFIC)


def _versions(view: StatusView) -> Any:
    rows = [
        (
            f"{v.model}:{v.version}", state(v.state), v.platform, f"{v.ready}/{v.replicas}", str(v.restarts),
            size(v.rss), f"{v.load_seconds:.2f} s" if v.load_seconds else "-", _short(v.reason),
        )
        for v in view.versions
    ]  # fmt: skip
    columns = ("version", "state", "platform", "ready", "restarts", "memory", "load", "why")
    return table(columns, rows, right=("ready", "restarts", "memory", "load"))


def _processes(view: StatusView) -> Any:
    rows = [
        (
            p.kind if p.kind != "runner" else f"runner {p.model}:{p.version}",
            p.name if p.kind != "runner" else str(p.replica),
            state(p.state), str(p.pid or "-"), ago(p.uptime), str(p.restarts), size(p.rss), _short(p.reason),
        )
        for p in view.processes
    ]  # fmt: skip
    columns = ("process", "name", "state", "pid", "up", "restarts", "memory", "why")
    return table(columns, rows, right=("pid", "up", "restarts", "memory"))


def _short(reason: str) -> str:
    """A reason as a cell holds it: a long one stands below the tables.

    >>> _short("killed"), _short("the file would build types that nobody knows")
    ('killed', 'see below')
    """
    return reason if len(reason) <= 24 else "see below"


def _log(view: StatusView) -> Any:
    from rich.text import Text

    log = view.log
    words = [
        f"[dim]log[/] ingest {state(log.ingest)}",
        f"{size(log.lag_bytes)} ({log.lag_seconds:.1f} s) behind",
        f"{log.rows:,} rows, {log.feedback:,} feedback",
    ]
    if log.failed or log.unlogged:
        words.append(f"[red]{log.failed:,} journal writes failed, {log.unlogged:,} answers not logged[/]")
    if log.torn_lines or log.corrupt_lines:
        words.append(f"[yellow]{log.torn_lines} torn and {log.corrupt_lines} corrupt lines skipped[/]")
    if log.error:
        words.append(f"[red]{log.error}[/]")
    if view.rejected:
        words.append(f"{view.rejected:,} requests rejected")
    return Text.from_markup("; ".join(words))
