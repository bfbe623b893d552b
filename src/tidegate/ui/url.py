"""What a page shows is in its address: page, filters and window. Two browsers with one address show the same."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from nicegui import context, ui

_STORED = "tidegate_query"


def _query() -> dict[str, str]:
    client = context.client
    found = getattr(client, _STORED, None)
    if found is None:
        found = dict(client.request.query_params)
        setattr(client, _STORED, found)
    return found


def query(name: str, default: str = "") -> str:
    """A value of the address."""
    return _query().get(name, default)


def with_query(**values: object) -> str:
    """This page's address with some values changed; an empty one is left out."""
    found: Mapping[str, object] = {**_query(), **values}
    kept = {name: str(value) for name, value in found.items() if value not in (None, "", False)}
    path = context.client.request.url.path
    return f"{path}?{urlencode(kept)}" if kept else path


def set_query(**values: object) -> None:
    """Change the address without loading the page again."""
    address = with_query(**values)
    found = _query()
    for name, value in values.items():
        if value in (None, "", False):
            found.pop(name, None)
        else:
            found[name] = str(value)
    ui.navigate.history.replace(address)
