"""Rollouts: start one, watch it, ask why, and take a hand in it.

    start, promote, pause, resume, abort, retry, undo --> rollout/commands.py (which the control API calls as well)
    status, explain, history, diff                    --> views --> rollout_screen, rollout_story, diff_screen
    verify                                            --> rollout/verify.py

What sends callers to another version asks first; --yes is for scripts.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli import FAILED, OK, TIMED_OUT, WAITING, complete
from tidegate.cli.common import JsonOption, Place, ProjectOption, actor
from tidegate.cli.show import interactive, note, out, plain_json, print_json, print_json_line, table
from tidegate.errors import ConfigError

if TYPE_CHECKING:
    from tidegate.storage.layout import Layout
    from tidegate.types.rollouts import RolloutState
    from tidegate.views.rollouts import RolloutView

rollout = typer.Typer(no_args_is_help=True, help="Let a new version's traffic in as far as the evidence allows.")

Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT", autocompletion=complete.endpoints)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
Reason = Annotated[str, typer.Option("--reason", "-m", help="Why; kept in the audit and the history.")]

LOOK_EVERY = 1.0


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.add_typer(rollout, name="rollout")


@rollout.command()
def start(
    endpoint: Endpoint,
    to: Annotated[str, typer.Option("--to", help="The version that is to take over.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the steps, and about how many units each will need; start nothing.")
    ] = False,
    reason: Reason = "",
    yes: Yes = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Start a rollout by the endpoint's strategy: shadow, 5, 25, 50, 100% where the project file names none.

    [dim]Example:[/]  tidegate rollout start severity --to 2
    """
    from tidegate.rollout import commands

    place = Place(project)
    planned = commands.start(place.applied(), endpoint, to, actor=actor(), reason=reason, dry_run=True)
    if dry_run or (interactive() and not yes and not json):
        _show_forecast(place, planned, json)
    if dry_run:
        return
    if interactive():
        _ask(yes, json, f"Start to let traffic of {endpoint} in to version {to}?")
    _tell(commands.start(place.applied(), endpoint, to, actor=actor(), reason=reason), json)
    if not json and not place.is_running():
        note().print("the project is not running: it begins with `tidegate up`")


@rollout.command()
def status(
    endpoint: Endpoint,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it anew until it is over, or Ctrl-C.")] = False,
    timeout: Annotated[
        str | None, typer.Option("--timeout", help="Wait until it is over or needs a person, at most this long.")
    ] = None,
    id: Annotated[int | None, typer.Option("--id", help="An earlier rollout; `history` lists them.")] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show steps, traffic, evidence against each alarm, what it waits for, and when it may move on.

    Exit code: 0 Healthy or still moving, 1 Degraded, 5 waiting for a person, 6 --timeout passed while it was moving.

    [dim]Example:[/]  tidegate rollout status severity --timeout 30m
    """
    from tidegate.cli.rollout_screen import Screen
    from tidegate.views.rollouts import read

    layout = Place(project).applied()
    end = _end(timeout)

    def look() -> RolloutView:
        return read(layout, endpoint, id=id)

    view = look()
    if watch and not json:
        from rich.live import Live

        with Live(Screen(view), console=out(), auto_refresh=False) as live:
            while view.state.active and not _settled(view, end) and not _past(end):
                time.sleep(LOOK_EVERY)
                view = look()
                live.update(Screen(view), refresh=True)
    else:
        while (watch or end is not None) and view.state.active and not _settled(view, end) and not _past(end):
            if watch:
                print_json_line(plain_json(view))
            time.sleep(LOOK_EVERY)
            view = look()
        if json:
            (print_json_line if watch else print_json)(plain_json(view))
        else:
            out().print(Screen(view))
    code = exit_code(view, _past(end))
    if code == TIMED_OUT:
        note().print(f"{endpoint} was still moving after {timeout}; it goes on", markup=False)
    raise typer.Exit(code)


@rollout.command()
def explain(
    endpoint: Endpoint,
    metric: Annotated[str, typer.Option("--metric", help="This metric, not the one that decided.")] = "",
    id: Annotated[int | None, typer.Option("--id", help="An earlier rollout; `history` lists them.")] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Say why it paused, went back or goes on: metric, counts, evidence over time, example requests, what to do next.

    [dim]Example:[/]  tidegate rollout explain severity
    """
    from tidegate.cli.rollout_story import Story
    from tidegate.views.rollouts import read

    layout = Place(project).applied()
    view = read(layout, endpoint, id=id)
    names = [spec.name for spec in view.state.plan.metrics]
    if metric and metric not in names:
        from tidegate.plugins import nearest

        raise ConfigError(f"--metric {metric}: it isn't watched.{nearest(metric, names)} Known: {', '.join(names)}")
    if json:
        print_json(plain_json(view))
    else:
        out().print(Story(view, metric))
        _standing(layout, view.state)


def _standing(layout: Layout, state: RolloutState) -> None:
    """Both versions beside the baselines, where there are any and labels have come."""
    from rich.markup import escape

    from tidegate.app import label_options
    from tidegate.cli.evaluate import bounded, difference
    from tidegate.evaluation.standing import standing

    rules, _ = label_options(layout, state.endpoint)
    end = state.ended or time.time()
    found = standing(layout, state.endpoint, [state.stable, state.canary], rules, start=state.created, end=end)
    if not found:
        return
    names = [one.name for one in found[0].line.beside]
    rows = [
        [
            f"version {escape(one.version)}", f"{one.line.model.rows:,}", bounded(one.line.model, one.metric),
            *(difference(each.gap, one.metric) for each in one.line.beside),
        ]
        for one in found
    ]  # fmt: skip
    levels = ["baselines", "", "", *(bounded(each.level, found[0].metric) for each in found[0].line.beside)]
    out().print("[bold]what could be hoped for[/]")
    columns = ["", "labels", found[0].metric.name, *(f"gap to {escape(name)}" for name in names)]
    out().print(table(columns, [*rows, levels], right=columns[1:]))


@rollout.command()
def promote(
    endpoint: Endpoint,
    full: Annotated[bool, typer.Option("--full", help="Skip every step: all traffic at once, without proof.")] = False,
    reason: Reason = "",
    yes: Yes = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Go on to the next step now, unless this one asks for proof; --full goes to the end without it.

    It can be aborted until it is done, and undone after that.

    [dim]Example:[/]  tidegate rollout promote severity
    """
    from tidegate.rollout import commands

    layout = Place(project).applied()
    if full:
        _ask(yes, json, f"Give all traffic of {endpoint} to the new version, without proof?")
    _tell(commands.promote(layout, endpoint, full=full, actor=actor(), reason=reason), json)


@rollout.command()
def pause(endpoint: Endpoint, reason: Reason = "", project: ProjectOption = None, json: JsonOption = False) -> None:
    """Stay where it is until `resume`. An alarm still rolls back.

    [dim]Example:[/]  tidegate rollout pause severity --reason "release of the app"
    """
    from tidegate.rollout import commands

    _tell(commands.pause(Place(project).applied(), endpoint, actor=actor(), reason=reason), json)


@rollout.command()
def resume(endpoint: Endpoint, reason: Reason = "", project: ProjectOption = None, json: JsonOption = False) -> None:
    """Go on after a pause.

    [dim]Example:[/]  tidegate rollout resume severity
    """
    from tidegate.rollout import commands

    _tell(commands.resume(Place(project).applied(), endpoint, actor=actor(), reason=reason), json)


@rollout.command()
def abort(endpoint: Endpoint, reason: Reason = "", project: ProjectOption = None, json: JsonOption = False) -> None:
    """Give all traffic back to the stable version, at once and unasked. Never refused, not even in a freeze.

    [dim]Example:[/]  tidegate rollout abort severity --reason "odd answers"
    """
    from tidegate.rollout import commands

    _tell(commands.abort(Place(project).applied(), endpoint, actor=actor(), reason=reason), json)


@rollout.command()
def retry(endpoint: Endpoint, reason: Reason = "", project: ProjectOption = None, json: JsonOption = False) -> None:
    """Try a rollout that was aborted once more: the same artifact goes on with its evidence. Refused after an alarm.

    [dim]Example:[/]  tidegate rollout retry severity
    """
    from tidegate.rollout import commands

    _tell(commands.retry(Place(project).applied(), endpoint, actor=actor(), reason=reason), json)


@rollout.command()
def undo(
    endpoint: Endpoint,
    to_revision: Annotated[
        int | None, typer.Option("--to-revision", min=1, help="That revision's split; by default the one before.")
    ] = None,
    reason: Reason = "",
    yes: Yes = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Go back to an earlier split: at once within the rollback window, by the strategy after it.

    [dim]Example:[/]  tidegate rollout undo severity --to-revision 12
    """
    from tidegate.rollout import commands

    layout = Place(project).applied()
    where = f"revision {to_revision}" if to_revision else "the revision before the last rollout"
    _ask(yes, json, f"Send the traffic of {endpoint} back as it was at {where}?")
    _tell(commands.undo(layout, endpoint, to_revision=to_revision, actor=actor(), reason=reason), json)


@rollout.command()
def history(
    endpoint: Annotated[
        str | None,
        typer.Argument(metavar="[ENDPOINT]", help="All endpoints by default.", autocompletion=complete.endpoints),
    ] = None,
    id: Annotated[int | None, typer.Option("--id", help="Every decision of this rollout.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many, newest first.")] = 20,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """List rollouts, newest first; or, with --id, all decisions of one.

    [dim]Example:[/]  tidegate rollout history severity
    """
    from tidegate.cli.rollout_screen import decisions_table, history_lines
    from tidegate.views.rollouts import decisions_of
    from tidegate.views.rollouts import history as rollouts

    layout = Place(project).applied()
    if id is not None:
        decisions = decisions_of(layout, id)
        print_json(plain_json(decisions)) if json else out().print(decisions_table(decisions))
        return
    states = rollouts(layout, endpoint, limit)
    if json:
        print_json(plain_json(states))
    elif states:
        screen = out()
        for line in history_lines(states):
            screen.print(line)
    else:
        out().print("no rollout yet; `tidegate rollout start ENDPOINT --to VERSION` starts one", markup=False)


@rollout.command()
def diff(
    endpoint: Endpoint,
    to: Annotated[str, typer.Option("--to", help="The version compared; by default the newest rollout's.")] = "",
    last: Annotated[str | None, typer.Option("--last", help="Only requests of this long, back from now.")] = None,
    tolerance: Annotated[
        list[str] | None, typer.Option("--tolerance", help="OUTPUT=GAP that is still the same; may be repeated.")
    ] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show where a shadow answers otherwise than callers were answered: how often, on which inputs, how fast.

    [dim]Example:[/]  tidegate rollout diff severity --tolerance score=0.01
    """
    from datetime import UTC, datetime

    from tidegate.cli.diff_screen import Difference
    from tidegate.cli.project import parse_seconds
    from tidegate.cli.replay import gaps
    from tidegate.views.rollouts import read
    from tidegate.views.shadow import diff as compare

    layout = Place(project).applied()
    since = datetime.fromtimestamp(time.time() - parse_seconds(last, "--last"), UTC) if last else None
    version = to or read(layout, endpoint, courses=False).state.canary
    report = compare(layout, endpoint, version, since=since, tolerance=gaps(tolerance or []))
    if json:
        print_json(plain_json(report))
    else:
        out().print(Difference(report))


@rollout.command()
def verify(
    endpoint: Endpoint,
    id: Annotated[int | None, typer.Option("--id", help="An earlier rollout; `history` lists them.")] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Judge every decision once more from the counts that are kept, and compare bit for bit.

    Exit code: 0 all are the same, 1 one differs.

    [dim]Example:[/]  tidegate rollout verify severity
    """
    from tidegate.rollout.verify import verify as again
    from tidegate.views.rollouts import read

    layout = Place(project).applied()
    state = read(layout, endpoint, id=id, courses=False).state
    found = again(layout, state.id)
    if json:
        print_json(plain_json(found))
    else:
        _verified(state.id, found)
    if found.differences:
        raise typer.Exit(FAILED)


def exit_code(view: RolloutView, timed_out: bool = False) -> int:
    """What `status` ends with."""
    if view.state.phase == "Degraded":
        return FAILED
    if view.waiting.person:
        return WAITING
    return TIMED_OUT if timed_out and view.state.active else OK


def _settled(view: RolloutView, end: float | None) -> bool:
    """Whether a script that waits need wait no longer: a person must act. Without a time limit it is watched on."""
    return end is not None and view.waiting.person


def _end(timeout: str | None) -> float | None:
    if timeout is None:
        return None
    from tidegate.cli.project import parse_seconds

    return time.monotonic() + parse_seconds(timeout, "--timeout")


def _past(end: float | None) -> bool:
    return end is not None and time.monotonic() >= end


def _ask(yes: bool, json: bool, question: str) -> None:
    """Errors: ConfigError where nobody can be asked and --yes wasn't given."""
    if yes:
        return
    if json or not interactive():
        raise ConfigError(f"{question[:-1].lower()}: nobody can be asked here; add --yes")
    typer.confirm(question, abort=True, err=True)


def _tell(state: RolloutState, json: bool) -> None:
    if json:
        print_json(plain_json(state))
        return
    from tidegate.cli.rollout_screen import head

    out().print(head(state))
    if state.message:
        out().print(state.message, markup=False)


def _show_forecast(place: Place, planned: RolloutState, json: bool) -> None:
    from tidegate.cli.forecast_screen import Forecast
    from tidegate.views.forecast import forecast

    found = forecast(place.layout, planned)
    if json:
        print_json(plain_json({"rollout": planned, "forecast": found}))
    else:
        out().print(Forecast(planned, found))


def _verified(id: int, found: Any) -> None:
    screen = out()
    for difference in found.differences:
        screen.print(str(difference), markup=False)
    words = "differ" if found.differences else "were judged again, to the same bytes"
    count = len(found.differences) if found.differences else found.decisions
    screen.print(f"rollout {id}: {count} decisions {words}", style="red" if found.differences else "green")
