"""The project that this web process shows: set once when the application is built."""

from __future__ import annotations

from tidegate.api.state import Control
from tidegate.storage.layout import Layout

_control: Control | None = None


def use(control: Control) -> None:
    """Show this project from now on."""
    global _control
    _control = control


def control() -> Control:
    """State folder, database and keys, as the API has them."""
    assert _control is not None, "ui.app.build hasn't run"
    return _control


def layout() -> Layout:
    """The state folder."""
    return control().layout
