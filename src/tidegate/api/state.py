"""What the routes share: the state folder, its database, and whether keys are required."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from fastapi import Request

from tidegate.auth.policy import is_loopback
from tidegate.storage.layout import Layout
from tidegate.storage.state import StateStore

if TYPE_CHECKING:
    from tidegate.api.access import KeyRing
    from tidegate.api.sessions import Sessions


class Control:
    """One per application."""

    def __init__(self, layout: Layout, host: str, require_keys: bool) -> None:
        self.layout = layout
        self.require_keys = require_keys
        self.loopback = is_loopback(host)

    @cached_property
    def store(self) -> StateStore:
        """Opened when first needed."""
        return StateStore(self.layout)

    @cached_property
    def ring(self) -> KeyRing:
        """The valid keys."""
        from tidegate.api.access import KeyRing

        return KeyRing(self)

    @cached_property
    def sessions(self) -> Sessions:
        """Of browsers that have shown a key."""
        from tidegate.api.sessions import Sessions

        return Sessions(self)


def control_of(request: Request) -> Control:
    """The application's own."""
    control = request.app.state.control
    assert isinstance(control, Control)
    return control
