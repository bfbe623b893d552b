"""The demo's tidegate.yaml: what a user has after `tidegate init` and `tidegate models add`, by the same functions.

    Trained --> .demo/tidegate.yaml (marked as the demo's own); the state folder of an earlier run is removed

Added to that: ports that are free, and where callers say which accident a row is about.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from ruamel.yaml import YAML

from tidegate.config import FILE_NAME, parse_project
from tidegate.demo.system import free
from tidegate.demo.train import Trained
from tidegate.errors import ConfigError
from tidegate.project_file import add_version, init_text
from tidegate.storage.layout import Layout
from tidegate.views.status import is_running

MARK = "# Written by `tidegate demo`, which writes it anew each time it runs.\n"
PORTS = {"http": 8080, "grpc": 8081, "control": 8000}
SUBJECT = "header:tidegate-subject"


def write(folder: Path, trained: Trained, endpoint: str) -> Path:
    """Write the project file, and clear what an earlier run left. Ports are the usual ones where they are free.

    Errors: ConfigError when the folder holds a project that isn't the demo's, or a demo that runs.
    """
    file = folder / FILE_NAME
    if file.exists() and not file.read_text().startswith(MARK):
        raise ConfigError(f"{file} is not the demo's own; give the demo a folder for itself (--workdir)")
    state = folder / ".tidegate"
    if state.is_dir() and is_running(Layout(state)):
        raise ConfigError(f"the demo in {folder} is running already; end it first, or use another folder (--workdir)")
    text, _ = add_version(
        MARK + init_text("demo"),
        endpoint,
        trained.model.name,
        reference=trained.reference.name,
        trust_types=trained.trust_types,
    )
    text = _complete(text, endpoint)
    parse_project(text, str(file))
    shutil.rmtree(state, ignore_errors=True)
    file.write_text(text)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")  # wherever the demo is run, its data and state are nobody's to commit
    return file


def _complete(text: str, endpoint: str) -> str:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    data = yaml.load(text)
    data["server"] = {name: port if free(port) else 0 for name, port in PORTS.items()}
    data["endpoints"][endpoint]["subject"] = SUBJECT
    out = io.StringIO()
    yaml.dump(data, out)
    return out.getvalue()
