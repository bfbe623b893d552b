"""From a URL to its channel. What is no scheme of ours is Apprise's."""

from __future__ import annotations

from typing import cast

from tidegate.errors import ConfigError
from tidegate.notify.base import Channel
from tidegate.notify.urls import fill, scheme
from tidegate.plugins import load_object

BUILTIN = {
    "webhook+http": "tidegate.notify.webhook:Webhook",
    "webhook+https": "tidegate.notify.webhook:Webhook",
    "alertmanager+http": "tidegate.notify.alertmanager:Alertmanager",
    "alertmanager+https": "tidegate.notify.alertmanager:Alertmanager",
    "file": "tidegate.notify.local:File",
    "console": "tidegate.notify.local:Console",
}


def channel(url: str) -> Channel:
    """The channel of a URL as the project file has it. Errors: ConfigError, with the URL masked."""
    filled = fill(url)
    kind = scheme(filled)
    if not kind:
        raise ConfigError(
            "monitoring.notify: `to` must be a URL, such as slack://..., mailto://... or webhook+https://..."
        )
    return cast(Channel, load_object(BUILTIN.get(kind, "tidegate.notify.apprise:Apprise"))(filled))
