"""The state folder: one name for each path in it. docs/format/state-folder.md describes each.

.tidegate/
  state.db            models, splits, keys, audit
  run/                what is true only while running: plan.json, processes.json, routing.json, sockets, counters
  journal/            <worker>-<segment>.ndjson, append-only; <worker> is a gateway worker's slot
  log/<endpoint>/     Delta tables: predictions, feedback
  models/             artifacts, by content
  envs/               Python environments of versions, by content of their requirements
  blobs/              large payloads, by digest
  logs/               what the processes print
"""

from __future__ import annotations

import os
from pathlib import Path

from tidegate.errors import StateError


class Layout:
    """Paths of one state folder. Folders are made, private to their owner, when first asked for."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root).absolute()

    def _folder(self, *parts: str) -> Path:
        path = self.root.joinpath(*parts)
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    @property
    def database(self) -> Path:
        return self._folder() / "state.db"

    @property
    def run(self) -> Path:
        return self._folder("run")

    @property
    def journal(self) -> Path:
        return self._folder("journal")

    @property
    def models(self) -> Path:
        return self._folder("models")

    @property
    def environments(self) -> Path:
        return self._folder("envs")

    @property
    def blobs(self) -> Path:
        return self._folder("blobs")

    @property
    def process_logs(self) -> Path:
        return self._folder("logs")

    @property
    def routing(self) -> Path:
        return self.run / "routing.json"

    @property
    def plan(self) -> Path:
        return self.run / "plan.json"

    @property
    def processes(self) -> Path:
        return self.run / "processes.json"

    def log(self, endpoint: str) -> Path:
        """The folder of an endpoint's tables. Errors: StateError for a name that would leave the folder."""
        return self._folder("log", safe_name(endpoint))


def state_folder(project_file: Path) -> Path:
    """Where a project's state is kept: beside its file, unless TIDEGATE_STATE says otherwise."""
    return Path(os.environ.get("TIDEGATE_STATE") or project_file.absolute().parent / ".tidegate")


def safe_name(name: str) -> str:
    """A name that is one plain path component, or a StateError."""
    if not name or name in {".", ".."} or any(c in name for c in "/\\\0") or len(name) > 200:
        raise StateError(f"{name!r} can't be used as the name of a folder")
    return name


def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace a file whole: readers see the old content or the new, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
