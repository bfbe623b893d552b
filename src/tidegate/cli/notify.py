"""Who is told of alarms: try it, and see how it fared."""

from __future__ import annotations

from typing import Annotated

import typer

from tidegate.cli.common import JsonOption, Place, ProjectOption
from tidegate.cli.show import note, out, print_json, table

notify = typer.Typer(no_args_is_help=True, help="Try the channels that alarms go to, and see how they fared.")


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.add_typer(notify, name="notify")


@notify.command()
def test(
    to: Annotated[
        str | None, typer.Option("--to", metavar="URL", help="This URL, instead of those of the project file.")
    ] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Send a test notice through each channel of the project file, and say what came of each. Exit code 1 where one failed.

    [dim]Example:[/]  tidegate notify test
    [dim]Example:[/]  tidegate notify test --to 'slack://${SLACK_TOKEN}/#ml'
    """
    from tidegate.config import load_project
    from tidegate.notify.trial import trial
    from tidegate.views.notify import Configured

    place = Place(project)
    name, wanted = place.file.parent.name, [Configured(to)] if to else []
    if not to:
        place.needs_file()
        found = load_project(place.file)
        name, wanted = found.project, [Configured(one.to, one.for_) for one in found.monitoring.notify]
    tried = trial(name, wanted)
    if json:
        print_json(tried)
    elif not tried:
        note().print("nobody is told: monitoring.notify of the project file has no channel", markup=False)
    else:
        rows = [
            (one.to, one.for_, "arrived" if one.ok else "FAILED", f"{one.seconds:.2f} s", one.error) for one in tried
        ]
        out().print(table(("to", "for", "result", "took", "why"), rows))
    if not all(one.ok for one in tried):
        raise typer.Exit(1)


@notify.command()
def status(project: ProjectOption = None, json: JsonOption = False) -> None:
    """Show how many notices each channel was sent, and what failed last.

    [dim]Example:[/]  tidegate notify status
    """
    from tidegate.views.notify import statuses

    found = statuses(Place(project).applied())
    if json:
        print_json(found)
    elif not found:
        note().print("no channel has been used since the monitor process began", markup=False)
    else:
        rows = [
            (
                one.to,
                one.for_,
                str(one.sent),
                str(one.failed),
                str(one.waiting),
                str(one.dropped + one.limited),
                one.error,
            )
            for one in found
        ]
        out().print(table(("to", "for", "sent", "failed", "waiting", "dropped", "last error"), rows))
