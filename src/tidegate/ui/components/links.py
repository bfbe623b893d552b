"""Only addresses of our own may be linked: no scheme, no host, so that no value of a prediction becomes `javascript:`."""

from __future__ import annotations

from collections.abc import Mapping
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
    return with_values("/" + "/".join(quote(str(part), safe="") for part in parts), query)


def with_values(path: str, query: Mapping[str, object]) -> str:
    """The path with a query of what isn't None, False or empty; `from_` is written `from`."""
    kept = {name.rstrip("_"): str(value) for name, value in query.items() if given(value)}
    return f"{path}?{urlencode(kept)}" if kept else path


def given(value: object) -> bool:
    """Whether a value of a query says something: 0 does, None, False and the empty text don't."""
    return value is not None and value is not False and value != ""
