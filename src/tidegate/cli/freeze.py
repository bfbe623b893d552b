"""Freeze and unfreeze: for a while nobody starts or promotes. Going back is always allowed."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated

import typer

from tidegate.cli import complete
from tidegate.cli.common import JsonOption, Place, ProjectOption, actor
from tidegate.cli.show import moment, note, out, print_json, table

EVERYWHERE = "*"

Which = Annotated[
    str,
    typer.Argument(metavar="[ENDPOINT]", help="All endpoints by default.", autocompletion=complete.endpoints),
]


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.command()(freeze)
    app.command()(unfreeze)


def freeze(
    endpoint: Which = EVERYWHERE,
    until: Annotated[
        str | None, typer.Option("--until", help="A local time (2026-12-27T08:00), or for how long (12h, 3d).")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", "-m", help="Why; everyone who is refused reads it.")] = "",
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Let nobody start or promote until then, the controller included. Without --until: list the freezes in force.

    [dim]Example:[/]  tidegate freeze severity --until 12h --reason "the quarter closes"
    """
    layout = Place(project).applied()
    if until is None:
        from tidegate.views.rollouts import freezes

        found = freezes(layout)
        if json:
            print_json(found)
        elif not found:
            out().print("nothing is frozen")
        else:
            rows = [(f.endpoint, moment(f.until), f.actor, f.reason) for f in found]
            out().print(table(("endpoint", "until", "by", "why"), rows))
        return
    end = when(until)
    if not reason:
        raise typer.BadParameter("say why: everyone who is refused reads it", param_hint="--reason")
    from tidegate.rollout import commands

    made = commands.freeze(layout, endpoint, until=end, reason=reason, actor=actor())
    if json:
        print_json(made)
    else:
        note().print(f"{_named(endpoint)} frozen until {moment(end)}; `abort` is still allowed", markup=False)


def unfreeze(endpoint: Which = EVERYWHERE, project: ProjectOption = None, json: JsonOption = False) -> None:
    """End a freeze early.

    [dim]Example:[/]  tidegate unfreeze severity
    """
    from tidegate.rollout import commands

    made = commands.unfreeze(Place(project).applied(), endpoint, actor=actor())
    if json:
        print_json(made)
    else:
        note().print("free to move again", markup=False)


def when(text: str) -> float:
    """Unix seconds of a local time, or of a duration from now. Errors: typer.BadParameter."""
    from tidegate.types.units import parse_duration

    now = time.time()
    try:
        moment = datetime.fromisoformat(text).timestamp()
    except ValueError:
        try:
            moment = now + parse_duration(text)
        except ValueError as exc:
            raise typer.BadParameter(
                f"{text!r} is neither a time (2026-12-27T08:00) nor a duration (12h)", param_hint="--until"
            ) from exc
    if moment <= now:
        raise typer.BadParameter(f"{text!r} is past", param_hint="--until")
    return moment


def _named(endpoint: str) -> str:
    return "everything is" if endpoint == EVERYWHERE else f"{endpoint} is"
