"""Shell completion of names: read from the project file as plain YAML, quickly, and silent about every problem."""

from __future__ import annotations

from typing import Any

from tidegate.cli.common import Place


def endpoints(incomplete: str) -> list[str]:
    """Endpoints of the project."""
    return [name for name in _data().get("endpoints", {}) if str(name).startswith(incomplete)]


def models(incomplete: str) -> list[str]:
    """Models of the project."""
    return [name for name in _data().get("models", {}) if str(name).startswith(incomplete)]


def versions(incomplete: str) -> list[str]:
    """Model:version of the project."""
    names = [
        f"{model}:{version}"
        for model, options in _data().get("models", {}).items()
        for version in (options or {}).get("versions", {})
    ]
    return [name for name in names if name.startswith(incomplete)]


def _data() -> dict[str, Any]:
    from ruamel.yaml import YAML

    try:
        found = YAML(typ="safe", pure=True).load(Place(None).file.read_text())
    except Exception:  # a shell that completes must never see a traceback
        return {}
    return found if isinstance(found, dict) else {}
