"""Sessions of browsers: a key is shown once, at the sign-in, and a cookie stands for it from then on.

    POST /signin, key --> Sessions.start(key) --> cookie: signed {key id, time, number}, 12 h
    page, socket, GET --> Sessions.of(cookies) --> the key, if it is still valid

The cookie holds no secret. It is signed with 256 random bits of the state folder's database, which its owner alone can read. A key that
is revoked or past its end takes its sessions with it. Signing out ends one session, for good: the audit says which one it was.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec
from itsdangerous import BadSignature, URLSafeTimedSerializer

from tidegate.types.traffic import KeyEntry

if TYPE_CHECKING:
    from tidegate.api.state import Control

LIFETIME: Final = 12 * 3600
"""Seconds."""
SIGN_OUT: Final = "sign out"
"""In the audit; its target is the session's number."""
MOST: Final = 100_000
"""Sign-outs of one lifetime that are remembered."""


class Session(msgspec.Struct, frozen=True):
    """Which key was shown, and which sign-in this is."""

    key: str
    number: str


class Sessions:
    """Of one project. The cookie's name holds a digest, for browsers don't keep the cookies of two ports apart."""

    def __init__(self, control: Control) -> None:
        secret = control.store.secret("sessions").encode()
        self._store = control.store
        self._ring = control.ring
        self._signer = URLSafeTimedSerializer(secret, salt="tidegate session")
        since = time.time() - LIFETIME
        self._ended = {one.target: one.time for one in self._store.audit(MOST, since, action=SIGN_OUT)}
        self.cookie = f"tidegate_{sha256(secret).hexdigest()[:8]}"

    def start(self, entry: KeyEntry) -> str:
        """The value of a cookie for somebody who has shown this key."""
        return self._signer.dumps([entry.id, secrets.token_hex(8)])

    def read(self, cookies: Mapping[str, str]) -> Session | None:
        """The session that the cookie names, if we signed it within its lifetime. Its key may have ended since: see `entry`."""
        try:
            key, number = self._signer.loads(cookies.get(self.cookie, ""), max_age=LIFETIME)
        except (BadSignature, TypeError, ValueError):
            return None
        return Session(str(key), str(number))

    def entry(self, session: Session | None) -> KeyEntry | None:
        """The session's key, if neither of them has ended."""
        if session is None or session.number in self._ended:
            return None
        entry = self._ring.entries().get(session.key)
        if entry is None or (entry.expires and time.time() >= entry.expires):
            return None
        return entry

    def of(self, cookies: Mapping[str, str]) -> KeyEntry | None:
        """`read` and `entry` in one."""
        return self.entry(self.read(cookies))

    def end(self, session: Session) -> None:
        """Sign out."""
        if session.number in self._ended:
            return
        self._store.record(f"ui:key {session.key}", SIGN_OUT, session.number)
        now = time.time()
        self._ended = {number: at for number, at in self._ended.items() if now - at < LIFETIME}
        self._ended[session.number] = now
