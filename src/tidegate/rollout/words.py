"""What is said of rollouts in more than one place."""

from __future__ import annotations

import time

from tidegate.storage.rollouts import ALL
from tidegate.types.rollouts import Freeze


def frozen_text(freeze: Freeze) -> str:
    """A freeze in words."""
    until = time.strftime("%Y-%m-%d %H:%M", time.localtime(freeze.until))
    what = "everything is" if freeze.endpoint == ALL else f"endpoint {freeze.endpoint!r} is"
    why = f": {freeze.reason}" if freeze.reason else ""
    return f"{what} frozen until {until} by {freeze.actor}{why}"
