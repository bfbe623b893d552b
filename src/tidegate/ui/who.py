"""Who looks at a page, and what they may do."""

from __future__ import annotations

import msgspec

from tidegate.auth.keys import Right, allows
from tidegate.errors import Forbidden


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
        """Errors: Forbidden if they may not."""
        if not self.may(right):
            raise Forbidden(f"your key's role is {self.role!r}, and this needs {right!r}")


def who() -> Who:
    """Of the page or the act that runs now."""
    return Who("ui:local", "admin")
