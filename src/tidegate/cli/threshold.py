"""The options that say a threshold, once for every command that takes one.

@with_threshold
def add(endpoint, options: dict)      the command line shows --max, --min, --for, ... in the place of `options`
                                      and the command gets {"max": "5%", "min": None, ...}, by the file's names
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

_OPTIONS: dict[str, tuple[str, Any]] = {
    "max_": ("max", Annotated[str | None, typer.Option("--max", help="An alarm above this: 0.05, 5%, 500ms.")]),
    "min_": ("min", Annotated[str | None, typer.Option("--min", help="An alarm below this.")]),
    "for_": ("for", Annotated[str | None, typer.Option("--for", help="It must hold this long, such as 10m.")]),
    "over": (
        "over", Annotated[str | None, typer.Option("--over", help="The window that the value is taken over (10m).")],
    ),
    "relative_to": (
        "relativeTo",
        Annotated[
            str | None, typer.Option("--relative-to", help="max and min are changes against: reference, week or stable.")
        ],
    ),
    "min_rows": (
        "minRows",
        Annotated[int | None, typer.Option("--min-rows", help="A window with fewer rows is no evidence (30).")],
    ),
    "severity": ("severity", Annotated[str | None, typer.Option("--severity", help="page or ticket.")]),
}  # fmt: skip
"""The function's parameter -> the name in the project file, what the command line takes."""


def with_threshold(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with these options in the place of its parameter `options`, None where one isn't given."""

    @functools.wraps(command)
    def told(**given: Any) -> None:
        options = {name: given.pop(parameter) for parameter, (name, _) in _OPTIONS.items()}
        command(options=options, **given)

    parameters: list[inspect.Parameter] = []
    for one in inspect.signature(command, eval_str=True).parameters.values():
        if one.name != "options":
            parameters.append(one.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        parameters += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
            for name, (_, kind) in _OPTIONS.items()
        ]
    told.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    told.__annotations__ = {one.name: one.annotation for one in parameters}
    return told
