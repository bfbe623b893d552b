"""Alarms, as the incidents that people act on: see them, take one on, end it with a verdict, silence what is known.

list, show, silences              --> views/alarms.py --> alarms_screen
ack, resolve, silence, unsilence  --> monitoring/acts.py (which the control API calls as well)
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli import WAITING, complete
from tidegate.cli.common import JsonOption, Place, ProjectOption, actor
from tidegate.cli.freeze import when
from tidegate.cli.show import moment, note, out, plain_json, print_json, table

if TYPE_CHECKING:
    from tidegate.types.monitoring import Incident

alarms = typer.Typer(no_args_is_help=True, help="See what is wrong, take it on, and say what it was.")

Id = Annotated[int, typer.Argument(metavar="ID", help="The incident's number.", min=1)]
Reason = Annotated[str, typer.Option("--reason", "-m", help="Why; kept with the incident and in the audit.")]


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.add_typer(alarms, name="alarms")


@alarms.command("list")
def list_(
    endpoint: Annotated[
        str | None, typer.Argument(metavar="[ENDPOINT]", help="All by default.", autocompletion=complete.endpoints)
    ] = None,
    every: Annotated[bool, typer.Option("--all", "-a", help="Those that have ended, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="At most so many.")] = 50,
    check: Annotated[
        bool, typer.Option("--check", help="Exit code 5 while an incident fires that nobody has taken on.")
    ] = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """List open incidents, what may become one, what is silenced, and whether somebody watches.

    [dim]Example:[/]  tidegate alarms list --all
    """
    from tidegate.views.alarms import alarms as read

    view = read(Place(project).applied(), open_only=not every, endpoint=endpoint, limit=limit)
    if json:
        print_json(plain_json(view))
    else:
        from tidegate.cli.alarms_screen import listed

        for part in listed(view, every):
            out().print(part)
    if check and view.waiting:
        raise typer.Exit(WAITING)


@alarms.command()
def show(id: Id, project: ProjectOption = None, json: JsonOption = False) -> None:
    """Show one incident: its cause, since when, how sure it is, what moved from what to what, examples, and what to do.

    [dim]Example:[/]  tidegate alarms show 3
    """
    from tidegate.views.alarms import incident as read

    view = read(Place(project).applied(), id)
    if json:
        print_json(plain_json(view))
        return
    from tidegate.cli.alarms_screen import Card

    out().print(Card(view, time.time()))


@alarms.command()
def ack(id: Id, reason: Reason = "", project: ProjectOption = None, json: JsonOption = False) -> None:
    """Take an incident on: nobody is told of it again while you look.

    [dim]Example:[/]  tidegate alarms ack 3 -m "looking at the feed"
    """
    from tidegate.monitoring import acts

    _done(acts.acknowledge(Place(project).applied(), id, actor=actor(), note=reason), json)


@alarms.command()
def resolve(
    id: Id,
    real: Annotated[
        bool | None,
        typer.Option("--real/--false", help="It told of something, or it was noise; monitors learn from it."),
    ] = None,
    alarm: Annotated[int | None, typer.Option("--alarm", min=1, help="Only this alarm of it.")] = None,
    reason: Reason = "",
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """End an incident and say what it was. One that has ended already gets the verdict.

    What you ended stays quiet while it is as it is now, and for a day at most.

    [dim]Example:[/]  tidegate alarms resolve 3 --real -m "the feed sent Celsius"
    """
    from tidegate.monitoring import acts

    if real is None:
        raise typer.BadParameter("say what it was: --real or --false", param_hint="--real/--false")
    verdict = "real" if real else "false"
    _done(
        acts.resolve(Place(project).applied(), id, verdict, actor=actor(), note=reason, alarm=alarm),  # type: ignore[arg-type]
        json,
    )


@alarms.command()
def silence(
    match: Annotated[str, typer.Argument(metavar="MATCH", help="Monitors, as `severity/input.*`; or an endpoint.")],
    until: Annotated[str, typer.Option("--until", help="A local time (2026-12-27T08:00), or for how long (12h, 3d).")],
    reason: Annotated[str, typer.Option("--reason", "-m", help="Why; everyone who looks reads it.")],
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Tell nobody of alarms that match until then. They are still raised, kept and listed.

    [dim]Example:[/]  tidegate alarms silence "severity/input.*" --until 12h -m "backfill of October"
    """
    from tidegate.monitoring import acts

    if not reason.strip():
        raise typer.BadParameter("say why: everyone who looks reads it", param_hint="--reason")
    made = acts.silence(Place(project).applied(), match, until=when(until), reason=reason, actor=actor())
    if json:
        print_json(made)
    else:
        note().print(f"{match} is silent until {moment(made.until)} (#{made.id})", markup=False)


@alarms.command()
def unsilence(
    match: Annotated[str, typer.Argument(metavar="MATCH", help="As it was silenced, or its number.")],
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """End a silence early.

    [dim]Example:[/]  tidegate alarms unsilence "severity/input.*"
    """
    from tidegate.monitoring import acts

    ended = acts.unsilence(Place(project).applied(), match, actor=actor())
    if json:
        print_json(ended)
    else:
        note().print(f"people are told again ({len(ended)} ended)", markup=False)


@alarms.command()
def silences(project: ProjectOption = None, json: JsonOption = False) -> None:
    """List the silences in force.

    [dim]Example:[/]  tidegate alarms silences
    """
    from tidegate.views.alarms import silences as read

    found = read(Place(project).applied())
    if json:
        print_json(found)
    elif not found:
        out().print("nothing is silenced")
    else:
        rows = [(f"#{one.id}", one.match, moment(one.until), one.actor, one.reason) for one in found]
        out().print(table(("no.", "match", "until", "by", "why"), rows))


def _done(incident: Incident, json: bool) -> None:
    if json:
        print_json(plain_json(incident))
        return
    verdict = f", {incident.verdict}" if incident.verdict else ""
    note().print(f"incident {incident.id} is {incident.state}{verdict}: {incident.cause}", markup=False)
