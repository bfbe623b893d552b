"""The reference pages that are made from the code: `python -m tidegate.cli.reference FOLDER` writes them.

commands (Typer)  -> cli.md
options (pydantic) -> config.md, tidegate.schema.json
routes (FastAPI)  -> openapi.json
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer

_NOTE = "<!-- Made by `python -m tidegate.cli.reference docs/reference`; edits here are lost. -->\n\n"


def pages() -> dict[str, str]:
    """File name -> text."""
    from tidegate.config import schema_json

    return {
        "cli.md": cli_page(),
        "config.md": config_page(),
        "tidegate.schema.json": schema_json(),
        "openapi.json": openapi_text(),
    }


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, groups left out."""
    from tidegate.cli.app import app

    yield from _walk("tidegate", typer.main.get_command(app))


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
        return
    if getattr(command, "invoke_without_command", False):
        yield name, command
    for child in sorted(children):
        yield from _walk(f"{name} {child}", children[child])


def cli_page() -> str:
    """docs/reference/cli.md."""
    parts = [
        f"{_NOTE}# Commands\n\n`tidegate -h` and `tidegate COMMAND -h` show the same.\n"
        "`-C DIR` may also stand before the command.\n\n"
        "| exit code | meaning |\n|---|---|\n| 0 | done |\n| 1 | failed; one message on stderr says why |\n"
        "| 2 | wrong usage of the command |\n| 3 | the project is not running |\n"
        "| 4 | `loadtest`: the SLO was missed |\n"
        "| 5 | `rollout status`: it waits for a person |\n"
        "| 6 | `rollout status --timeout`: it was still moving when the time was up |\n"
        "| 130 | interrupted |\n\n"
        "Answers go to stdout, messages and progress to stderr. `tidegate --install-completion` completes\n"
        "commands, and the names of endpoints, models and versions.\n"
    ]
    for name, command in commands():
        parts.append(f"\n## {name}\n\n{_help(command)}\n")
        rows = [_parameter(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
        if rows:
            parts.append("\n| argument | meaning | default |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    return "".join(parts)


def example(command: Any) -> str:
    """The example in a command's help, or the empty string."""
    found = re.search(r"Example:\[/\]\s*(.+)", command.help or "")
    return found[1].strip() if found else ""


def _help(command: Any) -> str:
    text, _, _ = (command.help or "").partition("[dim]")
    return f"{' '.join(text.split())}\n\n```sh\n{example(command)}\n```"


def _parameter(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = f"`{parameter.metavar or (parameter.name or '').upper()}`"
    else:
        name = ", ".join(f"`{option}`" for option in [*parameter.opts, *parameter.secondary_opts])
    default = parameter.default
    shown = (
        ""
        if default in (None, "", False) or callable(default) or "Sentinel" in type(default).__name__
        else f"`{default}`"
    )
    if parameter.required:
        shown = "required"
    meaning = (getattr(parameter, "help", "") or "").replace("|", "\\|")
    return f"| {name} | {meaning} | {shown} |"


def config_page() -> str:
    """docs/reference/config.md."""
    from tidegate.config import Endpoint, ModelOptions, Project
    from tidegate.gateway.options import AssignmentOptions, ServerOptions
    from tidegate.rollout import options as rollout
    from tidegate.runner.options import VersionOptions
    from tidegate.storage.options import LogOptions

    how = "How a new version takes over ([how to](../how-to/rollouts.md))."
    sections: tuple[tuple[str, str, Any], ...] = (
        ("The file", "`tidegate.yaml`.", Project),
        ("server", "Addresses and processes. A change of this section needs a restart.", ServerOptions),
        ("log", "The journal and the prediction log.", LogOptions),
        ("models.NAME", "A model.", ModelOptions),
        ("models.NAME.versions.VERSION", "One version of a model. Paths are relative to the file.", VersionOptions),
        ("endpoints.NAME", "A name that callers use: `POST /v2/models/NAME/infer`.", Endpoint),
        ("endpoints.NAME.assignment", "Who goes to which version of the split.", AssignmentOptions),
        ("endpoints.NAME.strategy", f"{how} Exactly one of:", rollout.StrategyOptions),
        ("strategy.KIND", "How sure is sure enough: keys of each of the four.", rollout.ErrorControl),
        ("strategy.canary", "Let traffic in step by step.", rollout.CanaryOptions),
        ("strategy.canary.steps[]", "One step: exactly one of these keys.", rollout.StepOptions),
        ("setMirrorRoute", "Copies of requests go to the canary, and its answers to nobody.", rollout.MirrorOptions),
        ("pause", "Wait for a time, for units, or (`{}`) for a person.", rollout.PauseOptions),
        ("analysis (a step)", "Wait for evidence.", rollout.AnalysisOptions),
        ("strategy.blueGreen", "Switch all at once, and back as fast.", rollout.BlueGreenOptions),
        ("strategy.shadow", "The model beside the person or the older system who decides.", rollout.ShadowOptions),
        ("strategy.experiment", "An A/B test: never promoted by itself.", rollout.ExperimentOptions),
        ("analysis.templates.NAME.metrics[]", "One metric of a template of yours.", rollout.MetricOptions),
    )
    parts = [
        f"{_NOTE}# The project file\n\n"
        "Unknown keys are refused, with the nearest known one named; `tidegate check` validates.\n"
        "Durations are written as `500ms`, `10s`, `7d`; sizes as `64MB` or `2GiB`. \n"
        "Editors read the JSON Schema, `tidegate.schema.json`.\n"
    ]
    for title, text, model in sections:
        parts.append(f"\n## {title}\n\n{text}\n\n| key | type | default | meaning |\n|---|---|---|---|\n")
        for name, field in model.model_fields.items():
            if name in rollout.ErrorControl.model_fields and model is not rollout.ErrorControl and "strategy" in title:
                continue  # said once
            parts.append(
                f"| `{field.alias or name}` | {_type(field)} | {_default(field)} | {field.description or ''} |\n"
            )
    return "".join(parts)


def _type(field: Any) -> str:
    from tidegate.types.options import Duration, Size

    annotation = field.annotation
    inner = [part for part in get_args(annotation) if part is not type(None)]
    if type(None) in get_args(annotation) and len(inner) == 1:
        annotation = inner[0]
    said = [*field.metadata, *getattr(annotation, "__metadata__", ())]
    kinds: tuple[tuple[Any, str], ...] = ((Duration, "duration"), (Size, "size"))
    for known, word in kinds:
        if any(item in known.__metadata__ for item in said if type(item).__name__ == "BeforeValidator"):
            return word
    if get_origin(annotation) is Literal:
        return " \\| ".join(f"`{part}`" for part in get_args(annotation))
    text = str(annotation) if not isinstance(annotation, type) or get_args(annotation) else annotation.__name__
    text = re.sub(r"\b(?:tidegate|typing)\.(?:\w+\.)*", "", text).replace("| None", "").strip()
    return "dict" if text.startswith("dict[str, Any") else text.replace("|", "\\|")


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None or field.default is None:
        return ""
    return "" if hasattr(field.default, "model_fields") else f"`{json.dumps(field.default)}`"


def openapi_text() -> str:
    """docs/reference/openapi.json: the control API."""
    import tempfile

    from tidegate.api.app import build
    from tidegate.storage.layout import Layout

    with tempfile.TemporaryDirectory() as folder:
        return json.dumps(build(Layout(folder)).openapi(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all pages into the folder given."""
    folder = Path(sys.argv[1])
    for name, text in pages().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
