"""The endpoints that there is something to say of."""

from __future__ import annotations

from contextlib import closing

from tidegate.storage.profiles import ProfileStore
from tidegate.ui.project import layout


def with_profiles() -> list[str]:
    """Names of those that have had traffic."""
    if not (layout().root / "state.db").exists():
        return []
    with closing(ProfileStore(layout())) as store:
        return store.endpoints()
