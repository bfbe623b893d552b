"""`tidegate automation`: who decides at an endpoint, on what evidence, and moves between degrees.

no level --> review.degrees.standing --> automation_screen          --level --> review.degrees.move (which the API calls as well)
"""

from __future__ import annotations

from typing import Annotated

import typer

from tidegate.cli import complete
from tidegate.cli.common import JsonOption, Place, ProjectOption, actor
from tidegate.cli.show import interactive, note, out, print_json

LEVEL_HELP = "Where to: human, shadow, assist, partial or full."


def add_to(app: typer.Typer) -> None:
    """Hang this command into the tree."""
    app.command()(automation)


def automation(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", autocompletion=complete.endpoints)],
    level: Annotated[str | None, typer.Option("--level", "-l", help=LEVEL_HELP)] = None,
    reason: Annotated[str, typer.Option("--reason", "-m", help="Why; kept with the move and in the audit.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Set the evidence aside; needs a reason.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say whether it may, and change nothing.")] = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show who decides at an endpoint, people or the model, and on what evidence; or move it to another degree.

    Up it goes one degree at a time, as far as the evidence allows; down at once.

    [dim]Example:[/]  tidegate automation inspect
    [dim]Example:[/]  tidegate automation inspect --level assist
    [dim]Example:[/]  tidegate automation inspect --level human -m "the lamp is broken"
    """
    from tidegate.app import automation_of
    from tidegate.review import degrees
    from tidegate.reviewing import wait_in_force

    place = Place(project)
    layout = place.applied()
    one = automation_of(layout, endpoint)
    if level is None:
        found = degrees.standing(layout, endpoint, one.options, one.version)
    else:
        up = degrees.LEVELS.index(level) if level in degrees.LEVELS else 0
        before = degrees.standing(layout, endpoint, one.options, one.version)
        asks = up > degrees.LEVELS.index(before.level) and not yes and not dry_run and interactive() and not json
        if dry_run:
            degrees.allowed(before, level, reason=reason, force=force)
            note().print(f"{endpoint} may go from {before.level} to {level}; nothing was changed")
            found = before
        else:
            if asks:
                typer.confirm(
                    f"Let the model of {endpoint} decide more: {before.level} -> {level}?", abort=True, err=True
                )
            found = degrees.move(
                layout, endpoint, one.options, one.version, level, actor=actor(), reason=reason, force=force
            )
            if place.is_running() and not wait_in_force(layout, endpoint, found.level):
                note().print(
                    "[yellow]the gateways were not told yet: `tidegate status` says what the controller waits for[/]"
                )
    if json:
        print_json(found)
        return
    from tidegate.cli.automation_screen import screen

    out().print(screen(found))
