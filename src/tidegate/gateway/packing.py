"""gzip and deflate, with a limit on what comes out: a small body that unpacks to gigabytes is refused, not unpacked."""

from __future__ import annotations

import zlib

from tidegate.errors import InvalidRequest, TooLarge, UnsupportedContent


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo a Content-Encoding. Errors: UnsupportedContent, InvalidRequest for damaged data, TooLarge past `limit` bytes."""
    name = encoding.strip().lower()
    if name in ("gzip", "x-gzip"):
        return _inflate(body, 31, limit, name)
    if name == "deflate":  # zlib's format by the standard, raw deflate by habit
        wbits = 15 if body[:1] and body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0 else -15
        return _inflate(body, wbits, limit, name)
    raise UnsupportedContent(f"content encoding {name[:60]!r}: send gzip, deflate, or none")


def _inflate(body: bytes, wbits: int, limit: int, name: str) -> bytes:
    worker = zlib.decompressobj(wbits)
    try:
        out = worker.decompress(body, limit + 1)
    except zlib.error as exc:
        raise InvalidRequest(f"the body is not valid {name}: {exc}") from exc
    if len(out) > limit:
        raise TooLarge(f"the unpacked body has more than {limit} bytes (maxBody)")
    if not worker.eof:
        raise InvalidRequest(f"the body is cut short: its {name} data doesn't end")
    return out


def accepted(header: str | None) -> str:
    """Which of ours the caller takes: "gzip", "deflate" or "".

    >>> accepted("deflate, gzip;q=1.0"), accepted("gzip;q=0"), accepted(None)
    ('gzip', '', '')
    """
    if not header:
        return ""
    offers: dict[str, float] = {}
    for part in header.lower().split(","):
        name, _, parameters = part.strip().partition(";")
        weight = parameters.strip().removeprefix("q=") if parameters.strip().startswith("q=") else "1"
        try:
            offers[name.strip()] = float(weight)
        except ValueError:
            continue
    return next((name for name in ("gzip", "deflate") if offers.get(name, 0) > 0), "")


def pack(body: bytes, encoding: str) -> bytes:
    """Apply a Content-Encoding, at the fastest level."""
    worker = zlib.compressobj(1, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    return worker.compress(body) + worker.flush()
