"""API keys: `tg_<id>_<random>`. The id finds the key, the random part proves it; only a SHA-256 of the whole is kept.

Why a fast hash: slow ones (bcrypt, scrypt, Argon2) protect secrets that people choose, which can be guessed. These
secrets are 256 random bits: guessing them is hopeless at any speed, and the gateway checks one with every request, so
a slow hash would only hand an attacker a way to keep the machine busy.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from tidegate.errors import ConfigError, Forbidden, Unauthenticated
from tidegate.plugins import nearest
from tidegate.types.traffic import KeyEntry

Role = Literal["predict", "view", "review", "operate", "admin"]
Right = Literal["predict", "view", "review", "operate", "admin"]

RIGHTS: Final[Mapping[Role, frozenset[Right]]] = {
    "predict": frozenset({"predict"}),
    "view": frozenset({"predict", "view"}),
    "review": frozenset({"predict", "view", "review"}),
    "operate": frozenset({"predict", "view", "review", "operate"}),
    "admin": frozenset({"predict", "view", "review", "operate", "admin"}),
}
"""What each right is for: predict calls endpoints and sends feedback; view sees status and the log; review answers
what people are asked; operate applies,
loads and unloads; admin makes keys and erases."""

_NOBODY: Final = "0" * 64


def create(role: str, *, expires: float = 0.0) -> tuple[str, KeyEntry]:
    """A new secret, to be shown once, and what is kept of it. `expires` is unix seconds, 0 for never.

    Errors: ConfigError for an unknown role.
    """
    if role not in RIGHTS:
        raise ConfigError(f"unknown role {role!r}.{nearest(role, RIGHTS)} Known: {', '.join(RIGHTS)}")
    key_id = secrets.token_hex(6)
    secret = f"tg_{key_id}_{secrets.token_urlsafe(32)}"
    return secret, KeyEntry(key_id, digest(secret), role, expires)  # type: ignore[arg-type]


def digest(secret: str) -> str:
    """What is kept of a secret (hex)."""
    return hashlib.sha256(secret.encode()).hexdigest()


def by_id(entries: Iterable[KeyEntry]) -> dict[str, KeyEntry]:
    """The table that `verify` looks in."""
    return {entry.id: entry for entry in entries}


def verify(secret: str, entries: Mapping[str, KeyEntry]) -> KeyEntry | None:
    """The key that this secret proves, or None. About 2 microseconds, also for an unknown id."""
    prefix, _, rest = secret.partition("_")
    entry = entries.get(rest.partition("_")[0]) if prefix == "tg" else None
    same = hmac.compare_digest(digest(secret), entry.digest if entry is not None else _NOBODY)
    if not same or entry is None or (entry.expires and time.time() >= entry.expires):
        return None
    return entry


def allows(role: str, right: Right) -> bool:
    """Whether a role has a right; an unknown role has none."""
    return right in RIGHTS.get(role, frozenset())  # type: ignore[call-overload]


def from_authorization(header: str | None) -> str:
    """The secret in an `Authorization: Bearer ...` header, or the empty string."""
    scheme, _, value = (header or "").strip().partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def check(secret: str, entries: Mapping[str, KeyEntry], right: Right) -> KeyEntry:
    """The key, if it has the right. Errors: Unauthenticated without a known key, Forbidden without the right."""
    if not secret:
        raise Unauthenticated("a key is required: send it as `Authorization: Bearer tg_...` (`tidegate keys create`)")
    entry = verify(secret, entries)
    if entry is None:
        raise Unauthenticated("this key is unknown, revoked or past its end")
    if not allows(entry.role, right):
        raise Forbidden(f"this key's role is {entry.role!r}, and this needs {right!r}")
    return entry
