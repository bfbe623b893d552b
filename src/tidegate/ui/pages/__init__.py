"""One page a file; importing this package registers them all."""

from __future__ import annotations

import importlib
import pkgutil


def register() -> None:
    """Import every page."""
    for found in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{found.name}")
