"""Replay: the log's requests through a candidate, before it sees any live traffic; then both versions side by side.

views/replay (log -> requests) --> client/replay (gateway, marked as copies) --> views/shadow (diff) --> diff_screen
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli import FAILED, complete
from tidegate.cli.common import JsonOption, KeyOption, Place, ProjectOption
from tidegate.cli.show import note, out, print_json

if TYPE_CHECKING:
    from tidegate.client.replay import ReplayOutcome
    from tidegate.storage.layout import Layout
    from tidegate.views.replay import ReplaySet

SUFFERS = 1.25
"""Live traffic suffers when its p99 is this many times what it was before the replay, and a millisecond more."""


def add_to(app: typer.Typer) -> None:
    """Hang this command into the tree."""
    app.command()(replay)


def replay(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", autocompletion=complete.endpoints)],
    to: Annotated[str, typer.Option("--to", help="The version that gets the requests.")],
    last: Annotated[str, typer.Option("--last", help="Requests of this long, back from now.")] = "24h",
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="At most so many, evenly spread over that time.")
    ] = 10_000,
    rate: Annotated[
        float, typer.Option("--rate", min=0, help="At most so many a second; 0 for as fast as it goes.")
    ] = 0,
    in_flight: Annotated[int, typer.Option("--in-flight", min=1, max=256, help="At most so many at once.")] = 8,
    tolerance: Annotated[
        list[str] | None, typer.Option("--tolerance", help="OUTPUT=GAP that is still the same; may be repeated.")
    ] = None,
    key: KeyOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Send logged requests to a version and compare its answers with those that callers got. Callers notice nothing.

    It gives way when live traffic gets slower. Nothing of it counts in a rollout.

    [dim]Example:[/]  tidegate replay severity --to 2 --last 24h --limit 5000
    """
    from tidegate.cli.diff_screen import Difference
    from tidegate.cli.project import parse_seconds
    from tidegate.views.shadow import diff

    place = Place(project)
    layout = place.running()
    allowed = gaps(tolerance or [])
    since = datetime.fromtimestamp(time.time() - parse_seconds(last, "--last"), UTC)
    began = datetime.now(UTC)
    found, outcome = send(
        place, endpoint, to, since=since, limit=limit, key=key, rate=rate, in_flight=in_flight, quiet=json
    )
    report = diff(layout, endpoint, to, sent_since=began, tolerance=allowed, limit=limit * 100)
    if json:
        from tidegate.cli.show import plain_json

        print_json(plain_json({"replay": outcome, "found": found.found, "skipped": found.skipped, "diff": report}))
    else:
        screen = note()
        speed = outcome.answered / max(outcome.seconds, 1e-9)
        said = f"{outcome.answered:,} of {found.found:,} logged requests answered in {outcome.seconds:.1f} s ({speed:,.0f}/s)"
        if outcome.yielded:
            said += f"; gave way {outcome.yielded} times"
        if found.skipped:
            said += f"; {found.skipped:,} could not be rebuilt from the log"
        screen.print(said, markup=False)
        if outcome.error:
            screen.print(
                f"{outcome.errors:,} errors, {outcome.refused:,} refused; the first: {outcome.error}", markup=False
            )
        out().print(Difference(report))
    if outcome.sent and not outcome.answered:
        raise typer.Exit(FAILED)


def send(
    place: Place, endpoint: str, to: str, *, since: datetime, limit: int, key: str | None = None, rate: float = 0.0,
    in_flight: int = 8, quiet: bool = False, among: Collection[str] | None = None,
) -> tuple[ReplaySet, ReplayOutcome]:  # fmt: skip
    """Give a version copies of logged requests, with a progress bar unless `quiet`. `among`: only requests with these ids."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from tidegate.client.replay import replay as replayed
    from tidegate.views.replay import candidate, requests

    address, layout = place.gateway(None), place.running()
    version = candidate(layout, endpoint, to)
    assert version.signature is not None
    found = requests(layout, endpoint, version.signature, since=since, limit=limit, among=among)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=note(), disable=quiet) as progress:
        task = progress.add_task(f"replaying to version {to}", total=len(found.requests))
        outcome = replayed(
            address, endpoint, to, found.requests, key=key, rate=rate, in_flight=in_flight,
            pressure=pressure(layout, endpoint),
            progress=lambda done: progress.update(task, completed=done),
        )  # fmt: skip
    return found, outcome


def gaps(given: list[str]) -> dict[str, float]:
    """`OUTPUT=GAP` options. Errors: typer.BadParameter."""
    found = {}
    for text in given:
        name, _, gap = text.rpartition("=")
        try:
            found[name] = float(gap)
        except ValueError:
            name = ""
        if not name:
            raise typer.BadParameter(f"{text!r} is not OUTPUT=GAP, such as y=0.01", param_hint="--tolerance")
    return found


def pressure(layout: Layout, endpoint: str) -> Callable[[], bool]:
    """Whether callers of this endpoint wait longer than before the replay began."""
    from tidegate.views.status import gather

    def live() -> float:
        for view in gather(layout).endpoints:
            if view.name == endpoint:
                return max(
                    (arm.traffic.p99_ms for arm in view.arms if arm.role != "shadow" and arm.traffic.rps), default=0.0
                )
        return 0.0

    before = live()
    return lambda: before > 0 and live() > SUFFERS * before + 1.0
