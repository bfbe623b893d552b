"""The demo's tidegate.yaml: what a user has after `tidegate init` and `tidegate models add`, by the same functions.

    Trained --> .demo/tidegate.yaml (marked as the demo's own); the state folder of an earlier run is removed
    candidates() --> versions 2, 3 and 4 beside it, and how a version takes over
    hurry() --> the same without the shadow
    renew() --> an endpoint that is retrained by itself

Added to that: ports that are free, and where callers say which accident a row is about. The error bounds (rollbackAlpha,
promoteAlpha, ratios, floor) are the product's defaults; only waits are short, because the replay's years are.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

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
TEMPLATE = "severity"
SHADOW = "shadow-paired"


def write(folder: Path, trained: Trained, endpoint: str) -> Path:
    """Write the project file, and clear what an earlier run left. Ports are the usual ones where they are free.

    Errors: ConfigError when the folder holds a project that isn't the demo's, or a demo that runs.
    """
    text, _ = add_version(
        MARK + init_text("demo"),
        endpoint,
        trained.model.name,
        reference=trained.reference.name,
        trust_types=trained.trust_types,
    )
    return put(folder, _complete(text, endpoint))


def check(folder: Path) -> None:
    """Before anything is written there. Errors: ConfigError when the folder holds a project that isn't the demo's, or a demo that runs."""
    file = folder / FILE_NAME
    if file.exists() and not file.read_text().startswith(MARK):
        raise ConfigError(f"{file} is not the demo's own; give the demo a folder for itself (--workdir)")
    state = folder / ".tidegate"
    if state.is_dir() and is_running(Layout(state)):
        raise ConfigError(f"the demo in {folder} is running already; end it first, or use another folder (--workdir)")


def put(folder: Path, text: str) -> Path:
    """Make `text` (which begins with MARK) the project of the demo's own folder, and clear what an earlier run left; the file.

    Errors: those of `check`.
    """
    check(folder)
    file = folder / FILE_NAME
    parse_project(text, str(file))
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / ".tidegate", ignore_errors=True)
    file.write_text(text)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")  # wherever the demo is run, its data and state are nobody's to commit
    return file


def candidates(file: Path, second: Trained, model: str, short: bool) -> None:
    """Add the versions that come after the first, the strategy, and what is watched. `short` waits still less."""
    text = file.read_text()
    text, _ = add_version(
        text, model, second.model.name, reference=second.reference.name, trust_types=second.trust_types
    )
    for name in ("Swapped", "Crashing"):
        text, _ = add_version(text, model, f"tidegate.demo.versions:{name}", runtime="python")
    data = _yaml().load(text)
    for version in ("3", "4"):
        data["models"][model]["versions"][version]["options"] = {
            "args": {"model": second.model.name, "trusted": second.trust_types}
        }
    data["analysis"] = {"templates": {TEMPLATE: {"metrics": metrics(short)}}}
    data["endpoints"][model]["fallback"] = "stable"
    data["endpoints"][model]["strategy"] = {"canary": {"templates": [TEMPLATE], "steps": steps(short)}}
    _save(file, data)


def renew(file: Path, model: str, endpoint: str, short: bool) -> None:
    """Add an endpoint that begins with version 1 and is retrained by itself: on drift, and on so many labels."""
    data = _yaml().load(file.read_text())
    wait = {"duration": "1s" if short else "2s", "minUnits": 50 if short else 100}
    data["endpoints"][endpoint] = {
        "model": model,
        "split": {"1": 100},
        "subject": SUBJECT,
        "retraining": {
            "trainer": "tidegate.demo.train:learn",
            "auto": ["drift", "labels"],
            "labels": 500 if short else 7500,
            "minRows": 300 if short else 1500,
            "freshRows": 300,
            "holdout": 0.1,
            "cooldown": "2s",
            "budget": {"runs": 20, "per": "1d"},
        },
        "strategy": {
            "canary": {
                "templates": [TEMPLATE],
                "steps": [
                    {"setMirrorRoute": {"percentage": 100}},
                    {"analysis": {"templates": [SHADOW], "minUnits": 200 if short else 500, "maxDuration": "1m"}},
                    {"setMirrorRoute": {"percentage": 0}},
                    {"setWeight": 25},
                    {"pause": wait},
                    {"setWeight": 50},
                    {"analysis": {"templates": [TEMPLATE], "maxDuration": "2m"}},
                    {"setWeight": 100},
                ],
            }
        },
    }
    _save(file, data)


def hurry(file: Path, endpoint: str) -> None:
    """Take the shadow out of the strategy: the next version meets callers at once."""
    data = _yaml().load(file.read_text())
    canary = data["endpoints"][endpoint]["strategy"]["canary"]
    canary["steps"] = [step for step in canary["steps"] if "setMirrorRoute" not in step and SHADOW not in str(step)]
    _save(file, data)


def steps(short: bool) -> list[dict[str, Any]]:
    """Shadow, 5, 25, 50, 100%. A label metric has something to say once labels have matured: so long a step lasts."""
    wait = "4s" if short else "6s"
    return [
        {"setMirrorRoute": {"percentage": 100}},
        {"analysis": {"templates": [SHADOW], "minUnits": 200 if short else 1000, "maxDuration": "1m"}},
        {"setMirrorRoute": {"percentage": 0}},
        {"setWeight": 5},
        {"pause": {"duration": wait, "minUnits": 50 if short else 100}},
        {"setWeight": 25},
        {"pause": {"duration": wait, "minUnits": 200 if short else 400}},
        {"setWeight": 50},
        {"analysis": {"templates": [TEMPLATE], "maxDuration": "2m"}},
        {"setWeight": 100},
    ]


def metrics(short: bool) -> list[dict[str, Any]]:
    """Failed and slow requests, and wrong answers by the labels, which are common: a fifth of all."""
    return [
        {"name": "error"},
        {"name": "latency", "threshold": "1s"},
        {"name": "wrong", "method": "common-rate", "maturation": "3s" if short else "4s"},
    ]


def _complete(text: str, endpoint: str) -> str:
    data = _yaml().load(text)
    data["server"] = {name: port if free(port) else 0 for name, port in PORTS.items()}
    data["endpoints"][endpoint]["subject"] = SUBJECT
    out = io.StringIO()
    _yaml().dump(data, out)
    return out.getvalue()


def _save(file: Path, data: Any) -> None:
    out = io.StringIO()
    _yaml().dump(data, out)
    parse_project(out.getvalue(), str(file))
    file.write_text(out.getvalue())


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
