"""What a page shows is in its address: page, filters and window. Two browsers with one address show the same."""

from __future__ import annotations

from nicegui import context, ui

from tidegate.ui.components.links import given, with_values

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
    return with_values(context.client.request.url.path, {**_query(), **values})


def set_query(**values: object) -> None:
    """Change the address without loading the page again."""
    address = with_query(**values)
    found = _query()
    for name, value in values.items():
        if given(value):
            found[name] = str(value)
        else:
            found.pop(name, None)
    ui.navigate.history.replace(address)
