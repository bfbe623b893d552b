"""What every runtime asks first: is the file there, is the framework installed, which outputs are wanted."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tidegate.errors import InvalidRequest, LoadError, TidegateError
from tidegate.plugins import nearest
from tidegate.runtimes.base import Artifact
from tidegate.types.inference import Signature


def local_path(artifact: Artifact, *, folder: bool = False) -> Path:
    """The artifact as a path that exists. Errors: LoadError."""
    path = Path(artifact.path)
    if not path.exists():
        raise LoadError(f"there is no {'folder' if folder else 'file'} {path}; check `path` of this version")
    if path.is_dir() != folder:
        raise LoadError(
            f"{path} is a {'file' if folder else 'folder'}; this runtime loads a {'folder' if folder else 'file'}"
        )
    return path


def framework(module: str, extra: str) -> Any:
    """Import a framework, or say how to install it. Errors: LoadError."""
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise LoadError(
            f"this model needs {module.partition('.')[0]}, which can't be imported here ({exc}). Install it with: "
            f"pip install 'tidegate[{extra}]', or name it in the requirements file of the version's `environment`"
        ) from exc


@contextmanager
def reading(path: object, what: str) -> Iterator[None]:
    """Turn whatever a framework raises while it reads a file into a LoadError that names the file."""
    try:
        yield
    except TidegateError:
        raise
    except ImportError as exc:
        raise LoadError(
            f"{path} needs a module that isn't here: {exc}. Install it, name it in the version's `environment`, "
            "or, for code of your own, add its folder to pythonPath"
        ) from exc
    except Exception as exc:
        reason = " ".join(str(exc).split())[:500] or type(exc).__name__
        raise LoadError(f"{path} can't be read as {what}: {reason}") from exc


def wanted(outputs: Sequence[str] | None, signature: Signature) -> list[str]:
    """Names of the outputs to compute, in the caller's order (None: all). Errors: InvalidRequest for an unknown one."""
    known = [spec.name for spec in signature.outputs]
    if outputs is None:
        return known
    for name in outputs:
        if name not in known:
            raise InvalidRequest(f"unknown output {name!r}.{nearest(name, known)} The model gives {', '.join(known)}")
    return list(outputs)


def text_list(options: Mapping[str, Any], key: str) -> list[str]:
    """An option that is a list of texts, or one text. Errors: LoadError."""
    value = options.get(key) or []
    if isinstance(value, str):
        return [value]
    if isinstance(value, Sequence) and all(isinstance(item, (str, int, float, bool)) for item in value):
        return [str(item) for item in value]
    raise LoadError(f"options.{key} must be a list of texts, not {value!r}")


def check_options(artifact: Artifact, known: Sequence[str]) -> None:
    """Refuse options that this runtime doesn't have. Errors: LoadError naming the nearest.

    `trustTypes` and `trustPickle` are fields of every version, so they are let through everywhere.
    """
    allowed = [*known, "trustTypes", "trustPickle"]
    for key in artifact.options:
        if key not in allowed:
            listed = ", ".join(known) or "none"
            raise LoadError(f"unknown option {key!r} of this runtime.{nearest(key, allowed)} Known: {listed}")
