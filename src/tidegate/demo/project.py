"""The demo's tidegate.yaml: what a user would have after `tidegate models add`, with the types that skops asked about.

Trained --> .demo/tidegate.yaml (marked as the demo's own); the state folder of an earlier run is removed
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tidegate.config import FILE_NAME, parse_project
from tidegate.demo.system import free
from tidegate.demo.train import Trained
from tidegate.errors import ConfigError

MARK = "# Written by `tidegate demo`, which writes it anew each time it runs.\n"
PORTS = {"http": 8080, "grpc": 8081, "control": 8000}


def write(folder: Path, trained: Trained, endpoint: str) -> Path:
    """Write the project file, and clear what an earlier run left. Ports are the usual ones where they are free.

    Errors: ConfigError when the folder holds a project that isn't the demo's.
    """
    file = folder / FILE_NAME
    if file.exists() and not file.read_text().startswith(MARK):
        raise ConfigError(f"{file} is not the demo's own; give the demo a folder for itself")
    ports = ", ".join(f"{name}: {port if free(port) else 0}" for name, port in PORTS.items())
    types = "".join(f"          - {name}\n" for name in trained.trust_types)
    text = (
        f"{MARK}project: demo\n"
        f"server: {{{ports}}}\n\n"
        f"models:\n  {endpoint}:\n    versions:\n"
        f'      "1":\n        path: {trained.model.name}\n        reference: {trained.reference.name}\n'
        f"        trustTypes:  # skops builds the types that it knows, and those named here\n{types}\n"
        f"endpoints:\n  {endpoint}:  # POST /v2/models/{endpoint}/infer\n"
        f'    model: {endpoint}\n    split: {{"1": 100}}\n'
    )
    parse_project(text, str(file))
    shutil.rmtree(folder / ".tidegate", ignore_errors=True)
    file.write_text(text)
    return file
