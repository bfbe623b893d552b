"""The project file: init, check, schema, apply."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tidegate.cli import FAILED
from tidegate.cli.common import FILE_NAME, JsonOption, Place, ProjectOption, actor
from tidegate.cli.show import interactive, note, out, print_json
from tidegate.errors import ConfigError, StateError


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    for command in (init, check, schema, apply):
        app.command()(command)


def init(
    model_file: Annotated[
        str | None, typer.Argument(help="A model file or folder, `module:object`, or the URL of a model server.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the model; from the file by default.")] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", help="Parquet or CSV of training rows: names and types of the inputs.")
    ] = None,
    ask: Annotated[
        bool | None, typer.Option("--ask/--no-ask", help="Ask the questionnaire; by default where somebody can answer.")
    ] = None,
    answer: Annotated[
        list[str] | None,
        typer.Option("--answer", help="An answer without being asked: speed.latency=500ms; may be repeated."),
    ] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Write a commented tidegate.yaml, with one model and an endpoint if a model file is given. Never overwrites one.

    It asks what the project is for and what it must hold; `tidegate ready` compares that with what is there.

    [dim]Example:[/]  tidegate init models/severity.skops
    [dim]Example:[/]  tidegate init models/severity.skops --no-ask --answer speed.latency=500ms --answer personal=none
    """
    from tidegate import project_file
    from tidegate.config import parse_project, schema_json
    from tidegate.storage.layout import write_atomic

    place = Place(project)
    if place.file.exists():
        raise ConfigError(f"{place.file} is there already; `tidegate models add NAME FILE` adds a model to it")
    text = project_file.init_text(place.file.parent.name)
    runtime = model = ""
    if model_file is not None:
        path, runtime = locate(model_file, place.file.parent)
        model = project_file.slug(name or default_name(model_file))
        text, _ = project_file.add_version(
            text, model, path, reference=_relative(reference, place.file.parent) if reference else None
        )
    asked = _asked(answer or [], ask if ask is not None else interactive() and not json)
    if asked:
        text = project_file.set_scoping(text, asked)
    parse_project(text, str(place.file))
    place.file.parent.mkdir(parents=True, exist_ok=True)
    place.file.write_text(text)
    write_atomic(place.layout.database.parent / "tidegate.schema.json", schema_json().encode(), 0o644)
    if json:
        print_json({"file": str(place.file), "model": model, "runtime": runtime})
        return
    screen = note()
    screen.print(f"wrote [bold]{place.file.name}[/]" + (f": model [bold]{model}[/] ({runtime})" if model else ""))
    if model:
        screen.print("next: [bold]tidegate up[/]")
    else:
        screen.print("next: [bold]tidegate models add NAME FILE[/], then [bold]tidegate up[/]")


def _asked(given: list[str], ask: bool) -> dict[str, Any]:
    """The questionnaire's answers, given or asked for. Errors: ConfigError for one that can't be."""
    from pydantic import ValidationError

    from tidegate.plugins import nearest
    from tidegate.types.scoping import QUESTIONS, answers

    known = {one.key: one for one in QUESTIONS}
    found: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or key not in known:
            raise ConfigError(f"--answer {text!r}: no such question.{nearest(key, known)} Known: {', '.join(known)}")
        found[key] = value
    if ask:
        screen = note()
        screen.print(
            "[bold]What it is for and what it must hold.[/] Enter leaves a question open; `tidegate ready` will say so."
        )
        for one in QUESTIONS:
            if one.key in found:
                continue
            hint = f"({', '.join(one.choices)})" if one.choices else f"(such as {one.example})" if one.example else ""
            while True:
                said = str(
                    typer.prompt(f"{one.text} {hint}".rstrip(), default="", show_default=False, err=True)
                ).strip()
                try:
                    answers({one.key: said})
                    break
                except ValidationError as exc:
                    screen.print(f"  [red]{exc.errors()[0]['msg'].removeprefix('Value error, ')}[/]")
            found[one.key] = said
    try:
        return answers(found)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"--answer {where}: {first['msg'].removeprefix('Value error, ')}") from exc


def check(project: ProjectOption = None, json: JsonOption = False) -> None:
    """Validate the project file: keys, values, references between them, and that every file it names is there.

    [dim]Example:[/]  tidegate check -C loans/
    """
    from tidegate.app import pin
    from tidegate.config import load_project

    place = Place(project)
    place.needs_file()
    parsed = load_project(place.file)
    pin(parsed, place.file.parent, place.layout, copy=False)
    versions = sum(len(model.versions) for model in parsed.models.values())
    if json:
        print_json({"ok": True, "models": len(parsed.models), "versions": versions, "endpoints": len(parsed.endpoints)})
    else:
        counts = f"{_many(versions, 'version')} of {_many(len(parsed.models), 'model')}, "
        counts += _many(len(parsed.endpoints), "endpoint")
        out().print(f"[green]{place.file.name} is right[/]: {counts}")


def schema(json: JsonOption = True) -> None:
    """Print the JSON Schema of the project file, for editors and checkers.

    [dim]Example:[/]  tidegate schema > tidegate.schema.json
    """
    from tidegate.config import schema_json

    typer.echo(schema_json().rstrip())


def apply(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait until it is in force.")] = "120s",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until every worker follows.")] = True,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Make the running system follow the edited file: no restart, no failed request.

    [dim]Example:[/]  tidegate apply --dry-run
    """
    place = Place(project)
    place.needs_file()
    apply_and_wait(place, dry_run=dry_run, wait=wait, timeout=timeout, json=json)


def apply_and_wait(place: Place, *, dry_run: bool = False, wait: bool = True, timeout: str, json: bool) -> None:
    """Apply a project file, show what changed, and wait until it is in force if the project runs.

    Errors: StateError when it is not in force in time; exits 1 when a version can't be loaded.
    """
    from tidegate import app

    seconds = parse_seconds(timeout, "--timeout")
    running = place.is_running()
    result = app.apply(place.layout, place.file, actor=actor(), dry_run=dry_run, progress=None)
    failed: list[str] = []
    screen = note()
    if not json:
        for change in result.changes:
            screen.print(f"  {change}", markup=False)
    if running and wait and not dry_run:
        force = app.wait_in_force(
            place.layout,
            result.revision,
            seconds,
            None if json else lambda text: screen.print(f"  {text}", markup=False),
        )
        failed = force.failed
    if json:
        print_json(
            {
                "revision": result.revision, "changed": result.changed, "changes": result.changes,
                "running": running, "in_force": running and wait and not dry_run and not failed, "failed": failed,
            }
        )  # fmt: skip
    elif dry_run:
        screen.print("nothing would change" if not result.changes else "dry run: nothing was changed")
    elif not result.changed and not failed:
        screen.print(f"nothing changed: revision {result.revision} stands")
    elif not running:
        screen.print(
            f"revision {result.revision} is kept; the project is not running, `tidegate up` brings it into force"
        )
    elif not failed:
        done = "is in force on every worker" if wait else "is on its way"
        screen.print(f"[green]revision {result.revision} {done}[/]")
    if failed:
        if not json:
            raise StateError("\n".join([f"revision {result.revision} can't be in force:", *failed]))
        raise typer.Exit(FAILED)


def parse_seconds(text: str, option: str) -> float:
    """A duration flag. Errors: typer.BadParameter (exit code 2) naming the flag."""
    from tidegate.types.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint=option) from exc


def locate(model_file: str, base: Path) -> tuple[str, str]:
    """A model as the user named it -> as the project file names it (relative to `base`), and its runtime.

    Errors: ConfigError or LoadError when it isn't there or isn't known.
    """
    from tidegate.app import is_object
    from tidegate.runtimes.resolve import detect

    if "://" in model_file or (is_object(model_file) and not Path(model_file).exists()):
        return model_file, detect(model_file)
    runtime = detect(str(Path(model_file)))
    return _relative(model_file, base), runtime


def default_name(model_file: str) -> str:
    """A model's name, from what it is loaded from.

    >>> default_name("models/severity.skops"), default_name("pkg.mod:Model"), default_name("http://host/v2/models/x/")
    ('severity', 'Model', 'x')
    """
    if "://" in model_file:
        return model_file.rstrip("/").rsplit("/", 1)[-1].partition(":")[0]
    if ":" in model_file and not Path(model_file).exists():
        return model_file.rpartition(":")[2]
    path = Path(model_file)
    return path.name if path.is_dir() else path.stem


def _relative(path: str, base: Path) -> str:
    full = Path(path).absolute()
    if not full.exists():
        raise ConfigError(f"there is no {full}")
    return full.relative_to(base).as_posix() if full.is_relative_to(base) else str(full)


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


__all__ = ["FILE_NAME", "add_to", "apply_and_wait", "default_name", "locate", "parse_seconds"]
