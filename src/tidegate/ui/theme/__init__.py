"""How the dashboard looks: tokens (type, spacing, colours by role and state), the frame, components. One file for the browser.

tokens.css -> base.css -> components.css -> /assets/<digest>.css
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_PARTS = ("tokens.css", "base.css", "components.css", "pages.css", "rollout.css")


@cache
def stylesheet() -> bytes:
    """All of it."""
    return "\n".join((_HERE / name).read_text() for name in _PARTS).encode()


@cache
def digest(name: str = "") -> str:
    """What changes when a file does, so that browsers may keep it for ever. Without a name: the style sheet's."""
    content = (_HERE.parent / "assets" / name).read_bytes() if name else stylesheet()
    return hashlib.sha256(content).hexdigest()[:12]


def asset(name: str) -> bytes:
    """A file of assets/ that a page may ask for; empty for any other name."""
    path = _HERE.parent / "assets" / name
    return path.read_bytes() if name in {"tidegate.js", "favicon.svg"} else b""


def favicon() -> Path:
    """The file of the sign in the browser's tab."""
    return _HERE.parent / "assets" / "favicon.svg"
