"""Entry points: a name in, a class out. An unknown name is an error that lists the known ones.

A third party's package registers itself in its own pyproject.toml:

    [project.entry-points."tidegate.runtimes"]
    mine = "my_package.runtime:MyRuntime"
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from typing import Any

from tidegate.errors import ConfigError


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint naming the closest known word, or the empty string.

    >>> nearest("replica", ["replicas", "path"])
    ' Did you mean "replicas"?'
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f' Did you mean "{close[0]}"?' if close else ""


def resolve(group: str, name: str, builtin: Mapping[str, str]) -> Any:
    """Load what `name` stands for: first the built-in `module:object`, then entry points of `group`.

    Errors: ConfigError for an unknown name, listing the known ones, or for one that can't be imported.
    """
    target = builtin.get(name)
    if target is None:
        found = {ep.name: ep.value for ep in entry_points(group=group)}
        target = found.get(name)
        if target is None:
            known = sorted({*builtin, *found})
            raise ConfigError(f"unknown {group} {name!r}.{nearest(name, known)} Known: {', '.join(known)}")
    return load_object(target)


def load_object(target: str) -> Any:
    """Import `package.module:attribute` (dots allowed after the colon)."""
    import importlib

    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise ConfigError(f"{target!r} is not of the form module:object, such as my_models.spam:Model")
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as exc:
        raise ConfigError(
            f"can't import {module_name!r} for {target!r}: {exc}. Is it installed, or on pythonPath?"
        ) from exc
    except AttributeError as exc:
        raise ConfigError(f"{module_name!r} has no {attribute!r}: {exc}") from exc
    return found
