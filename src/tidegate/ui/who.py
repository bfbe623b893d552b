"""Who looks at a page, and what they may do.

    cookie --> api/sessions.py --> the key, if it is still valid --> Who: what the audit calls them, and their rights

Where no keys are required, everybody who reaches the page is the one person who sits at this machine.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tidegate.api.state import Control
from tidegate.auth.keys import Right, allows
from tidegate.errors import Forbidden, Unauthenticated

LOCAL = "ui:local"


class Who(msgspec.Struct, frozen=True):
    """A person. `actor` is the name that the audit keeps; `signed_in` is whether there is a session to end."""

    actor: str
    role: str
    name: str = ""
    signed_in: bool = False

    def may(self, right: Right) -> bool:
        """Whether they may."""
        return allows(self.role, right)

    def must(self, right: Right) -> None:
        """Errors: Unauthenticated without a session, Forbidden if they may not."""
        if not self.role:
            raise Unauthenticated(
                "you aren't signed in, or your key was revoked or is past its end: sign in with a key"
            )
        if not self.may(right):
            raise Forbidden(f"your key's role is {self.role!r}, and this needs {right!r}")


NOBODY = Who("ui:nobody", "")


def who() -> Who:
    """Of the page or the act that runs now: asked anew each time, for a key may end while its page is open."""
    from nicegui import context

    from tidegate.ui import project

    return whose(project.control(), context.client.request.cookies)


def whose(control: Control, cookies: Mapping[str, str]) -> Who:
    """The person that a browser's cookies stand for; NOBODY, who has no rights, without a session that is still good."""
    if not control.require_keys:
        return Who(LOCAL, "admin")
    entry = control.sessions.of(cookies)
    return NOBODY if entry is None else Who(f"ui:key {entry.id}", entry.role, entry.id, True)
