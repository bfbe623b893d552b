"""Models: add, load, unload, list, show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tidegate.cli import complete
from tidegate.cli.common import JsonOption, Place, ProjectOption, actor
from tidegate.cli.show import note, out, print_json, size, state, table
from tidegate.errors import NotFound, StateError

models = typer.Typer(no_args_is_help=True, help="Add, load, unload, list and show models.")

Version = Annotated[str, typer.Argument(metavar="MODEL:VERSION", autocompletion=complete.versions)]
Timeout = Annotated[str, typer.Option("--timeout", help="How long to wait until it is in force.")]


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.add_typer(models, name="models")


@models.command()
def add(
    name: Annotated[str, typer.Argument(help="Name of the model.", autocompletion=complete.models)],
    file: Annotated[str, typer.Argument(help="A model file or folder, `module:object`, or the URL of a model server.")],
    version: Annotated[
        str | None, typer.Option("--version", "-v", help="Name of the version; the next number by default.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="Parquet or CSV of training rows: names and types of the inputs.")
    ] = None,
    runtime: Annotated[
        str | None, typer.Option("--runtime", help="How to load it, where the file doesn't tell.")
    ] = None,
    trust_types: Annotated[
        list[str] | None, typer.Option("--trust-types", help="A type that skops may build; may be repeated.")
    ] = None,
    trust_pickle: Annotated[
        bool, typer.Option("--trust-pickle", help="Allow pickle: loading one runs whatever its author put in it.")
    ] = False,
    endpoint: Annotated[
        bool, typer.Option("--endpoint/--no-endpoint", help="Make an endpoint at 100% if the model has none.")
    ] = True,
    timeout: Timeout = "120s",
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Add a model, or one more version of it, to the project file (comments stay); apply it if the project runs.

    [dim]Example:[/]  tidegate models add severity model.skops --reference train.parquet
    """
    from tidegate import project_file
    from tidegate.app import pin
    from tidegate.cli.project import _relative, apply_and_wait, locate
    from tidegate.config import parse_project

    place = Place(project)
    place.needs_file()
    base = place.file.parent
    path, _ = (
        locate(file, base) if runtime is None else (_relative(file, base) if Path(file).exists() else file, runtime)
    )
    text, added = project_file.add_version(
        place.file.read_text(), name, path, version=version, runtime=runtime,
        reference=_relative(str(reference), base) if reference else None,
        trust_types=trust_types, trust_pickle=trust_pickle, endpoint=endpoint,
    )  # fmt: skip
    pin(parse_project(text, str(place.file)), base, place.layout, copy=False)
    _replace(place.file, text)
    if not json:
        note().print(f"added [bold]{name}:{added}[/] to {place.file.name}")
    if place.is_running():
        apply_and_wait(place, timeout=timeout, json=json)
    elif json:
        print_json({"model": name, "version": added, "file": str(place.file)})


@models.command()
def load(version: Version, timeout: Timeout = "120s", project: ProjectOption = None, json: JsonOption = False) -> None:
    """Take a version that was unloaded back into service.

    [dim]Example:[/]  tidegate models load severity:2
    """
    _set_loaded(version, True, timeout, Place(project), json)


@models.command()
def unload(
    version: Version, timeout: Timeout = "120s", project: ProjectOption = None, json: JsonOption = False
) -> None:
    """Stop the processes of a version and keep it so, also through a restart, until it is loaded again.

    [dim]Example:[/]  tidegate models unload severity:1
    """
    _set_loaded(version, False, timeout, Place(project), json)


@models.command(name="list")
def list_models(project: ProjectOption = None, json: JsonOption = False) -> None:
    """List every version of every model, and whether it serves.

    [dim]Example:[/]  tidegate models list --json
    """
    rows = _rows(Place(project))
    if json:
        print_json(rows)
        return
    shown = [
        (
            f"[bold]{row['model']}:{row['version']}[/]", state(row["state"]), row["runtime"], row["path"],
            ", ".join(row["endpoints"]) or "-", row["reason"],
        )
        for row in rows
    ]  # fmt: skip
    out().print(table(("version", "state", "runtime", "path", "endpoints", "why"), shown))


@models.command()
def show(
    model: Annotated[str, typer.Argument(metavar="MODEL[:VERSION]", autocompletion=complete.versions)],
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show a model's versions: options, state, processes, and what each takes and gives.

    [dim]Example:[/]  tidegate models show severity:2
    """
    from tidegate.plugins import nearest

    name, _, version = model.partition(":")
    place = Place(project)
    every = _rows(place)
    rows = [row for row in every if row["model"] == name and version in ("", row["version"])]
    if not rows:
        known = [f"{row['model']}:{row['version']}" for row in every]
        raise NotFound(f"there is no {model}.{nearest(model, known)} Known: {', '.join(known) or 'none'}")
    if json:
        print_json(rows)
        return
    screen = out()
    for row in rows:
        screen.print(f"[bold]{row['model']}:{row['version']}[/]  {state(row['state'])}  {row['reason']}")
        screen.print(f"  path       {row['path']}", markup=False)
        screen.print(f"  runtime    {row['runtime']}")
        screen.print(f"  endpoints  {', '.join(row['endpoints']) or '-'}")
        if row["rss"]:
            screen.print(f"  processes  {row['ready']} ready of {row['replicas']}, {size(row['rss'])}")
        for key, value in row["options"].items():
            screen.print(f"  {key:<10} {value}", markup=False)
        for side in ("inputs", "outputs"):
            for tensor in (row["signature"] or {}).get(side, []):
                screen.print(
                    f"  {side[:-1]:<10} {tensor['name']}  {tensor['datatype']} {tensor['shape']}", markup=False
                )


def _set_loaded(name: str, loaded: bool, timeout: str, place: Place, json: bool) -> None:
    from tidegate import app
    from tidegate.changes import set_loaded
    from tidegate.cli.project import parse_seconds

    seconds = parse_seconds(timeout, "--timeout")
    model, colon, version = name.partition(":")
    if not colon:
        raise typer.BadParameter(f"{name!r}: name the version as well, as {name}:1", param_hint="MODEL:VERSION")
    revision = set_loaded(place.layout, model, version, loaded, actor=actor())
    word = "loaded" if loaded else "unloaded"
    if place.is_running():
        force = app.wait_in_force(place.layout, revision, seconds)
        broken = [reason for reason in force.failed if reason.startswith(f"{name}:")]
        if loaded and broken:
            raise StateError(broken[0])
    if json:
        print_json({"model": model, "version": version, "loaded": loaded, "revision": revision})
    else:
        note().print(f"{name} is {word}")


def _rows(place: Place) -> list[dict[str, Any]]:
    """The file's versions, and those that retraining made, with what runs of them."""
    from contextlib import closing

    import msgspec

    from tidegate.app import keep_made
    from tidegate.config import load_project
    from tidegate.storage.state import StateStore
    from tidegate.types.traffic import RoutingTable
    from tidegate.views.status import gather

    place.needs_file()
    project = load_project(place.file)
    if (place.layout.root / "state.db").exists():
        with closing(StateStore(place.layout)) as store:
            project, _ = keep_made(project, store.desired())
    view = gather(place.layout) if place.is_running() else None
    running = {(v.model, v.version): v for v in view.versions} if view is not None else {}
    signatures: dict[tuple[str, str], Any] = {}
    if view is not None:
        table = msgspec.json.decode(place.layout.routing.read_bytes(), type=RoutingTable)
        signatures = {(v.model, v.version): msgspec.to_builtins(v.signature) for v in table.versions}
    rows = []
    for model, options in project.models.items():
        for version, chosen in options.versions.items():
            now = running.get((model, version))
            given = chosen.model_dump(by_alias=True, exclude_defaults=True, exclude={"path", "runtime"})
            rows.append(
                {
                    "model": model, "version": version, "path": chosen.path,
                    "runtime": now.platform if now is not None and now.platform else chosen.runtime,
                    "state": now.state if now is not None else ("not applied" if view is not None else "not running"),
                    "reason": now.reason if now is not None else "",
                    "endpoints": [n for n, e in project.endpoints.items() if e.model == model and e.split.get(version)],
                    "replicas": now.replicas if now is not None else chosen.replicas,
                    "ready": now.ready if now is not None else 0, "rss": now.rss if now is not None else 0,
                    "options": given, "signature": signatures.get((model, version)),
                }
            )  # fmt: skip
    return rows


def _replace(file: Path, text: str) -> None:
    from tidegate.storage.layout import write_atomic

    write_atomic(file, text.encode(), file.stat().st_mode & 0o777)
