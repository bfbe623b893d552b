"""Bytes of a payload, however they travelled, and what their first bytes say they are.

bytes | base64 text | "data:audio/wav;base64,..." --content--> bytes --media_type--> image/png, audio/wav, ... or ""
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

_BASE64 = ("iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "ZkxhQ", "T2dnU")
"""How PNG, JPEG, GIF, RIFF (WebP, WAV), FLAC and Ogg begin in base64: how they travel in JSON."""


def content(value: Any) -> bytes | None:
    """A payload's own bytes; None for what holds none (a missing value, a plain text).

    >>> content("data:;base64,UklGRg=="), content(b"fLaC"), content("a text")
    (b'RIFF', b'fLaC', None)
    """
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        return None
    if value.startswith("data:") and ";base64," in value[:100]:
        value = value.partition(";base64,")[2]
    elif not value.startswith(_BASE64):
        return None
    try:
        return base64.b64decode(value)
    except (binascii.Error, ValueError):
        return None


_TYPES = {
    b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF87a": "image/gif", b"GIF89a": "image/gif",
    b"fLaC": "audio/flac", b"OggS": "audio/ogg",
}  # fmt: skip


def media_type(data: bytes) -> str:
    """What a browser is told of it, by the first bytes: an image's or a recording's type, the empty string for all else.

    >>> media_type(b"\\x89PNG\\r\\n\\x1a\\n...."), media_type(b"<svg onload=alert(1)>")
    ('image/png', '')
    """
    for start, name in _TYPES.items():
        if data.startswith(start):
            return name
    if data.startswith((b"RIFF", b"RF64")):
        return {b"WAVE": "audio/wav", b"WEBP": "image/webp"}.get(data[8:12], "")
    return ""


def kind_of_bytes(data: bytes) -> str:
    """`image`, `audio` or the empty string, by the first bytes.

    >>> kind_of_bytes(b"RIFF\\x24\\0\\0\\0WAVEfmt "), kind_of_bytes(b"hello")
    ('audio', '')
    """
    return media_type(data).partition("/")[0]
