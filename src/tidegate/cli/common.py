"""What every command shares: where the project is, whether it runs, who acts, and the options of those names."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli import NOT_RUNNING
from tidegate.errors import ConfigError, StateError

if TYPE_CHECKING:
    from tidegate.storage.layout import Layout

FILE_NAME = "tidegate.yaml"

ProjectOption = Annotated[
    Path | None,
    typer.Option("--project", "-C", help="The project file, or the folder that holds it.", envvar="TIDEGATE_PROJECT"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
UrlOption = Annotated[str | None, typer.Option("--url", help="The gateway, if not this project's own.")]
KeyOption = Annotated[str | None, typer.Option("--key", help="API key.", envvar="TIDEGATE_KEY", show_envvar=True)]


_front: Path | None = None


def set_front(given: Path | None) -> None:
    """The project named before the command: `tidegate -C DIR command`."""
    global _front
    _front = given


class NotRunning(StateError):
    """The command needs a running project."""

    exit_code = NOT_RUNNING


class Place:
    """One project: its file, and its state folder (beside it, or where TIDEGATE_STATE says)."""

    def __init__(self, given: Path | None) -> None:
        given = given or _front or Path()
        self.file = (given / FILE_NAME if given.is_dir() else given).absolute()

    @property
    def layout(self) -> Layout:
        from tidegate.storage.layout import Layout, state_folder

        return Layout(state_folder(self.file))

    def needs_file(self) -> None:
        """Errors: ConfigError where there is no project file."""
        if not self.file.is_file():
            raise ConfigError(
                f"there is no {self.file}; `tidegate init MODEL_FILE` writes one, or point at another with -C DIR"
            )

    def is_running(self) -> bool:
        """Whether its supervisor lives."""
        from tidegate.views.status import is_running

        return self.layout.root.is_dir() and is_running(self.layout)

    def running(self) -> Layout:
        """The state folder of a running project. Errors: NotRunning."""
        if not self.is_running():
            raise NotRunning(f"the project {self.file.parent} is not running; `tidegate up` starts it")
        return self.layout

    def applied(self) -> Layout:
        """The state folder of a project that was up once, running or not. Errors: NotRunning."""
        if not (self.layout.root / "state.db").exists():
            raise NotRunning(f"the project {self.file.parent} was never up; `tidegate up` starts it")
        return self.layout

    def gateway(self, url: str | None) -> str:
        """The address to call: the one given, or the running project's. Errors: NotRunning."""
        from tidegate.types.processes import reachable
        from tidegate.views.status import read_processes

        if url:
            return url.rstrip("/")
        found = read_processes(self.running())
        if found is None or not found.http:
            raise NotRunning(f"the project {self.file.parent} is still starting; `tidegate status` shows it")
        return reachable(found.http)


def actor() -> str:
    """Who the audit names for what the CLI does."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # an account without a name, as in some containers
        return f"cli:{os.getuid()}"
