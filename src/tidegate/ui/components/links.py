"""Only addresses of our own may be linked: no scheme, no host, so that no value of a prediction becomes `javascript:`."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode


def own(href: str) -> str:
    """The address, if it is one of ours. Errors: ValueError.

    >>> own("/alarms/3?window=1h")
    '/alarms/3?window=1h'
    """
    if href.startswith("#") or (href.startswith("/") and not href.startswith(("//", "/\\"))):
        return href
    raise ValueError(f"{href!r} isn't an address of this dashboard")


def to(*parts: object, **query: Any) -> str:
    """An address from path segments, each quoted, and a query without what is empty.

    >>> to("endpoints", "a/b c", window="1h", role="")
    '/endpoints/a%2Fb%20c?window=1h'
    """
    path = "/" + "/".join(quote(str(part), safe="") for part in parts)
    kept = {name.rstrip("_"): value for name, value in query.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(kept)}" if kept else path
