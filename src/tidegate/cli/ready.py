"""`tidegate ready`, `tidegate project`, `tidegate package`: whether it is ready, where it stands, and files to run it elsewhere.

evidence --readiness/--> report, cycle --> terminal, JSON, HTML     a load test --client/loadtest--> readiness/loadtest-ENDPOINT.json
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli import FAILED, complete
from tidegate.cli.common import JsonOption, KeyOption, Place, ProjectOption
from tidegate.cli.show import note, out, plain_json, print_json
from tidegate.errors import ConfigError, InvalidRequest

if TYPE_CHECKING:
    from tidegate.readiness.base import Check, Report
    from tidegate.readiness.cycle import Cycle

MARKS = {
    "held": "[green]✓[/]", "by hand": "[yellow]◐[/]", "missed": "[red]✗[/]", "unknown": "[yellow]?[/]", "not asked": "[dim]–[/]",
}  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.command()(ready)
    app.command("project")(project_)
    app.command()(package)


def ready(
    endpoint: Annotated[str, typer.Argument(metavar="[ENDPOINT]", autocompletion=complete.endpoints)] = "",
    loadtest: Annotated[
        str,
        typer.Option(
            "--loadtest", help="Send copies of made-up requests at scoping.speed.throughput for so long first: 10s."
        ),
    ] = "",
    html: Annotated[Path | None, typer.Option("--html", help="Write the report to this file as well.")] = None,
    score: Annotated[
        float, typer.Option("--score", min=0, max=7, help="Exit with 1 below this ML Test Score, too.")
    ] = 0.0,
    every: Annotated[bool, typer.Option("--all", help="Show what is right as well.")] = False,
    key: KeyOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Hold every answer of the questionnaire (`scoping:`) against evidence, and count the ML Test Score. Exits with 1 where one is missed.

    [dim]Example:[/]  tidegate ready severity --loadtest 10s --html readiness.html
    [dim]Example:[/]  tidegate ready severity --score 2 --json     # in CI
    """
    from tidegate.readiness.evidence import collect
    from tidegate.readiness.html import page
    from tidegate.readiness.report import report

    place = Place(project)
    name = _endpoint(place, endpoint)
    if loadtest:
        _load(place, name, loadtest, key, quiet=json)
    found = report(collect(place.layout, place.file if place.file.is_file() else None, name))
    if html is not None:
        html.write_text(page(found))
        note().print(f"the report is in {html}", markup=False)
    if json:
        print_json({**plain_json(found), "ready": found.ready, "next": plain_json(found.next)})
    else:
        show(found, every)
    if not found.ready or found.score < score:
        raise typer.Exit(FAILED)


def project_(
    endpoint: Annotated[str, typer.Argument(metavar="[ENDPOINT]", autocompletion=complete.endpoints)] = "",
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show the life cycle: scoping, data, modelling, deployment; where the project stands, and what sends it back.

    [dim]Example:[/]  tidegate project severity
    """
    from tidegate.readiness.cycle import cycle
    from tidegate.readiness.evidence import collect
    from tidegate.readiness.report import report

    place = Place(project)
    seen = collect(place.layout, place.file if place.file.is_file() else None, _endpoint(place, endpoint))
    found = cycle(seen, report(seen))
    if json:
        print_json(plain_json(found))
    else:
        show_cycle(found)


def package(
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where to write them; the project's folder by default.")
    ] = None,
    domain: Annotated[str, typer.Option("--domain", help="The name that the proxy gets a certificate for.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print them, and write nothing.")] = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Write files to run the project elsewhere: a container's, a systemd unit, and a proxy's that brings TLS.

    [dim]Example:[/]  tidegate package --domain models.example.org
    """
    from tidegate.config import load_project
    from tidegate.readiness.package import files

    place = Place(project)
    place.needs_file()
    base = folder or place.file.parent
    made = files(load_project(place.file), place.file.parent, domain=domain)
    there = [name for name in made if (base / name).exists()]
    if there and not force and not dry_run:
        raise ConfigError(
            f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} there already; --force writes over, --out elsewhere"
        )
    if json:
        print_json(made)
    for name, text in made.items():
        if dry_run and not json:
            typer.echo(f"--- {name}\n{text}")
        elif not dry_run:
            base.mkdir(parents=True, exist_ok=True)
            (base / name).write_text(text)
            note().print(f"wrote {name}", markup=False)


def _endpoint(place: Place, given: str) -> str:
    """The one that is named, or the only one there is."""
    from tidegate.readiness.evidence import names

    if given:
        return given
    known = names(place.layout, place.file if place.file.is_file() else None)
    if len(known) == 1:
        return known[0]
    raise InvalidRequest(f"name an endpoint: {', '.join(known) or 'the project has none'}")


def _load(place: Place, endpoint: str, length: str, key: str | None, *, quiet: bool) -> None:
    from tidegate.app import stable_of
    from tidegate.cli.project import parse_seconds
    from tidegate.client import Client
    from tidegate.client.loadtest import make_bodies, run
    from tidegate.readiness.evidence import collect, keep_load

    seconds = parse_seconds(length, "--loadtest")
    layout = place.running()
    seen = collect(layout, place.file, endpoint)
    rate = seen.scoping.speed.throughput or 100.0
    address = place.gateway(None)
    reference = Path(seen.version.reference) if seen.version is not None and seen.version.reference else None
    with Client(address, key=key) as client:
        bodies = make_bodies(client.metadata(endpoint), reference, 1)
    if not quiet:
        note().print(f"{endpoint}: {rate:g} requests/s for {seconds:g} s ...")
    version = stable_of(layout, endpoint)
    path = f"/v2/models/{endpoint}/versions/{version}/infer" if version else f"/v2/models/{endpoint}/infer"
    headers = {"tidegate-mirror-of": "readiness-loadtest", **({"authorization": f"Bearer {key}"} if key else {})}
    keep_load(layout, endpoint, run(address, path, bodies, rate, seconds, 64, headers))


def show(report: Report, every: bool) -> None:
    """The report."""
    from rich.markup import escape

    from tidegate.readiness.base import SECTIONS, TITLES

    screen = out()
    verdict = "[bold green]ready[/]" if report.ready else f"[bold red]not ready[/]: {len(report.faults)} faults"
    screen.print(f"[bold]{escape(report.endpoint)}[/], version {escape(report.version or '-')}   {verdict}")
    screen.print()
    sections: dict[str, list[Check]] = {}
    for check in report.questionnaire:
        sections.setdefault(check.section, []).append(check)
    titles = {**TITLES, "baselines": "Baselines, data and the way back"}
    for name, checks in sections.items():
        right = sum(check.status in ("held", "not asked") for check in checks)
        screen.print(f"[bold]{titles[name]}[/]  [dim]{right} of {len(checks)}[/]")
        screen.print(_lines(checks, every))
    screen.print(f"[bold]ML Test Score {report.score:g}[/] of 7: {escape(report.meaning)}")
    for name in SECTIONS:
        checks = [check for check in report.rubric if check.section == name]
        bar = "█" * round(2 * report.sections[name]) + "[dim]" + "░" * (14 - round(2 * report.sections[name])) + "[/]"
        screen.print(f"  {bar} {report.sections[name]:>3g}  {TITLES[name]}")
        if every:
            screen.print(_lines(checks, True))
    todo = report.next
    if todo:
        screen.print()
        screen.print("[bold]next[/]")
        for check in todo[:5]:
            screen.print(f"  {escape(check.title)}: {escape(check.do)}")
        if not every:
            screen.print("[dim]--all shows every check[/]")


def _lines(checks: list[Check], every: bool) -> object:
    from rich.markup import escape
    from rich.table import Table

    made = Table.grid(padding=(0, 1))
    made.add_column(no_wrap=True)
    made.add_column(ratio=5)
    made.add_column(ratio=6, style="dim")
    for check in checks:
        if every or check.status not in ("held", "not asked"):
            said = escape(check.found) + (f" [not dim]→ {escape(check.do)}[/]" if check.do else "")
            made.add_row(f"  {MARKS[check.status]}", escape(check.title), said)
    return made


def show_cycle(found: Cycle) -> None:
    """Four stages, and the ways back."""
    from rich.markup import escape

    screen = out()
    screen.print(f"[bold]{escape(found.endpoint)}[/]" + (f"  {escape(found.goal)}" if found.goal else ""))
    row = []
    for stage in found.stages:
        style = "bold cyan" if stage.here else "green" if stage.done == len(stage.parts) else "dim"
        row.append(f"[{style}]{stage.name} {stage.done}/{len(stage.parts)}[/]")
    screen.print("  " + "  →  ".join(row))
    screen.print()
    for stage in found.stages:
        here = "  [bold cyan]you are here[/]" if stage.here else ""
        screen.print(f"[bold]{stage.name}[/]{here}")
        for part in stage.parts:
            mark = "[green]✓[/]" if part.done else "[dim]○[/]"
            todo = f"  [dim]{escape(part.do)}[/]" if not part.done and part.do else ""
            screen.print(f"  {mark} {escape(part.words)}{todo}")
    if found.back:
        screen.print()
        screen.print("[bold]ways back[/]")
        for way in found.back:
            screen.print(f"  {way.origin} → {way.to}  {escape(way.why)}  [dim]{escape(way.do)}[/]")
