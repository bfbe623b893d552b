"""An address that is no page's."""

from __future__ import annotations

from nicegui import context

from tidegate.ui.components.element import empty, link
from tidegate.ui.frame import page


@page("/lost", title="Nothing here")
def lost() -> None:
    """What is shown instead, wherever it was."""
    context.client.status_code = 404
    empty("There is no such page", "The address may have been cut, or what it shows has gone.")
    link("To the overview", "/")
