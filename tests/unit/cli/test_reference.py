"""The reference pages are made from the code: they are current, and no command is without help and an example."""

import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from tidegate.cli import reference

DOCS = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize("name", ["cli.md", "config.md", "tidegate.schema.json", "openapi.json"])
def test_the_page_is_current(name):
    made = reference.pages()[name]
    assert (DOCS / name).read_text() == made, f"run `python -m tidegate.cli.reference docs/reference` to renew {name}"


@pytest.mark.parametrize(
    ("name", "command"), list(reference.commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_has_help_an_example_and_json(name, command):
    assert command.help, name
    example = reference.example(command)
    assert example.startswith(name), f"{name}: the example is {example!r}"
    options = {option for parameter in command.params for option in parameter.opts}
    assert "--json" in options or name.startswith("tidegate demo"), name  # the demos write --report
    for parameter in command.params:
        described = getattr(parameter, "help", None) or parameter.param_type_name == "argument"
        assert described, f"{name}: {parameter.name} has no help"


@pytest.mark.parametrize(
    ("name", "command"), list(reference.commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_example_is_one_that_the_command_line_takes(name, command):
    from tidegate.cli.app import app

    words = shlex.split(reference.example(command).partition(" && ")[0].partition(" > ")[0])[1:]
    current, rest = get_command(app), words
    while rest and rest[0] in (getattr(current, "commands", None) or {}):
        current, rest = current.commands[rest[0]], rest[1:]
    current.make_context(name, rest, resilient_parsing=False).close()


def test_every_key_of_the_project_file_is_described():
    from tidegate.config import Endpoint
    from tidegate.gateway.options import AssignmentOptions, ServerOptions
    from tidegate.rollout import options as rollout
    from tidegate.runner.options import VersionOptions
    from tidegate.storage.options import LogOptions

    ours = (rollout.StrategyOptions, rollout.CanaryOptions, rollout.StepOptions, rollout.MirrorOptions, rollout.PauseOptions,
            rollout.AnalysisOptions, rollout.BlueGreenOptions, rollout.ShadowOptions, rollout.ExperimentOptions,
            rollout.TemplateOptions, rollout.MetricOptions)  # fmt: skip
    for model in (Endpoint, AssignmentOptions, ServerOptions, VersionOptions, LogOptions, *ours):
        for key, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{key}"
