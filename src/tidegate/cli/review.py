"""`tidegate review`: the queue in the terminal, for a person at the keys and for scripts.

no name --> every queue, and how its people do
NAME    --> one task after the other: digits choose, t types, s skips, u takes back, q ends
NAME with --next, --answer, --skip, --undo --> one act, for scripts
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.common import JsonOption, Place, ProjectOption, actor
from tidegate.cli.show import ago, interactive, note, out, print_json, table

if TYPE_CHECKING:
    from rich.console import Group

    from tidegate.reviewing import Item
    from tidegate.storage.layout import Layout

DAY = 86400.0
LONG = 300
"""Characters of a value that are shown."""


def add_to(app: typer.Typer) -> None:
    """Hang this command into the tree."""
    app.command()(review)


def review(
    name: Annotated[str | None, typer.Argument(metavar="[QUEUE|ENDPOINT]", help="Without one: all queues.")] = None,
    next: Annotated[int, typer.Option("--next", min=0, max=100, help="Claim so many tasks and print them.")] = 0,
    answer: Annotated[
        list[str] | None, typer.Option("--answer", metavar="ID=VALUE", help="Answer a task; may be repeated.")
    ] = None,
    skip: Annotated[list[int] | None, typer.Option("--skip", metavar="ID", help="Leave a task to others.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take your last answer back.")] = False,
    disputed: Annotated[
        bool, typer.Option("--disputed", help="Tasks that others disagree on, to settle them.")
    ] = False,
    rater: Annotated[str, typer.Option("--as", metavar="NAME", help="Who you are; by default your user name.")] = "",
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Answer what the model isn't sure of: see the queues, or take the next task of one.

    [dim]Example:[/]  tidegate review
    [dim]Example:[/]  tidegate review inspectors
    [dim]Example:[/]  tidegate review inspectors --next 5 --json
    [dim]Example:[/]  tidegate review inspectors --answer 17=scratched
    """
    layout = Place(project).applied()
    who = rater or actor()
    if name is None:
        _queues(layout, json)
        return
    from tidegate import reviewing

    reviewing.queue_of(layout, name)
    acts: list[Any] = []
    for given in answer or []:
        id, _, value = given.partition("=")
        if not id.isdecimal() or not value:
            raise typer.BadParameter(f"{given!r}: write it as ID=VALUE, such as 17=scratched", param_hint="--answer")
        acts.append(reviewing.answer(layout, int(id), who, value))
    for left in skip or []:
        reviewing.skip(layout, left, who)
    if undo:
        acts.append(reviewing.undo(layout, who))
    items = reviewing.claim(layout, name, who, count=next, disputed=disputed) if next else []
    if json:
        print_json({"answered": acts, "tasks": items})
    elif answer or skip or undo or next:
        for one in acts:
            out().print(f"task {one.id}: {one.state}{f', {one.value}' if one.state == 'decided' else ''}", markup=False)
        for item in items:
            out().print(card(item))
        if next and not items:
            note().print("nothing waits here for you")
    elif interactive():
        _session(layout, name, who, disputed)
    else:
        raise typer.BadParameter("no terminal here: use --next, --answer, --skip, --undo (and --json)", param_hint=name)


def _queues(layout: Layout, json: bool) -> None:
    from tidegate.review.raters import queues

    found = queues(layout, time.time() - DAY)
    if json:
        print_json(found)
        return
    if not found:
        out().print("no queue yet; one is there once an endpoint with `automation:` sends something to people")
        return
    now = time.time()
    rows = [
        (
            one.depth.queue,
            str(one.depth.open),
            str(one.depth.claimed),
            str(one.depth.disputed),
            f"[red]{one.depth.overdue}[/]" if one.depth.overdue else "0",
            ago(now - one.depth.oldest) if one.depth.oldest else "-",
            str(one.decided),
            "-" if one.alpha is None else f"{one.alpha:.2f}",
        )
        for one in found
    ]
    numbers = ("open", "taken", "disputed", "late", "oldest", "answered today", "agreement")
    out().print(table(("queue", *numbers), rows, right=numbers))
    people = [
        (
            one.depth.queue,
            rater.name,
            str(rater.answers),
            f"{rater.seconds:.0f} s",
            f"{rater.agreed} of {rater.shared}" if rater.shared else "-",
        )
        for one in found
        for rater in one.raters
    ]
    if people:
        columns = ("answers", "seconds each", "with the others")
        out().print(table(("queue", "who", *columns), people, right=columns))


def card(item: Item) -> Group:
    """One task."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    task = item.task
    left = task.deadline - time.time()
    due = f"[red]late by {ago(-left)}[/]" if left < 0 else f"{ago(left)} left"
    head = Text.from_markup(f"[bold]{escape(task.endpoint)}[/]  [dim]task {task.id} · {due}[/]")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    shown = {
        medium.column: f"{medium.type or 'not kept'}, {medium.size:,} bytes: the dashboard shows it"
        for medium in item.media
    }
    for key, value in item.inputs.items():
        grid.add_row(key, escape(shown.get(key) or str(value)[:LONG]))
    parts: list[Any] = [head]
    if item.question:
        parts.append(Text(item.question, style="bold"))
    parts.append(Text(item.missing, style="yellow") if item.missing else grid)
    if item.opinion is not None:
        sure = f" ({item.confidence:.0%} sure)" if item.confidence is not None else ""
        parts.append(Text(f"the model says {item.opinion}{sure}", style="cyan"))
    if item.said:
        parts.append(Text(f"others said {', '.join(map(str, item.said))}", style="yellow"))
    return Group(*parts, Text())


def _session(layout: Layout, name: str, who: str, disputed: bool) -> None:
    """One task after the other, until there is none or the person ends it."""
    import click

    from tidegate import reviewing
    from tidegate.errors import Conflict, InvalidRequest, NotFound

    screen = out()
    done = 0
    while True:
        items = reviewing.claim(layout, name, who, disputed=disputed)
        if not items:
            screen.print(f"[green]nothing waits here for you[/]  [dim]{done} answered[/]")
            return
        item = items[0]
        screen.print(card(item))
        keys = [f"[bold]{number}[/] {one}" for number, one in enumerate(item.choices[:9], 1)]
        keys += ["[bold]t[/] type", "[bold]s[/] skip", "[bold]u[/] undo", "[bold]q[/] end"]
        screen.print("  ".join(keys))
        while True:
            key = click.getchar()
            try:
                if key in "qQ\x03\x04\x1b":
                    screen.print(f"[dim]{done} answered[/]")
                    return
                if key in "sS":
                    reviewing.skip(layout, item.task.id, who)
                elif key in "uU":
                    reviewing.undo(layout, who)
                    done = max(0, done - 1)
                elif key in "tT":
                    reviewing.answer(layout, item.task.id, who, typer.prompt("what is it"))
                    done += 1
                elif key.isdecimal() and 1 <= int(key) <= min(9, len(item.choices)):
                    chosen = item.choices[int(key) - 1]
                    reviewing.answer(layout, item.task.id, who, chosen)
                    screen.print(f"[green]{chosen}[/]\n")
                    done += 1
                else:
                    continue
            except (Conflict, InvalidRequest, NotFound) as exc:
                note().print(f"[red]{exc}[/]")
                if isinstance(exc, (InvalidRequest, NotFound)):
                    continue
            break
