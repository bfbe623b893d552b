"""Who calls, and whether they may: `Depends(needs("operate"))` gives the actor's name for the audit, or 401 or 403.

A key comes in a header. The cookie of the dashboard's sign-in is good for reading (an image on a page, an export), never for a
change: a browser sends cookies by itself, whoever wrote the page.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import Request

from tidegate.api.guard import SAFE
from tidegate.api.state import Control, control_of
from tidegate.auth import keys
from tidegate.errors import Forbidden
from tidegate.types.traffic import KeyEntry

CACHE_SECONDS = 1.0


class KeyRing:
    """The valid keys, read again at most once a second, so that a revoked key ends within that time."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._entries: dict[str, KeyEntry] = {}
        self._read = 0.0

    def entries(self) -> dict[str, KeyEntry]:
        """By id."""
        if time.monotonic() - self._read > CACHE_SECONDS:
            self._entries = keys.by_id(key.entry() for key in self._control.store.list_keys(valid_only=True))
            self._read = time.monotonic()
        return self._entries


def needs(right: keys.Right) -> Callable[[Request], str]:
    """A dependency that asks for a right. A key that is given is checked even where none is required."""

    def dependency(request: Request) -> str:
        control = control_of(request)
        secret = keys.from_authorization(request.headers.get("authorization")) or request.headers.get("x-api-key", "")
        if not secret and not control.require_keys:
            return "api:local"
        if not secret and request.method in SAFE:
            found = control.sessions.of(request.cookies)
            if found is not None:
                if not keys.allows(found.role, right):
                    raise Forbidden(f"this key's role is {found.role!r}, and this needs {right!r}")
                return f"ui:key {found.id}"
        entry = keys.check(secret, control.ring.entries(), right)
        return f"api:key {entry.id}"

    return dependency
