"""Monitors: what is watched and when it is an alarm. Each change is a number of its own and can be undone."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli import complete
from tidegate.cli.common import JsonOption, Place, ProjectOption, actor
from tidegate.cli.show import interactive, moment, note, out, print_json, table
from tidegate.cli.threshold import with_threshold
from tidegate.errors import ConfigError, NotFound

if TYPE_CHECKING:
    from tidegate.config import Project
    from tidegate.monitoring.suggest import Suggestion
    from tidegate.types.monitoring import Monitor, Rule
    from tidegate.views.monitors import MonitorView

monitors = typer.Typer(
    no_args_is_help=True, help="What is watched: add, change, mute, retire, and see what is worth its noise."
)

Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT", autocompletion=complete.endpoints)]
Some = Annotated[
    str | None, typer.Argument(metavar="[ENDPOINT]", help="All by default.", autocompletion=complete.endpoints)
]
Id = Annotated[str, typer.Argument(metavar="ID", help="ENDPOINT/METRIC, as `tidegate monitors list` shows it.")]
Metric = Annotated[
    str, typer.Argument(metavar="METRIC", help="input.missing.COLUMN, output.null, software.latency.p99, ...")
]
Reason = Annotated[str, typer.Option("--reason", "-m", help="Why; the history keeps it.")]
LEGIBLE = 20
"""Columns of the screen below which a rule in words, or an id, is hard to read."""
Window = Annotated[str, typer.Option("--window", help="How far back to look: 30d, 12h.")]


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.add_typer(monitors, name="monitors")


# -- looking ----------------------------------------------------------------------------------------------------------


@monitors.command("list")
def list_(
    endpoint: Some = None,
    all_: Annotated[bool, typer.Option("--all", help="Retired ones too.")] = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Every monitor with what it says now, those that fire first.

    [dim]Example:[/]  tidegate monitors list severity
    """
    from tidegate.views.monitors import overview

    found = overview(Place(project).applied(), endpoint, retired=all_)
    if json:
        print_json(found)
        return
    if not found:
        note().print(
            "no monitors yet; they come with the first rows, or by `tidegate monitors suggest ENDPOINT`", markup=False
        )
        return
    out().print(_listed(found, out().width))


@monitors.command()
def show(id: Id, window: Window = "1d", project: ProjectOption = None, json: JsonOption = False) -> None:
    """One monitor: its rule, its values, its alarms, and every change that was made to it.

    [dim]Example:[/]  tidegate monitors show severity/input.missing.Humidity
    """
    from tidegate.cli.draw import spark
    from tidegate.views.monitors import detail, rule_text

    found = detail(Place(project).applied(), id, window=_seconds(window, "--window"))
    if json:
        print_json(found)
        return
    view, console = found.view, out()
    console.print(f"{id}  {_state(view.monitor, view.alarm)}", markup=False, style="bold")
    console.print(found.help, markup=False, style="dim")
    console.print(f"alarm: {view.rule}; {view.monitor.severity}; number {view.monitor.number}", markup=False)
    if found.points:
        values = [point.value for point in found.points]
        console.print(f"last {window}: {spark(values, 60, max(values))}  now {view.shown or '-'}", markup=False)
    if found.stream is not None:
        stream = found.stream
        console.print(
            f"stream: {stream.effect:.3f} from the reference, {stream.rows} rows, ln M {stream.log_m:.1f}", markup=False
        )
    if found.alarms:
        rows = [(f"{a.id}", moment(a.fired or a.since), a.state, a.verdict or "-", a.message) for a in found.alarms]
        console.print(table(("alarm", "since", "state", "verdict", "what"), _plain(rows)))
    changed = [
        (f"{one.number}", moment(one.time), rule_text(one.metric, one.rule), one.state, one.source, one.actor, one.reason)
        for one in reversed(found.history)
    ]  # fmt: skip
    console.print(table(("number", "when", "alarm", "state", "from", "by", "why"), _plain(changed), right=("number",)))


# -- changing ---------------------------------------------------------------------------------------------------------


@monitors.command()
@with_threshold
def add(
    endpoint: Endpoint,
    metric: Metric,
    options: dict[str, Any],
    reason: Reason = "",
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Watch a metric by a threshold: written into the project file, and in force at once where the project is up.

    [dim]Example:[/]  tidegate monitors add severity input.missing.Humidity --max 5% --for 10m
    """
    from tidegate.monitoring.ids import parse_id

    place = Place(project)
    parts = parse_id(metric)
    rule, chosen = _rule(options)
    _known_endpoint(place, endpoint)
    _check(place, endpoint, parts.metric)
    from tidegate.monitoring.changes import fresh

    made = fresh(
        endpoint, parts.metric, rule, version=parts.version, segment=parts.segment, severity=chosen, reason=reason
    )
    _say(_put(place, made), "added", json)


@monitors.command()
@with_threshold
def edit(
    id: Id,
    options: dict[str, Any],
    reason: Reason = "",
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Change a monitor's threshold; what isn't named stays. `--max none` takes a bound away.

    [dim]Example:[/]  tidegate monitors edit severity/input.missing.Humidity --max 8%
    """
    import msgspec

    from tidegate.monitoring import changes

    place = Place(project)
    now = changes.get(place.applied(), id)
    if all(value is None for value in options.values()):
        raise typer.BadParameter("name what changes, such as --max 8%", param_hint="--max")
    rule, chosen = _rule(options, now)
    made = msgspec.structs.replace(
        now, rule=rule, severity=chosen, reason=reason, source="person",
        state="active" if now.state == "retired" else now.state,
    )  # fmt: skip
    _say(_put(place, made, seen=now.number), "changed", json)


@monitors.command()
def mute(
    id: Id,
    until: Annotated[
        str | None, typer.Option("--until", help="A local time, or for how long (12h). For good without it.")
    ] = None,
    reason: Reason = "",
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Let it watch without telling anybody.

    [dim]Example:[/]  tidegate monitors mute severity/output.null --until 12h -m "the model is being replaced"
    """
    from tidegate.cli.freeze import when
    from tidegate.monitoring import changes

    layout = Place(project).applied()
    _say(changes.mute(layout, id, until=when(until) if until else 0.0, reason=reason, actor=actor()), "muted", json)


@monitors.command()
def unmute(id: Id, project: ProjectOption = None, json: JsonOption = False) -> None:
    """Let it speak again.

    [dim]Example:[/]  tidegate monitors unmute severity/output.null
    """
    from tidegate.monitoring import changes

    _say(changes.unmute(Place(project).applied(), id, actor=actor()), "speaks again", json)


@monitors.command()
def retire(id: Id, reason: Reason = "", project: ProjectOption = None, json: JsonOption = False) -> None:
    """Watch it no longer. Its history stays, and `undo` brings it back.

    [dim]Example:[/]  tidegate monitors retire severity/input.drift.ID -m "an id"
    """
    from tidegate.monitoring import changes

    if not reason:
        raise typer.BadParameter("say why: who looks for it later reads it", param_hint="--reason")
    place = Place(project)
    made = changes.retire(place.applied(), id, reason=reason, actor=actor())
    _write(place, made)
    _say(made, "retired", json)


@monitors.command()
def undo(id: Id, project: ProjectOption = None, json: JsonOption = False) -> None:
    """Go back to how it was before its last change; again, one change farther.

    [dim]Example:[/]  tidegate monitors undo severity/input.missing.Humidity
    """
    from tidegate.monitoring import changes

    place = Place(project)
    made = changes.undo(place.applied(), id, actor=actor())
    _write(place, made)
    _say(made, "is as before", json)


# -- thinking ---------------------------------------------------------------------------------------------------------


@monitors.command()
def suggest(
    endpoint: Endpoint,
    window: Window = "30d",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept all.")] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="METRIC", help="Accept these (a glob: input.missing.*).")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show them.")] = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """What could go wrong here, the statistic that would show it, and the monitor to add: asked one by one, then written.

    Each threshold comes with the alarms that it and its neighbours would have raised over the past.

    [dim]Example:[/]  tidegate monitors suggest severity
    [dim]Example:[/]  tidegate monitors suggest severity --only 'input.missing.*' --yes
    """
    from fnmatch import fnmatchcase

    from tidegate.monitoring.past import suggestions

    place = Place(project)
    _known_endpoint(place, endpoint)
    found = suggestions(place.applied(), endpoint, window=_seconds(window, "--window"))
    if only:
        found = [one for one in found if any(fnmatchcase(one.monitor.metric, glob) for glob in only)]
    ask = not (yes or dry_run or json)
    if ask and not interactive():
        ask, dry_run = False, True
    taken = list(found) if yes and not dry_run else []
    if not json:
        if not found:
            note().print("nothing to suggest: no rows of the past, or all of it is watched already", markup=False)
        for number, one in enumerate(found, 1):
            _tell(one, number, len(found))
            if ask and typer.confirm("add it?", default=False, err=True):
                taken.append(one)
    for one in taken:
        _put(place, one.monitor)
    if json:
        print_json({"suggestions": found, "added": [one.monitor.id for one in taken]})
    elif taken:
        note().print(
            f"{len(taken)} added to {place.file.name} and in force; `tidegate monitors undo ID` takes one back",
            markup=False,
        )
    elif found and not ask:
        note().print(
            "nothing was written; --yes accepts all, --only METRIC some, and on a terminal each is asked", markup=False
        )


@monitors.command()
def usefulness(
    endpoint: Some = None, window: Window = "90d", project: ProjectOption = None, json: JsonOption = False
) -> None:
    """Which monitors earned their place, which only make noise, which never moved: keep, tune, retire.

    [dim]Example:[/]  tidegate monitors usefulness
    """
    from tidegate.monitoring.past import records
    from tidegate.monitoring.usefulness import judge_all

    found = judge_all(records(Place(project).applied(), endpoint, window=_seconds(window, "--window")))
    if json:
        print_json(found)
        return
    styles = {"retire": "red", "tune": "yellow", "label": "yellow", "keep": "green", "wait": "dim"}
    rows = [
        (f"[{styles[one.proposal]}]{one.proposal}[/]", one.monitor.replace("[", r"\["), one.why.replace("[", r"\["))
        for one in found
    ]
    out().print(table(("proposal", "monitor", "why"), rows))
    if any(one.proposal == "tune" for one in found):
        note().print("`tidegate monitors adapt` shows how the verdicts would move them", markup=False)


@monitors.command()
def adapt(
    endpoint: Some = None,
    apply: Annotated[bool, typer.Option("--apply", help="Make the changes; each can be undone.")] = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """How people's verdicts would move thresholds and shares of the budget. Nothing moves without --apply.

    [dim]Example:[/]  tidegate monitors adapt severity --apply
    """
    from tidegate.monitoring.past import adaptations

    place = Place(project)
    found = adaptations(place.applied(), endpoint)
    if apply:
        for one in found:
            _put(place, one.after, seen=one.before.number)
    if json:
        print_json({"adaptations": found, "applied": apply})
        return
    if not found:
        note().print("the verdicts speak for no change", markup=False)
        return
    rows = [(one.before.id, _moved(one.before), _moved(one.after), one.why) for one in found]
    out().print(table(("monitor", "now", "applied" if apply else "proposed", "why"), _plain(rows)))
    note().print("`tidegate monitors undo ID` goes back" if apply else "--apply makes these changes", markup=False)


@monitors.command()
def prove(
    endpoint: Some = None,
    runs: Annotated[int, typer.Option("--runs", min=1, max=1000, help="How many permutations.")] = 5,
    rows: Annotated[int, typer.Option("--rows", min=400, help="The newest rows of the log to use.")] = 100_000,
    seed: Annotated[int, typer.Option("--seed", help="Of the random orders: the same seed, the same replay.")] = 0,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Replay this project's own history as A/A, its rows in random order so that nothing can have drifted: every alarm is a
    false one. Their number is held against the budget. Exit code 1 where it is exceeded beyond chance.

    [dim]Example:[/]  tidegate monitors prove severity --runs 20
    """
    from tidegate.monitoring.past import proofs

    layout = Place(project).applied()
    if json:
        found = list(proofs(layout, endpoint, runs=runs, rows=rows, seed=seed))
        print_json(found)
    else:
        found = _proved(layout, endpoint, runs, rows, seed)
        table_rows = [
            (
                one.endpoint, f"{one.streams}", f"{one.rows * one.runs // 2:,}", f"{one.raised}",
                f"{one.low:.2f} to {one.high:.2f}", f"{one.expected:.2f}", "holds" if one.holds else "EXCEEDED",
            )
            for one in found
        ]  # fmt: skip
        columns = ("endpoint", "streams", "rows", "false alarms", "95%", "budget allows", "budget")
        out().print(table(columns, _plain(table_rows), right=columns[1:6]))
        for one in found:
            for id, count in sorted({**one.by_stream, **one.by_rule}.items(), key=lambda item: -item[1]):
                kind = "threshold, on no budget" if id in one.by_rule else "stream"
                out().print(f"  {id}: {count} in {one.runs} runs ({kind})", markup=False)
    if any(not one.holds for one in found):
        raise typer.Exit(1)


def _proved(layout: Any, endpoint: str | None, runs: int, rows: int, seed: int) -> list[Any]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from tidegate.monitoring.past import proofs

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=note(), transient=True) as bar:
        task = bar.add_task("A/A", total=None)

        def progress(name: str, done: int, total: int) -> None:
            bar.update(task, description=name, completed=done, total=total)

        return list(proofs(layout, endpoint, runs=runs, rows=rows, seed=seed, progress=progress))


# -- together ---------------------------------------------------------------------------------------------------------


def _put(place: Place, made: Monitor, seen: int | None = None) -> Monitor:
    """Into the file, then in force (where the project was up once)."""
    from tidegate.monitoring import changes

    if not (place.layout.root / "state.db").exists():
        _write(place, made)
        return made
    _write(place, made, dry_run=True)
    put = changes.put(place.layout, made, actor=actor(), seen=seen)
    _write(place, put)
    return put


def _write(place: Place, made: Monitor, *, dry_run: bool = False) -> None:
    from tidegate.monitoring import changes
    from tidegate.monitoring.ids import built_in
    from tidegate.project_file import write_threshold

    place.needs_file()
    if built_in(made.metric):
        return
    threshold = changes.threshold_of(made)
    write_threshold(place.file, made.endpoint, changes.key_of(made), threshold, dry_run=dry_run)


def _rule(options: dict[str, Any], before: Monitor | None = None) -> tuple[Rule, Any]:
    """The rule that the options say, on top of what was. Errors: ConfigError naming the option."""
    import msgspec
    from pydantic import ValidationError

    from tidegate.monitoring.changes import threshold_of
    from tidegate.monitoring.options import ThresholdOptions

    data: dict[str, Any] = {}
    if before is not None:
        data = threshold_of(msgspec.structs.replace(before, state="active")) or {}
    for name, value in options.items():
        if value == "none":
            data.pop(name, None)
        elif value is not None:
            data[name] = value
    try:
        made = ThresholdOptions.model_validate(data)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = f"--{'-'.join(str(part) for part in first['loc'])}: " if first["loc"] else ""
        raise ConfigError(
            f"{where}{str(first['msg']).removeprefix('Value error, ')}; --max 5% or --min 0.8 gives one"
        ) from exc
    return made.rule(), made.severity


def _project(place: Place) -> Project:
    from tidegate.config import load_project

    place.needs_file()
    return load_project(place.file)


def _known_endpoint(place: Place, endpoint: str) -> None:
    from tidegate.plugins import nearest

    known = _project(place).endpoints
    if endpoint not in known:
        raise NotFound(
            f"there is no endpoint {endpoint!r}.{nearest(endpoint, known)} Known: {', '.join(known) or 'none'}"
        )


def _check(place: Place, endpoint: str, metric: str) -> None:
    """An id that nobody knows, or of a column that was never seen, is refused before anything is written."""
    from contextlib import closing

    from tidegate.metrics import registry
    from tidegate.storage.profiles import ProfileStore

    columns = None
    if (place.layout.root / "state.db").exists():
        with closing(ProfileStore(place.layout)) as store:
            columns = store.columns(endpoint) or None
    registry.check(metric, columns)


def _say(made: Monitor, word: str, json: bool) -> None:
    if json:
        print_json(made)
        return
    from tidegate.views.monitors import rule_text

    until = f" until {moment(made.until)}" if made.until > time.time() else ""
    note().print(
        f"{made.id} {word}{until}: {rule_text(made.metric, made.rule)}, {made.state} (number {made.number})",
        markup=False,
    )


def _tell(one: Suggestion, number: int, of: int) -> None:
    from tidegate.metrics import registry
    from tidegate.views.monitors import rule_text

    console, metric, rule = out(), one.monitor.metric, one.monitor.rule
    console.print(f"\n{number}/{of}  {one.wrong}", markup=False, style="bold")
    console.print(f"  {metric}: {one.statistic}", markup=False)
    console.print(f"  {one.why}", markup=False, style="dim")
    limits = {("max", rule.max), ("min", rule.min)} if rule is not None else set()
    words = {"max": "above", "min": "below"}
    shown = [
        (
            "*" if (c.bound, c.threshold) in limits else " ", f"{words[c.bound]} {registry.shown(metric, c.threshold)}",
            f"{c.alarms}", f"{c.real}" if c.real else "",
        )
        for c in one.candidates
    ]  # fmt: skip
    console.print(table(("", "threshold", "alarms in the past", "of real incidents"), shown, right=("threshold",)))
    console.print(f"  proposed: {rule_text(metric, rule)}, {one.monitor.severity}", markup=False)


def _moved(monitor: Monitor) -> str:
    from tidegate.views.monitors import rule_text

    return rule_text(monitor.metric, monitor.rule) + (f", weight {monitor.weight:g}" if monitor.rule is None else "")


def _listed(found: Sequence[MonitorView], width: int) -> Any:
    """A table in which ids are whole: on a narrow terminal other columns give way to them, those of least use first."""
    from rich.cells import cell_len

    columns = ("monitor", "state", "now", "alarm", "30 days", "from")
    rows = [
        (
            view.monitor.id, _state(view.monitor, view.alarm), view.shown or "-", view.rule,
            f"{view.alarms}" + (f" ({view.real} real, {view.false} false)" if view.real + view.false else ""),
            view.monitor.source,
        )
        for view in found
    ]  # fmt: skip
    widths = [max(len(name), *(cell_len(row[i]) for row in rows)) for i, name in enumerate(columns)]
    widths[3] = min(widths[3], LEGIBLE)
    kept = len(columns)
    while kept > 3 and sum(widths[:kept]) + 2 * kept > width:
        kept -= 1
    made = table(columns[:kept], _plain([row[:kept] for row in rows]), right=("now",))
    made.columns[0].min_width = min(widths[0], max(width - sum(widths[1:kept]) - 2 * kept, LEGIBLE))
    return made


def _state(monitor: Monitor, alarm: str) -> str:
    return alarm or (
        f"muted until {moment(monitor.until)}" if monitor.state == "muted" and monitor.until else monitor.state
    )


def _seconds(text: str, option: str) -> float:
    from tidegate.types.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint=option) from exc


def _plain(rows: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
    """What has brackets in it is no markup."""
    return [tuple(cell.replace("[", r"\[") for cell in row) for row in rows]
