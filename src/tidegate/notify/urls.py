"""Addresses with secrets in them: filled in from the environment, and masked wherever people or logs may see them.

>>> mask("slack://xoxb-1/2/3/#ops"), mask("webhook+https://me:pw@hooks.example:8443/in?secret=s")
('slack://***', 'webhook+https://hooks.example:8443/***')
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from tidegate.errors import ConfigError

_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PARTS = re.compile(r"[/:@?&=#,;]+")
_HOSTS = ("http", "https", "webhook+http", "webhook+https", "alertmanager+http", "alertmanager+https")
"""Schemes whose host names a machine; in all others (Apprise's) the host may be a token."""


def fill(url: str, environment: Mapping[str, str] = os.environ, field: str = "monitoring.notify") -> str:
    """The URL with each `${NAME}` from the environment. Errors: ConfigError naming those that are not set.

    >>> fill("slack://${TOKEN}/#ops", {"TOKEN": "a/b/c"})
    'slack://a/b/c/#ops'
    """
    absent = sorted({name for name in _NAME.findall(url) if name not in environment})
    if absent:
        raise ConfigError(
            f"{field}: {mask(url)} needs {', '.join(absent)} from the environment of `tidegate up`, and it is "
            "not set there"
        )
    return _NAME.sub(lambda match: environment[match[1]], url)


def scheme(url: str) -> str:
    """What comes before `://`, in small letters; empty where there is none."""
    found, separator, _ = url.partition("://")
    return found.lower() if separator else ""


def mask(url: str) -> str:
    """What may be shown of a URL: the scheme; the host too where it names a machine; the whole of a file's."""
    kind = scheme(url)
    if kind in ("file", "console"):
        return url
    if kind in _HOSTS:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return f"{kind}://***"
        return f"{kind}://{host}:{port}/***" if port else f"{kind}://{host}/***"
    return f"{kind}://***" if kind else "***"


def redact(text: str, url: str) -> str:
    """A message of another library, without any part of the URL that could be a secret.

    >>> redact("POST https://hooks/T1secret failed for T1secret", "slack://T1secret/x")
    'POST https://hooks/*** failed for ***'
    """
    kind, _, rest = url.partition("://")
    safe = {urlsplit(url).hostname or ""} if kind.lower() in _HOSTS else set()
    raw = [rest, *_PARTS.split(rest)]
    parts = {part for piece in raw for part in (piece, unquote(piece)) if len(part) > 3}
    for part in sorted(parts - safe, key=len, reverse=True):
        text = text.replace(part, "***")
    return text
