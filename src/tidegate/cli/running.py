"""Up and down: the life of the processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli import FAILED
from tidegate.cli.common import JsonOption, Place, ProjectOption
from tidegate.cli.show import note, print_json
from tidegate.errors import ConfigError, StateError
from tidegate.types.processes import reachable

if TYPE_CHECKING:
    from tidegate.types.processes import Processes


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.command()(up)
    app.command()(down)


def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Start in the background; return when ready.")] = False,
    timeout: Annotated[str, typer.Option("--timeout", help="With --detach: how long to wait until ready.")] = "180s",
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Start everything and keep it running. Ctrl-C answers what is in flight, writes the log out, and ends.

    [dim]Example:[/]  tidegate up -d && tidegate status
    """
    began = time.monotonic()
    place = Place(project)
    place.needs_file()
    _needs_models(place)
    if place.is_running():
        raise StateError("this project is already up; `tidegate status` shows it, `tidegate down` ends it")
    if detach:
        from tidegate.cli.project import parse_seconds

        processes = _start_detached(place, parse_seconds(timeout, "--timeout"))
        _greet(processes, time.monotonic() - began, json, "`tidegate down` ends it")
        if any(process.state == "failed" for process in processes.processes):
            raise typer.Exit(FAILED)  # it is up, and serves what can be served
        return
    from tidegate import supervisor

    if not json:
        note().print(f"starting [bold]{place.file.parent.name}[/] ...")

    def ready(processes: Processes) -> None:
        _greet(processes, time.monotonic() - began, json, "Ctrl-C ends it, after what is in flight")

    raise typer.Exit(supervisor.run(place.file, place.layout, on_ready=ready))


def down(
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait for requests in flight.")] = "90s",
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Stop the project: the doors close, requests in flight are answered, the log is written out.

    [dim]Example:[/]  tidegate down
    """
    from tidegate.cli.project import parse_seconds
    from tidegate.views.status import is_alive, read_processes

    seconds = parse_seconds(timeout, "--timeout")
    found = read_processes(Place(project).running())
    assert found is not None
    os.kill(found.supervisor, signal.SIGTERM)
    end = time.monotonic() + seconds
    while is_alive(found.supervisor):
        if time.monotonic() > end:
            raise StateError(f"it is still stopping after {seconds:g} s (supervisor: process {found.supervisor})")
        time.sleep(0.05)
    if json:
        print_json({"stopped": True, "supervisor": found.supervisor})
    else:
        note().print("stopped")


def _needs_models(place: Place) -> None:
    from tidegate.config import load_project

    if not load_project(place.file).models:
        raise ConfigError(
            f"{place.file.name} has no model yet, so there is nothing to serve; "
            "add one with `tidegate models add NAME FILE`"
        )


def _start_detached(place: Place, timeout: float) -> Processes:
    """A supervisor in a session of its own; returns once it is ready. Errors: StateError with what it said."""
    import subprocess

    from tidegate.app import read_force
    from tidegate.views.status import read_processes

    log = place.layout.process_logs / "up.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "tidegate", "-C", str(place.file), "up"],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if child.poll() is not None:
            raise StateError(f"it ended while starting:\n{_tail(log)}")
        found = read_processes(place.layout)
        force = read_force(place.layout)
        mine = found is not None and found.supervisor == child.pid and _is_ready(found)
        if found is not None and mine and force is not None and (force.in_force or force.failed):
            return found
        time.sleep(0.05)
    raise StateError(f"it is not ready after {timeout:g} s; it goes on starting, `tidegate status` shows how far it is")


def _is_ready(processes: Processes) -> bool:
    """The supervisor starts the monitor process last, once everything else answers."""
    return any(process.kind == "monitor" for process in processes.processes)


def _greet(processes: Processes, seconds: float, json: bool, ending: str) -> None:
    runners = [p for p in processes.processes if p.kind == "runner"]
    broken = [p for p in runners if p.state == "failed"]
    if json:
        print_json(
            {
                "ready": not broken, "seconds": round(seconds, 3), "supervisor": processes.supervisor,
                "http": processes.http, "grpc": processes.grpc, "control": processes.control,
                "failed": [f"{p.model}:{p.version}: {p.reason}" for p in broken],
            }
        )  # fmt: skip
        sys.stdout.flush()
        return
    screen = note()
    for process in runners:
        mark = "[green]ready[/]" if process.state == "ready" else f"[red]{process.state}[/]"
        load = f" in {process.ready.load_seconds:.2f} s" if process.ready is not None else ""
        screen.print(f"  {process.model}:{process.version}  {mark}{load}")
        if process.reason and process.state != "ready":
            screen.print(f"    {process.reason}", markup=False)
    screen.print(f"[bold green]up[/] in {seconds:.1f} s; {ending}")
    screen.print(f"  predictions  {reachable(processes.http)}/v2/models/NAME/infer")
    if processes.grpc:
        screen.print(f"  gRPC         {reachable(processes.grpc).removeprefix('http://')}")
    if processes.control:
        screen.print(f"  control      {reachable(processes.control)}/api/status")


def _tail(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return "\n".join(lines[-12:]) or f"it said nothing ({log})"
